//go:build linux

package lab

import (
	"fmt"
	"testing"
)

// rekeyKind is what is rekeyed, as arguments of `swanctl --rekey`.
type rekeyKind struct {
	name string
	args []string
}

var (
	rekeyChild = rekeyKind{"Child SA", []string{"--child", "net"}}
	rekeyIKE   = rekeyKind{"IKE SA", []string{"--ike", "site"}}
)

// identity is what a rekey of that kind replaces; "" while there is not exactly one.
func (k rekeyKind) identity(sas []IKESA) string {
	if len(sas) != 1 || len(sas[0].installed("net")) != 1 {
		return ""
	}
	if k.name == rekeyIKE.name {
		return sas[0].InitiatorSPI + sas[0].ResponderSPI
	}
	child := sas[0].installed("net")[0]
	return child.SPIIn + child.SPIOut
}

// rekey lets one end rekey and waits until both ends have the new SA and nothing of the old one but, perhaps, a Child SA
// that still receives.
func (n *Net) rekey(t *testing.T, h *Host, kind rekeyKind) {
	t.Helper()
	old := kind.identity(h.SAs(t))
	h.mustSwanctl(t, append([]string{"--rekey"}, kind.args...)...)
	waitFor(t, fmt.Sprintf("%s replaces its %s", h.Name, kind.name), func() (bool, string) {
		sas := h.SAs(t)
		current := kind.identity(sas)
		return current != "" && current != old, fmt.Sprint(sas)
	})
	n.WaitUp(t, "net")
}

// TestRekeyUnderLoad rekeys the Child SA and the IKE SA from either end while a TCP transfer of at least 100 MB runs.
// Not one packet may be lost, in either direction. The transfer's window is so small that no queue on the way can
// overflow: what is lost, a rekey lost.
func TestRekeyUnderLoad(t *testing.T) {
	eachPair(t, pairs, "rekey", Topology{}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
		probe := n.LeftLAN.StartProbe(t, n.RightLAN.Namespace, n.RightLAN.IPv4)
		transfer := n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv4, Stream{Size: 100 << 20, Window: 48 << 10})
		for range 3 {
			for _, h := range []*Host{n.Left, n.Right} {
				n.rekey(t, h, rekeyChild)
				n.rekey(t, h, rekeyIKE)
			}
		}
		transfer.Finish(t)
		probe.FinishLossless(t)
	})
}
