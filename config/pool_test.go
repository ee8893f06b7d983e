package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestStaticAddresses has the addresses of single peers, with everything that may be wrong with them.
func TestStaticAddresses(t *testing.T) {
	catalog, warnings, err := Loader{}.Parse("x.conf", []byte(`pools {
  office {
    addrs = 10.3.0.0/24
    static-alice {
      id = alice@example.org
      addr = 10.3.0.10
    }
    static-bob { id = bob
      addr = 10.3.0.11 }
  }
  radius {
    dns = 10.2.0.53
  }
}
`))
	if err != nil || len(warnings) > 0 || len(catalog.Pools) != 2 {
		t.Fatalf("the pools are read as %v, %v", warnings, err)
	}
	var got []string
	for _, s := range catalog.Pools[0].Static {
		got = append(got, fmt.Sprint(s.Peer, " ", s.Addr, " ", s.Source))
	}
	if want := "alice@example.org 10.3.0.10 x.conf:4, bob 10.3.0.11 x.conf:8"; strings.Join(got, ", ") != want {
		t.Errorf("the static addresses are %q, want %q", got, want)
	}
	for text, want := range map[string]string{
		"static-a { addr = 10.3.0.9 }":                                                  "x.conf:3: pools.p.static-a: there is no id in it; add `id = …`, whose address it is",
		"static-a { id = a }":                                                           "x.conf:3: pools.p.static-a: there is no addr in it; add `addr = …`",
		"static-a { id = %any\n addr = 10.3.0.9 }":                                      `x.conf:3: pools.p.static-a.id: "%any" is not one peer; write the identity of one peer, its EAP identity if it has one`,
		"static-a { id = *.x.org\n addr = 10.3.0.9 }":                                   `x.conf:3: pools.p.static-a.id: "*.x.org" is not one peer; write the identity of one peer, its EAP identity if it has one`,
		"static-a { id = a\n addr = 10.3.0.0/24 }":                                      `x.conf:4: pools.p.static-a.addr: "10.3.0.0/24" is not an address; write one address as 10.3.0.10`,
		"static-a { id = a\n addr = 10.4.0.9 }":                                         "x.conf:3: pools.p.static-a: 10.4.0.9 is not one that 10.3.0.0/24 assigns; write an address within addrs; the first and the last of a network are not assigned",
		"static-a { id = a\n addr = 10.3.0.255 }":                                       "x.conf:3: pools.p.static-a: 10.3.0.255 is not one that 10.3.0.0/24 assigns; write an address within addrs; the first and the last of a network are not assigned",
		"static-a { id = a\n addr = fd00::9 }":                                          "x.conf:3: pools.p.static-a: fd00::9 is not one that 10.3.0.0/24 assigns; write an address within addrs; the first and the last of a network are not assigned",
		"static-a { id = a\n addr = 10.3.0.9 }\n static-b { id = b\n addr = 10.3.0.9 }": "x.conf:5: pools.p.static-b: 10.3.0.9 is the address of a already (x.conf:3); give each peer an address of its own",
		"static-a { id = a\n addr = 10.3.0.9 }\n static-b { id = a\n addr = 10.3.0.8 }": "x.conf:5: pools.p.static-b: a has 10.3.0.9 already (x.conf:3); keep one; a peer has one address of a pool",
		"static-a { id = a\n addr = 10.3.0.9\n dns = 10.0.0.1 }":                        "x.conf:5: pools.p.static-a.dns: no such key here; it belongs in pools.<name>",
		"fixed { id = a }":                                                              "x.conf:3: pools.p.fixed: no such section in a pool; write `fixed = value`, or `static-… { id = …  addr = … }` for the address of one peer",
	} {
		_, _, err := Loader{}.Parse("x.conf", []byte("pools {\n p { addrs = 10.3.0.0/24\n "+text+"\n }\n}\n"))
		if err == nil || err.Error() != want {
			t.Errorf("%s gives\n%v, want\n%s", text, err, want)
		}
	}
}

// TestPoolOfTheServers has the pool radius, which is there without a section, and is no other.
func TestPoolOfTheServers(t *testing.T) {
	for method, want := range map[string]string{
		"eap-radius": "", "eap-tls": "connections.c.pools: no RADIUS server is asked that could give addresses of the pool radius; write auth = eap-radius in the section remote",
	} {
		text := strings.Replace(rounds("auth = pubkey", "auth = "+method), "c {", "c {\n\t\tpools = radius", 1)
		_, warnings, err := Loader{}.Parse("x.conf", []byte(text))
		if got := said(warnings, err); err != nil || strings.Contains(got, "pool") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("the pool radius with auth = %s gives\n%swant %q", method, got, want)
		}
	}
	for _, inside := range []string{"addrs = 10.3.0.0/24", "static-a { id = a\n addr = 10.3.0.9 }"} {
		_, _, err := Loader{}.Parse("x.conf", []byte("pools { radius {\n "+inside+"\n }\n}\n"))
		if want := "x.conf:1: pools.radius: the RADIUS servers give the addresses of the pool radius; " +
			"keep only attributes as dns in it, or give the pool another name"; err == nil || err.Error() != want {
			t.Errorf("%s in the pool radius gives\n%v, want\n%s", inside, err, want)
		}
	}
}
