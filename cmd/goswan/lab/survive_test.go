//go:build linux

package lab

import (
	"testing"
)

// TestKilled kills one daemon without notice and starts it again. Once the other one notices and comes back by itself,
// once the killed one comes back and says INITIAL_CONTACT (RFC 7296 §2.4). Either way both end up with one IKE SA.
func TestKilled(t *testing.T) {
	eachPair(t, pairs, "killed", Topology{}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		for _, victim := range []*Host{n.Right, n.Left} {
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			victim.Kill(t)
			victim.Start(t)
			n.WaitUp(t, "net")
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)

			victim.Kill(t)
			victim.Start(t)
			victim.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.RightLAN.Ping(t, n.LeftLAN.IPv4)
		}
	})
}

// TestShutdown ends one daemon with SIGTERM: the other one hears of it and has nothing left.
func TestShutdown(t *testing.T) {
	eachPair(t, pairs, "site", Topology{}, func(t *testing.T, n *Net) {
		for _, leaver := range []*Host{n.Left, n.Right} {
			n.Left.Initiate(t, "net", "net6")
			n.WaitUp(t, "net", "net6")
			leaver.Stop(t)
			stayer := n.Left
			if leaver == n.Left {
				stayer = n.Right
			}
			waitFor(t, stayer.Name+" has no IKE SA", func() (bool, string) { return len(stayer.SAs(t)) == 0, "" })
			leaver.Start(t)
		}
	})
}

// TestLoss loses every fifth IKE packet, at random, while SAs are made, rekeyed and deleted from either end.
func TestLoss(t *testing.T) {
	eachPair(t, pairs, "loss", Topology{Loss: 20}, func(t *testing.T, n *Net) {
		for i := range 6 {
			h, other := n.Left, n.Right
			if i%2 == 1 {
				h, other = other, h
			}
			h.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			n.rekey(t, h, rekeyChild)
			n.rekey(t, other, rekeyIKE)
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			other.Terminate(t, "site")
			n.WaitGone(t)
		}
		lost := n.LostIKE(t)
		t.Logf("the router lost %d IKE packets", lost)
		if lost == 0 {
			t.Error("the router lost no IKE packet, so nothing was shown")
		}
	})
}
