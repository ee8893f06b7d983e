//go:build linux

package lab

import (
	"fmt"
	"maps"
	"testing"
)

// offloadStream is a transfer of TestOffloads: a large one between goswan and goswan. strongSwan's data path takes its
// time, and its sockets overflow when more is under way.
func (n *Net) offloadStream() Stream {
	if n.Left.Daemon == Goswan && n.Right.Daemon == Goswan {
		return Stream{Size: 20 << 20}
	}
	return Stream{Size: 5 << 20, Window: 48 << 10}
}

// TestOffloads has the devices cut and join packets, or not, on the wire and on the TUN device: what arrives is the same.
// A device with all offloads hands on datagrams in super-packets; without them every packet comes alone, with its checksum
// made; between the two one end cuts what the other does not join.
func TestOffloads(t *testing.T) {
	eachPair(t, pairs, "site", Topology{}, func(t *testing.T, n *Net) {
		both := []*Host{n.Left, n.Right}
		n.Left.Initiate(t, "net", "net6")
		n.WaitUp(t, "net", "net6")
		for _, test := range []struct {
			name  string
			hosts []*Host
			off   Features
		}{
			{"all on", nil, nil},
			{"all off", both, allOffloads},
			{"all off on the left", both[:1], allOffloads},
			{"all off on the right", both[1:], allOffloads},
			{"GRO off, USO on", both, gro},
			{"USO off, GRO on", both, uso},
		} {
			t.Run(test.name, func(t *testing.T) {
				n.offload(t, both, allOffloads, true)
				n.offload(t, test.hosts, test.off, false)
				n.carriesAll(t)
			})
		}
		t.Run("switched during a transfer", n.switchOffloads)
		t.Run("TUN MTU changed during a transfer", n.changeMTU)
	})
}

// offload switches features at hosts: on the outer device, the wire's other end, the inner device and the TUN device.
func (n *Net) offload(t *testing.T, hosts []*Host, features Features, on bool) {
	t.Helper()
	for _, h := range hosts {
		h.SetFeatures(t, "wan", features, on)
		h.SetFeatures(t, "lan", features, on)
		if h.Daemon == Goswan { // strongSwan's TUN device has no offloads
			h.SetFeatures(t, goswanTUN, features, on)
		}
		n.Router.SetFeatures(t, map[*Host]string{n.Left: "left", n.Right: "right"}[h], features, on)
	}
}

// carriesAll transfers and sends datagrams in both directions over both IP versions, after which neither daemon may have
// dropped a packet that is not one of the host's own.
func (n *Net) carriesAll(t *testing.T) {
	t.Helper()
	before := [2]map[string]int{n.Left.Drops(t), n.Right.Drops(t)}
	n.transferAll(t)
	n.datagramsAll(t, datagramSizes)
	for i, h := range []*Host{n.Left, n.Right} {
		if after := h.Drops(t); !maps.Equal(before[i], after) {
			t.Errorf("%s (%s) has dropped packets: %v before, %v after", h.Name, h.Daemon, before[i], after)
		}
	}
}

func (n *Net) transferAll(t *testing.T) {
	t.Helper()
	n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv4, n.offloadStream()).Finish(t)
	n.RightLAN.StartTransfer(t, n.LeftLAN, n.LeftLAN.IPv4, n.offloadStream()).Finish(t)
	n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv6, n.offloadStream()).Finish(t)
	n.RightLAN.StartTransfer(t, n.LeftLAN, n.LeftLAN.IPv6, n.offloadStream()).Finish(t)
}

func (n *Net) datagramsAll(t *testing.T, sizes []int) {
	t.Helper()
	n.LeftLAN.Datagrams(t, n.RightLAN, n.RightLAN.IPv4, sizes)
	n.RightLAN.Datagrams(t, n.LeftLAN, n.LeftLAN.IPv4, sizes)
	n.LeftLAN.Datagrams(t, n.RightLAN, n.RightLAN.IPv6, sizes)
	n.RightLAN.Datagrams(t, n.LeftLAN, n.LeftLAN.IPv6, sizes)
}

// switchOffloads switches offloads one by one and all together while transfers run in both directions. The kernel may
// lose packets of a device that it reconfigures, so datagrams are counted only afterwards.
func (n *Net) switchOffloads(t *testing.T) {
	both := []*Host{n.Left, n.Right}
	n.offload(t, both, allOffloads, true)
	there := n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv4, n.offloadStream())
	back := n.RightLAN.StartTransfer(t, n.LeftLAN, n.LeftLAN.IPv6, n.offloadStream())
	for _, h := range both {
		for _, features := range []Features{gro, uso, allOffloads} {
			for _, on := range []bool{false, true} {
				n.offload(t, []*Host{h}, features, on)
			}
		}
	}
	there.Finish(t)
	back.Finish(t)
	n.carriesAll(t)
}

// changeMTU makes the TUN devices narrower while transfers run, and wider again. Datagrams that fit the narrower device
// are lost at neither change.
func (n *Net) changeMTU(t *testing.T) {
	const narrow = 1300
	before := n.Losses(t)
	there := n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv4, n.offloadStream())
	back := n.RightLAN.StartTransfer(t, n.LeftLAN, n.LeftLAN.IPv6, n.offloadStream())
	probe := n.LeftLAN.StartProbe(t, n.RightLAN.Namespace, n.RightLAN.IPv4)
	wide := map[*Host]int{}
	for _, h := range []*Host{n.Left, n.Right} {
		wide[h] = h.Links(t)[goswanTUN].MTU
		if wide[h] <= narrow {
			t.Fatalf("%s: the MTU of the TUN device is %d, so %d is not narrower", h.Name, wide[h], narrow)
		}
		h.IP(t, fmt.Sprintf("link set dev %s mtu %d", goswanTUN, narrow))
	}
	n.transferAll(t)
	n.datagramsAll(t, []int{1, 511, narrow - 28})
	for h, mtu := range wide {
		h.IP(t, fmt.Sprintf("link set dev %s mtu %d", goswanTUN, mtu))
	}
	there.Finish(t)
	back.Finish(t)
	probe.FinishBut(t, n, before)
	// The hosts remember for minutes what they were told of the narrow path.
	for _, e := range []*Endpoint{n.LeftLAN, n.RightLAN} {
		mustRun(t, "ip", "-n", e.Name, "-4", "route", "flush", "cache")
		mustRun(t, "ip", "-n", e.Name, "-6", "route", "flush", "cache")
	}
	n.carriesAll(t)
}
