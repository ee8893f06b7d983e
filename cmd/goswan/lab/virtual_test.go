//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The first addresses of the pools of scenario virtual, which the laptop gets.
const virtual4, virtual6 = "10.3.0.1", "fd00:3::1"

// TestVirtualAddress has a laptop on the left that asks for addresses, IPv4 and IPv6, and a gateway that assigns them.
// They stay over rekeyings and over a new IKE SA.
func TestVirtualAddress(t *testing.T) {
	eachPair(t, pairs, "virtual", Topology{}, func(t *testing.T, n *Net) {
		n.Left.writeResolvConf(t)
		for range 2 {
			n.Left.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.wantVirtual(t)
			n.Left.Ping(t, n.RightLAN.IPv4)
			n.Left.Ping(t, n.RightLAN.IPv6)
			n.RightLAN.Ping(t, virtual4)
			n.RightLAN.Ping(t, virtual6)
			n.Left.wantNameServers(t, true)
			for _, h := range []*Host{n.Left, n.Right} {
				n.rekey(t, h, rekeyChild)
				n.rekey(t, h, rekeyIKE)
			}
			n.wantVirtual(t)
			n.Left.Ping(t, n.RightLAN.IPv4)
			n.RightLAN.Ping(t, virtual6)
			n.Left.Terminate(t, "site")
			n.WaitGone(t)
			n.Left.wantNameServers(t, false)
		}
		n.Right.wantLease(t, "rw4", virtual4, "offline", "alice@left.example")
	})
}

// wantVirtual asserts that both ends know the laptop's addresses, and that the Child SA is for them.
func (n *Net) wantVirtual(t *testing.T) {
	t.Helper()
	for h, key := range map[*Host]string{n.Left: "local-vips", n.Right: "remote-vips"} {
		out := h.mustSwanctl(t, "--list-sas", "--raw")
		if want := fmt.Sprintf("%s=[%s %s]", key, virtual4, virtual6); !strings.Contains(out, want) {
			t.Errorf("%s (%s) does not list %s:\n%s", h.Name, h.Daemon, want, out)
		}
	}
	if got, want := fmt.Sprint(n.Left.Child(t, "net").LocalTS), fmt.Sprintf("[%s/32 %s/128]", virtual4, virtual6); got != want {
		t.Errorf("the laptop's Child SA is for %s, want %s", got, want)
	}
}

// wantLease asserts that the gateway's pool has the lease, as swanctl shows it.
func (h *Host) wantLease(t *testing.T, pool, address, status, identity string) {
	t.Helper()
	out := h.mustSwanctl(t, "--list-pools", "--leases")
	for line := range strings.Lines(out) {
		if strings.Join(strings.Fields(line), " ") == fmt.Sprintf("%s %s '%s'", address, status, identity) {
			return
		}
	}
	t.Errorf("%s (%s) has no lease of %s, %s, for %s in pool %s:\n%s", h.Name, h.Daemon, address, status, identity, pool, out)
}

const ownNameServer = "nameserver 192.0.2.53\n"

func (h *Host) writeResolvConf(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(h.ResolvConf(), []byte(ownNameServer), 0o644); err != nil {
		t.Fatal(err)
	}
}

// wantNameServers waits until goswan has put the gateway's name servers before the host's own, or taken them out again.
// strongSwan's plugin for that is not loaded in the lab.
func (h *Host) wantNameServers(t *testing.T, up bool) {
	t.Helper()
	if h.Daemon != Goswan {
		return
	}
	want := ownNameServer
	if up {
		want = "# goswan ipsec0: name servers of the tunnel\nnameserver 10.2.0.2\nnameserver fd00:2::2\n# goswan ipsec0: end\n" + ownNameServer
	}
	waitFor(t, fmt.Sprintf("%s has the name servers (%v)", h.Name, up), func() (bool, string) {
		got, err := os.ReadFile(h.ResolvConf())
		return err == nil && string(got) == want, string(got)
	})
}

// TestLeasesSurvive has goswan as the gateway, which is restarted: who had the second address gets it again, although the
// first is free.
func TestLeasesSurvive(t *testing.T) {
	eachPair(t, []Pair{{Goswan, Goswan}, {StrongSwan, Goswan}}, "virtual", Topology{}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.Left.Terminate(t, "site")
		n.WaitGone(t)
		n.Left.be(t, "bob")
		for _, restart := range []func(testing.TB){n.Right.Restart, func(t testing.TB) { n.Right.Kill(t); n.Right.Start(t) }} {
			n.Left.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.Right.wantLease(t, "rw4", "10.3.0.2", "online", "bob@left.example")
			n.RightLAN.Ping(t, "10.3.0.2")
			n.Left.Terminate(t, "site")
			n.WaitGone(t)
			restart(t)
			n.Right.wantLease(t, "rw4", "10.3.0.2", "offline", "bob@left.example")
			n.Right.wantLease(t, "rw4", "10.3.0.1", "offline", "alice@left.example")
		}
	})
}

// be makes the laptop somebody else's.
func (h *Host) be(t *testing.T, user string) {
	t.Helper()
	h.replaceConfig(t, "alice@", user+"@")
	h.LoadAll(t)
}

