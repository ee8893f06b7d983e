//go:build linux

package lab

import "testing"

// TestSite is the main job: two networks whose only link is the tunnel, brought up from either end, with IPv4 and IPv6
// inside, large transfers in both directions, and the gateways' own traffic.
func TestSite(t *testing.T) {
	eachPair(t, pairs, "site", Topology{}, func(t *testing.T, n *Net) {
		for _, initiator := range []*Host{n.Left, n.Right} {
			initiator.Initiate(t, "net", "net6")
			n.WaitUp(t, "net", "net6")
			n.pingAll(t)
			n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv4, 100<<20)
			n.RightLAN.Transfer(t, n.LeftLAN, n.LeftLAN.IPv4, 100<<20)
			n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv6, 100<<20)
			initiator.Terminate(t, "site")
			n.WaitGone(t)
		}
	})
}

// pingAll pings from each network and from each gateway to the other side, over both IP versions.
func (n *Net) pingAll(t *testing.T) {
	t.Helper()
	n.LeftLAN.Ping(t, n.RightLAN.IPv4)
	n.RightLAN.Ping(t, n.LeftLAN.IPv4)
	n.LeftLAN.Ping(t, n.RightLAN.IPv6)
	n.RightLAN.Ping(t, n.LeftLAN.IPv6)
	n.Left.Ping(t, RightInner)
	n.Right.Ping(t, LeftInner)
	n.Left.Ping(t, RightInner6)
	n.Right.Ping(t, LeftInner6)
}

// TestOuterIPv6 has IKE and ESP over IPv6 with IPv4 inside, from either end.
func TestOuterIPv6(t *testing.T) {
	eachPair(t, pairs, "ipv6", Topology{}, func(t *testing.T, n *Net) {
		for _, initiator := range []*Host{n.Left, n.Right} {
			initiator.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv4, 10<<20)
			initiator.Terminate(t, "site")
			n.WaitGone(t)
		}
	})
}

// TestNAT has a router that masquerades the left side with random ports. The right side begins a rekey too: it has to
// reach the peer at the address and port that the NAT chose.
func TestNAT(t *testing.T) {
	eachPair(t, pairs, "nat", Topology{NAT: true}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		sa := n.Right.SA(t)
		if host := sa.Section.get("remote-host"); host != "198.51.100.1" {
			t.Errorf("the right side sees its peer at %s, want the router's 198.51.100.1", host)
		}
		if port := sa.Section.get("remote-port"); port == "500" || port == "4500" {
			t.Errorf("the right side sees its peer at port %s, so nothing was masqueraded", port)
		}
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
		n.RightLAN.Ping(t, n.LeftLAN.IPv4)
		n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv4, 100<<20)
		n.RightLAN.Transfer(t, n.LeftLAN, n.LeftLAN.IPv4, 100<<20)
		for _, h := range []*Host{n.Right, n.Left} {
			n.rekey(t, h, rekeyChild)
			n.rekey(t, h, rekeyIKE)
			n.RightLAN.Ping(t, n.LeftLAN.IPv4)
		}
		n.Right.Terminate(t, "site")
		n.WaitGone(t)
	})
}
