package vici

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
)

// loaded is what swanctl --load-conns sends for
//
//	gw {
//	  local_addrs = 10.9.0.1
//	  remote_addrs = 10.9.0.2
//	  …
func loaded() *Message {
	m := connection("gw", "10.9.0.2")
	gw := m.Section("gw").Add("dpd_delay", "30s")
	children := gw.Section("children")
	web := children.AddSection("web").Add("start_action", "trap").Add("priority", "7").Add("interface", "eth0")
	web.AddList("local_ts", "10.1.0.0/16[tcp]").AddList("remote_ts", "10.2.0.0/16[tcp/61234]", "10.3.0.1-10.3.0.9[udp/1000-2000]", "10.2.0.0/16[icmp/8]")
	host := children.AddSection("host").Add("rekey_time", "10m").Add("rekey_bytes", "1000000").Add("rekey_packets", "2000")
	host.Add("dpd_action", "restart").Add("close_action", "trap").Add("mode", "tunnel")
	return m
}

// recordedConn is what strongSwan 5.9.8 sent for that connection: a list-conn event as swanctl --raw printed it, with
// local_port and remote_port, which strongSwan 6 has added behind remote_addrs (vici_query.c, list_conns), and with
// port 61234 in place of one that has a name.
const recordedConn = `{gw {local_addrs=[10.9.0.1] remote_addrs=[10.9.0.2] local_port=500 remote_port=500 version=IKEv2 reauth_time=0` +
	` rekey_time=14400 unique=UNIQUE_NO dpd_delay=30` +
	` local-1 {id=left.example.org class=pre-shared key groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` remote-1 {id=right.example.org class=pre-shared key groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` children {net {mode=TUNNEL rekey_time=3600 rekey_bytes=0 rekey_packets=0 dpd_action=none close_action=none` +
	` local-ts=[10.1.0.0/16] remote-ts=[10.2.0.0/16]}` +
	` web {mode=TUNNEL rekey_time=3600 rekey_bytes=0 rekey_packets=0 dpd_action=none close_action=none local-ts=[10.1.0.0/16[tcp]]` +
	` remote-ts=[10.2.0.0/16[tcp/61234] 10.3.0.1..10.3.0.9[udp/1000-2000] 10.2.0.0/16[icmp/8]] interface=eth0 priority=7}` +
	` host {mode=TUNNEL rekey_time=600 rekey_bytes=1000000 rekey_packets=2000 dpd_action=start close_action=trap` +
	` local-ts=[dynamic] remote-ts=[dynamic]}}}}`

func TestConnections(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	if got := b.ask(c, "load-conn", loaded()); got != "{success=yes}" {
		t.Fatalf("load-conn is answered %s", got)
	}
	b.load(c, "other", "10.9.0.3")
	if got := b.ask(c, "get-conns", nil); got != "{conns=[gw other]}" {
		t.Errorf("get-conns is answered %s", got)
	}
	all := b.list("list-conns", "list-conn", nil)
	if len(all) != 2 || all[0].String() != recordedConn {
		t.Errorf("the connection is listed as\n%s, charon lists\n%s", all[0], recordedConn)
	}
	inOrder(t, "a connection", all[0].Section("gw"), connOrder, "dpd_timeout", "ppk_id", "ppk_required", "local-2", "remote-2")
	inOrder(t, "a child", all[0].Section("gw", "children", "web"), childConfigOrder, "label")
	if all := b.list("list-conns", "list-conn", kv("ike", "other")); len(all) != 1 || all[0].Section("other") == nil {
		t.Errorf("list-conns for other lists %v", all)
	}
	for _, test := range []struct {
		name, want string
	}{
		{"gw", "{success=yes}"},
		{"gw", "{success=no errmsg=unload: connection 'gw' not found}"},
		{"", "{success=no errmsg=unload: missing connection name}"},
	} {
		if got := b.ask(c, "unload-conn", kv("name", test.name)); got != test.want {
			t.Errorf("unload-conn %q is answered %s, want %s", test.name, got, test.want)
		}
	}
}

// recordedRounds is what strongSwan 5.9.8 (Debian's charon-systemd) sent for the rounds of TestRounds.
const recordedRounds = `local-1 {aaa_id=aaa.example.org eap_id=carol id=carol@example.org eap-type=EAP_TTLS class=EAP groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` local-2 {eap_id=carol class=EAP groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` remote-1 {id=gw.example.org class=public key groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` remote-2 {eap_id=%any eap-type=EAP_RADIUS class=EAP groups=[a b] cert_policy=[] certs=[] cacerts=[]}` +
	` remote-3 {id=*@example.org eap-type=EAP_TLS class=EAP revocation=GOOD groups=[] cert_policy=[] certs=[] cacerts=[]}` +
	` remote-4 {eap-type=EAP_PEAP class=EAP revocation=SKIPPED groups=[] cert_policy=[] certs=[] cacerts=[]}`

// TestRounds has several authentication rounds, with EAP.
func TestRounds(t *testing.T) {
	m := &Message{}
	conn := m.AddSection("gw")
	conn.AddSection("local-1").Add("auth", "eap-ttls").Add("id", "carol@example.org").Add("eap_id", "carol").Add("aaa_id", "aaa.example.org")
	conn.AddSection("local-2").Add("auth", "eap").Add("eap_id", "carol").Add("round", "2")
	conn.AddSection("remote-1").Add("auth", "pubkey").Add("id", "gw.example.org").Add("revocation", "relaxed")
	conn.AddSection("remote-2").Add("auth", "eap-radius").Add("eap_id", "%any").Add("round", "2").AddList("groups", "a", "b")
	conn.AddSection("remote-3").Add("auth", "eap-tls:ecdsa-256-sha256").Add("revocation", "strict").Add("id", "*@example.org").Add("round", "3")
	conn.AddSection("remote-4").Add("auth", "eap-peap").Add("revocation", "ifuri").Add("round", "4")
	b := newBench(t, nil)
	if got := b.ask(b.client(), "load-conn", m); got != "{success=yes}" {
		t.Fatalf("load-conn is answered %s", got)
	}
	if all := b.list("list-conns", "list-conn", nil); len(all) != 1 || !strings.Contains(all[0].String(), recordedRounds) {
		t.Errorf("the rounds are listed as\n%s, charon lists\n%s", all[0], recordedRounds)
	}
}

func TestLoadConnErrors(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	twice := connection("gw", "10.9.0.2")
	twice.Section("gw").Add("version", "1")
	sections := connection("gw", "10.9.0.2")
	sections.Section("gw").AddSection("local")
	list := connection("gw", "10.9.0.2")
	list.Section("gw", "children", "net").AddList("local_ts", "10.0.0.0/8")
	unknown := connection("gw", "10.9.0.2")
	unknown.Section("gw").Add("proposal", "aes128-sha256-x25519")
	tests := []struct {
		name    string
		request *Message
		want    string
	}{
		{"a key outside of a section", kv("gw", "x"), `"gw" is not a section`},
		{"a key twice", twice, `gw: "version" is there twice`},
		{"a section twice", sections, `gw: section "local" is there twice`},
		{"a list twice", list, `gw: children: net: "local_ts" is there twice`},
		{"an unknown key", unknown, "did you mean proposals?"},
	}
	for _, test := range tests {
		answer, err := c.Request(b.ctx, "load-conn", test.request)
		if err != nil || answer.Get("success") != "no" || !strings.Contains(answer.Get("errmsg"), test.want) {
			t.Errorf("%s is answered %v, %v; want an errmsg with %q", test.name, answer, err, test.want)
		}
	}
	if n := len(b.daemon.Connections()); n != 0 {
		t.Errorf("%d connections are loaded all the same", n)
	}
}

func TestPolicies(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	shunts := &Message{}
	conn := shunts.AddSection("shunts").AddList("remote_addrs", "127.0.0.1")
	conn.AddSection("local").Add("auth", "psk")
	conn.AddSection("remote").Add("auth", "psk")
	children := conn.AddSection("children")
	pass := children.AddSection("lan").Add("mode", "pass").Add("start_action", "trap")
	pass.AddList("local_ts", "10.1.0.0/16").AddList("remote_ts", "10.1.0.0/16")
	drop := children.AddSection("tv").Add("mode", "drop").Add("start_action", "trap")
	drop.AddList("remote_ts", "192.168.0.0/16[udp/61234]")
	for _, request := range []*Message{loaded(), shunts} {
		if got := b.ask(c, "load-conn", request); got != "{success=yes}" {
			t.Fatalf("load-conn is answered %s", got)
		}
	}
	// As recorded from strongSwan 5.9.8; strongSwan 6 has added reqid for traps (vici_query.c, raise_policy).
	const (
		trap     = "{gw/web {child=web reqid=1 ike=gw mode=TUNNEL local-ts=[10.1.0.0/16[tcp]] remote-ts=[10.2.0.0/16[tcp/61234] 10.3.0.1..10.3.0.9[udp/1000-2000] 10.2.0.0/16[icmp/8]]}}"
		passes   = "{shunts/lan {child=lan ike=shunts mode=PASS local-ts=[10.1.0.0/16] remote-ts=[10.1.0.0/16]}}"
		drops    = "{shunts/tv {child=tv ike=shunts mode=DROP local-ts=[dynamic] remote-ts=[192.168.0.0/16[udp/61234]]}}"
		nothing  = ""
		allThree = trap + passes + drops
	)
	tests := []struct {
		request *Message
		want    string
	}{
		{nil, nothing},
		{kv("trap", "yes"), trap},
		{kv("pass", "yes"), passes},
		{kv("drop", "yes"), drops},
		{kv("trap", "yes", "pass", "yes", "drop", "yes"), allThree},
		{kv("trap", "yes", "pass", "yes", "drop", "yes", "ike", "gw"), trap},
		{kv("trap", "yes", "pass", "yes", "drop", "yes", "child", "tv"), drops},
	}
	for _, test := range tests {
		got := ""
		for _, m := range b.list("list-policies", "list-policy", test.request) {
			got += m.String()
		}
		if got != test.want {
			t.Errorf("list-policies %v lists\n%s, want\n%s", test.request, got, test.want)
		}
	}
	m := b.list("list-policies", "list-policy", kv("trap", "yes"))[0]
	inOrder(t, "a policy", m.Section("gw/web"), policyOrder, "label")
}

func TestInstall(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	bare := &Message{}
	conn := bare.AddSection("bare")
	conn.AddSection("local").Add("auth", "psk")
	conn.AddSection("remote").Add("auth", "psk")
	conn.AddSection("children").AddSection("any")
	for _, request := range []*Message{loaded(), bare} {
		if got := b.ask(c, "load-conn", request); got != "{success=yes}" {
			t.Fatalf("load-conn is answered %s", got)
		}
	}
	tests := []struct {
		command string
		request *Message
		want    string
	}{
		{"install", kv("child", "host"), "{success=yes}"},
		{"install", kv("child", "host", "ike", "gw"), "{success=yes}"},
		{"install", kv("child", "host", "ike", "bare"), "{success=no errmsg=configuration name not found}"},
		{"install", kv("child", "none"), "{success=no errmsg=configuration name not found}"},
		{"install", nil, "{success=no errmsg=missing configuration name}"},
		{"install", kv("child", "any"), "{success=no errmsg=installing policy 'any' failed: the traffic selector dynamic needs a remote address}"},
		{"uninstall", kv("child", "host", "ike", "bare"), "{success=no errmsg=policy 'host' not found}"},
		{"uninstall", kv("child", "host"), "{success=yes}"},
		{"uninstall", kv("child", "host"), "{success=no errmsg=policy 'host' not found}"},
		{"uninstall", nil, "{success=no errmsg=missing configuration name}"},
	}
	for _, test := range tests {
		if got := b.ask(c, test.command, test.request); got != test.want {
			t.Errorf("%s %v is answered %s, want %s", test.command, test.request, got, test.want)
		}
	}
}

func TestFillSettings(t *testing.T) {
	s := settings.New("gw", settings.Position{})
	m := (&Message{}).Add("version", "2").AddList("pools", "a, b", "c")
	m.AddSection("local").Add("id", "C=CH, CN=x")
	if err := fillSettings(s, m); err != nil {
		t.Fatal(err)
	}
	pools, _ := s.Value("pools")
	if got := fmt.Sprint(pools.IsList, len(pools.Items())); got != "true 2" {
		t.Errorf("a list of two items, one with a comma, is %s %q", got, pools.Items())
	}
	if id, _ := s.Section("local").Value("id"); id.Text != "C=CH, CN=x" {
		t.Errorf("id is %q", id.Text)
	}
}

func TestActionNames(t *testing.T) {
	got := []string{actionName(0), actionName(core.ActionTrap), actionName(core.ActionStart), actionName(core.ActionTrap | core.ActionStart)}
	if want := []string{"none", "trap", "start", "trap | start"}; !slices.Equal(got, want) {
		t.Errorf("the actions are called %q, want %q", got, want)
	}
}