// replaceConfig changes the host's swanctl.conf.
func (h *Host) replaceConfig(t *testing.T, old, next string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.SwanctlDir(), "swanctl.conf"))
	if err != nil {
		t.Fatal(err)
	}
	h.WriteConfig(t, "swanctl.conf", strings.Replace(string(text), old, next, 1))
}

// TestPoolExhausted has two users and one address. The second one is told why it gets none; the IKE SA stays, and when the
// first one leaves there is an address.
func TestPoolExhausted(t *testing.T) {
	eachPair(t, pairs, "exhausted", Topology{}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "alice")
		from := len(n.Right.Log(t))
		out := n.Left.InitiateFails(t, "bob")
		if n.Left.Daemon == Goswan && !strings.Contains(out, "INTERNAL_ADDRESS_FAILURE: the peer has no virtual address for us") {
			t.Errorf("the laptop does not say why:\n%s", out)
		}
		if n.Right.Daemon == Goswan {
			n.Right.WaitLogFrom(t, from, `INTERNAL_ADDRESS_FAILURE: no virtual address for the peer \\?"bob@left.example\\?": all 1 addresses of pool tiny \(10.3.0.7/32\) are in use`)
		}
		if sas := n.Left.SAs(t); len(sas) != 2 {
			t.Errorf("the laptop has IKE SAs %v, want both", sas)
		}
		n.Left.Ping(t, n.RightLAN.IPv4)
		n.Left.Terminate(t, "alice")
		n.Left.Terminate(t, "bob")
		n.WaitGone(t)
		n.Left.Initiate(t, "bob")
		n.Right.wantLease(t, "tiny", "10.3.0.7", "online", "bob@left.example")
		n.Left.Ping(t, n.RightLAN.IPv4)
	})
}

// clients is how many peers TestManyClients has.
const clients = 200

// TestManyClients has as many IKE SAs from one laptop as a department has users: each has an address of its own.
func TestManyClients(t *testing.T) {
	eachPair(t, []Pair{{Goswan, Goswan}}, "virtual", Topology{}, func(t *testing.T, n *Net) {
		text, err := os.ReadFile(testdata(t, "virtual", "left", "swanctl.conf"))
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\tsite {")
		body, rest, _ := strings.Cut(body, "\n\t}\n}\n")
		var all strings.Builder
		all.WriteString("connections {\n")
		for i := range clients {
			one := strings.NewReplacer("alice@", fmt.Sprintf("user%d@", i), "net {", fmt.Sprintf("net%d {", i), "vips = 0.0.0.0, ::", "vips = 0.0.0.0",
				", fd00:2::/64", "").Replace(body)
			fmt.Fprintf(&all, "\tuser%d {%s\n\t}\n", i, one)
		}
		n.Left.WriteConfig(t, "swanctl.conf", all.String()+"}\n"+rest)
		n.Left.LoadAll(t)
		for i := range clients {
			n.Left.Initiate(t, fmt.Sprintf("net%d", i))
		}
		seen := map[string]bool{}
		out := n.Right.mustSwanctl(t, "--list-sas", "--raw")
		for field := range strings.FieldsSeq(out) {
			if address, ok := strings.CutPrefix(field, "remote-vips=["); ok {
				seen[address] = true
			}
		}
		if len(seen) != clients {
			t.Errorf("%d clients have %d addresses", clients, len(seen))
		}
		n.RightLAN.Ping(t, "10.3.0.1")
		n.RightLAN.Ping(t, fmt.Sprintf("10.3.0.%d", clients))
		if out := n.Right.mustSwanctl(t, "--list-pools"); !strings.Contains(out, fmt.Sprintf("%d / 0 / 254", clients)) {
			t.Errorf("swanctl --list-pools shows\n%s\nwant %d online of 254", out, clients)
		}
		n.Right.Stop(t)
		n.Right.Start(t)
	})
}

// TestReauthentication has the gateway end its IKE SAs after a while, and tell so (AUTH_LIFETIME, RFC 4478): the laptop makes
// a new one before that, with the same addresses.
func TestReauthentication(t *testing.T) {
	eachPair(t, pairs, "virtual", Topology{}, func(t *testing.T, n *Net) {
		n.Right.replaceConfig(t, "pools =", "reauth_time = 16s\n\t\trand_time = 0s\n\t\tover_time = 4s\n\t\trekey_time = 0s\n\t\tpools =")
		n.Right.LoadAll(t)
		// strongSwan begins at once when what is left is less than its own over_time, which is minutes.
		n.Left.replaceConfig(t, "vips =", "over_time = 4s\n\t\tvips =")
		n.Left.LoadAll(t)
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		old := n.Left.SA(t).InitiatorSPI
		waitFor(t, "the laptop makes a new IKE SA", func() (bool, string) {
			sas := n.Left.SAs(t)
			return len(sas) == 1 && sas[0].State == "ESTABLISHED" && sas[0].InitiatorSPI != old, fmt.Sprint(sas)
		})
		n.WaitUp(t, "net")
		n.wantVirtual(t)
		n.Left.Ping(t, n.RightLAN.IPv4)
		n.RightLAN.Ping(t, virtual6)
		n.Right.wantLease(t, "rw4", virtual4, "online", "alice@left.example")
	})
}
