//go:build linux

package lab

import (
	"regexp"
	"testing"
)

// TestNarrowing has the left side ask for more than the right side has. Whoever begins, both end up with the smaller
// networks and the one port. RFC 7296 §2.9
func TestNarrowing(t *testing.T) {
	eachPair(t, pairs, "narrowing", Topology{}, func(t *testing.T, n *Net) {
		for _, initiator := range []*Host{n.Left, n.Right} {
			initiator.Initiate(t, "net", "web")
			n.WaitUp(t, "net", "web")
			for _, want := range []struct {
				host                 *Host
				child, local, remote string
			}{
				{n.Left, "net", `10\.1\.0\.0/24`, `10\.2\.0\.0/24`},
				{n.Right, "net", `10\.2\.0\.0/24`, `10\.1\.0\.0/24`},
				{n.Left, "web", `fd00:1::/64(\[tcp\])?`, `fd00:2::/64\[tcp/(8080|http-alt)\]`},
				{n.Right, "web", `fd00:2::/64\[tcp/(8080|http-alt)\]`, `fd00:1::/64(\[tcp\])?`},
			} {
				child := want.host.Child(t, want.child)
				got := child.LocalTS + "===" + child.RemoteTS
				if expression := `^\[` + want.local + `\]===\[` + want.remote + `\]$`; !regexp.MustCompile(expression).MatchString(got) {
					t.Errorf("%s (%s): Child SA %s is for %s, want %s", want.host.Name, want.host.Daemon, want.child, got, expression)
				}
			}
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			n.LeftLAN.NoPing(t, n.RightLAN.IPv6)
			n.LeftLAN.StartTransfer(t, n.RightLAN, n.RightLAN.IPv6, Stream{Size: 1 << 20, Port: 8080}).Finish(t)
			initiator.Terminate(t, "site")
			n.WaitGone(t)
		}
	})
}

// TestInvalidKE has the initiator guess a key exchange that the responder does not take; it begins again with the one
// that the responder names. RFC 7296 §1.2
func TestInvalidKE(t *testing.T) {
	eachPair(t, pairs, "invalid-ke", Topology{}, func(t *testing.T, n *Net) {
		for _, initiator := range []*Host{n.Left, n.Right} {
			capture := n.StartCapture(t, "invalid-ke-"+initiator.Name, "left", "udp port 500")
			initiator.Initiate(t, "net")
			n.WaitUp(t, "net")
			capture.Stop(t)
			if messages := capture.Messages(t); len(messages) != 4 {
				t.Errorf("%d messages on port 500, want two IKE_SA_INIT exchanges: %q", len(messages), messages)
			}
			if got := n.Left.SA(t).Section.get("dh-group"); got != "CURVE_25519" {
				t.Errorf("the IKE SA uses %s, want CURVE_25519", got)
			}
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			initiator.Terminate(t, "site")
			n.WaitGone(t)
		}
	})
}

// TestCookie has a half-open IKE SA at the responder, after which it asks whoever comes for a cookie. RFC 7296 §2.6
func TestCookie(t *testing.T) {
	eachPair(t, pairs, "cookie", Topology{}, func(t *testing.T, n *Net) {
		for _, end := range []struct{ initiator, responder *Host }{{n.Left, n.Right}, {n.Right, n.Left}} {
			n.Router.NFT(t, "table inet cut { chain forward { type filter hook forward priority 0; udp dport 4500 drop; }; }")
			if out, err := end.initiator.Swanctl("--initiate", "--child", "net", "--timeout", "1"); err == nil {
				t.Fatalf("an IKE SA came up, although the router drops IKE_AUTH:\n%s", out)
			}
			end.initiator.mustSwanctl(t, "--terminate", "--ike", "site", "--force")
			n.Router.NFT(t, "delete table inet cut")
			if sas := end.responder.SAs(t); len(sas) != 1 || sas[0].State != "CONNECTING" {
				t.Fatalf("%s: it has not one half-open IKE SA: %v", end.responder.Name, sas)
			}
			capture := n.StartCapture(t, "cookie-"+end.initiator.Name, "left", "udp port 500")
			end.initiator.Initiate(t, "net")
			capture.Stop(t)
			if messages := capture.Messages(t); len(messages) != 4 {
				t.Errorf("%d messages on port 500, want IKE_SA_INIT without and with a cookie: %q", len(messages), messages)
			}
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			end.initiator.Terminate(t, "site")
			end.responder.Restart(t)
			n.WaitGone(t)
		}
	})
}

// TestTrap brings the Child SA up with a packet. strongSwan's userspace data path has no traps, so goswan is on the left.
func TestTrap(t *testing.T) {
	over := []Pair{{Goswan, Goswan}, {Goswan, StrongSwan}}
	eachPair(t, over, "trap", Topology{}, func(t *testing.T, n *Net) {
		if n.Left.Daemon != Goswan {
			t.Skip("lab: strongSwan's kernel-libipsec has no traps")
		}
		// The first request waits for the negotiation or is lost; the ones after it are answered.
		waitFor(t, "a ping brings the Child SA up", func() (bool, string) {
			out, err := n.LeftLAN.Command(t.Context(), "ping", "-n", "-c", "1", "-W", "1", n.RightLAN.IPv4).CombinedOutput()
			return err == nil, string(out)
		})
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
	})
}
