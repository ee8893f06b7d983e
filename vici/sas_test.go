package vici

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

// The orders in which strongSwan 6 sends fields, from src/libcharon/plugins/vici/vici_query.c (functions in brackets).
var (
	// [list_ike]
	ikeOrder = []string{
		"uniqueid", "version", "state", "local-host", "local-port", "local-id", "remote-host", "remote-port", "remote-id",
		"remote-xauth-id", "remote-eap-id", "initiator", "initiator-spi", "responder-spi", "nat-local", "nat-remote",
		"nat-fake", "nat-any", "if-id-in", "if-id-out", "encr-alg", "encr-keysize", "integ-alg", "integ-keysize", "prf-alg",
		"dh-group", "ake1", "ake2", "ake3", "ake4", "ake5", "ake6", "ake7", "ppk", "established", "rekey-time",
		"reauth-time", "local-vips", "remote-vips", "tasks-queued", "tasks-active", "tasks-passive", "child-sas",
	}
	// [list_child, list_child_ipsec, list_child_stats]
	childOrder = []string{
		"name", "uniqueid", "reqid", "state", "mode", "label", "protocol", "encap", "spi-in", "spi-out", "cpi-in", "cpi-out",
		"mark-in", "mark-mask-in", "mark-out", "mark-mask-out", "if-id-in", "if-id-out", "per-cpu-sas", "cpu", "encr-alg",
		"encr-keysize", "integ-alg", "integ-keysize", "dh-group", "ake1", "ake2", "ake3", "ake4", "ake5", "ake6", "ake7",
		"esn", "bytes-in", "packets-in", "use-in", "bytes-out", "packets-out", "use-out", "rekey-time", "life-time",
		"install-time", "local-ts", "remote-ts",
	}
	// [list_conns]
	connOrder = []string{
		"local_addrs", "remote_addrs", "local_port", "remote_port", "version", "reauth_time", "rekey_time", "unique",
		"dpd_delay", "dpd_timeout", "ppk_id", "ppk_required", "local-1", "local-2", "remote-1", "remote-2", "children",
	}
	// [list_conns]
	childConfigOrder = []string{
		"mode", "label", "rekey_time", "rekey_bytes", "rekey_packets", "dpd_action", "close_action", "local-ts", "remote-ts",
		"interface", "priority",
	}
	// [raise_policy, raise_policy_cfg]
	policyOrder = []string{"child", "reqid", "ike", "mode", "label", "local-ts", "remote-ts"}
)

// inOrder fails unless the message has all of these fields, and nothing that is not in the order.
func inOrder(t *testing.T, what string, m *Message, order []string, without ...string) {
	t.Helper()
	var got, want []string
	for _, e := range m.Elements() {
		got = append(got, e.Name)
	}
	for _, name := range order {
		if !slices.Contains(without, name) {
			want = append(want, name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has the fields\n%v, want\n%v", what, got, want)
	}
}

// proposal is a chosen proposal from keywords.
func proposal(t *testing.T, p suite.Protocol, keywords string) suite.Proposal {
	t.Helper()
	parsed, err := suite.Parse(p, keywords)
	if err != nil || len(parsed) != 1 {
		t.Fatalf("%s: %v, %v", keywords, parsed, err)
	}
	return first(parsed[0])
}

// full is an IKE SA with everything that an IKE SA of this version can have.
func full(t *testing.T) core.IKEStatus {
	t.Helper()
	chosen := proposal(t, suite.IKE, "aes256-sha384-prfsha256-modp3072")
	chosen.Transforms = append(chosen.Transforms, suite.Transform{Type: suite.ADDKE1, ID: 31}, suite.Transform{Type: suite.ADDKE7, ID: 19})
	esn := proposal(t, suite.ESP, "aes128-sha256-modp2048-esn")
	child := core.ChildStatus{
		UniqueID: 5, Name: "net", Reqid: 6, State: core.ChildInstalled, SPIIn: 0xc1, SPIOut: 0xc2, Suite: esn,
		Installed: noon.Add(-time.Minute), RekeyAt: noon.Add(time.Hour), ExpireAt: noon.Add(2 * time.Hour),
		LocalTS: ts("10.1.0.0/16"), RemoteTS: ts("10.2.0.0/16"),
		In: esp.Counters{Packets: 1, Bytes: 2, LastUse: noon.Add(-3 * time.Second)}, Out: esp.Counters{Packets: 4, Bytes: 5, LastUse: noon.Add(time.Second)},
	}
	return core.IKEStatus{
		UniqueID: 1, Conn: "gw", Version: 2, State: core.IKEEstablished, Initiator: true,
		Local: netip.MustParseAddrPort("[fd00::1]:4500"), Remote: netip.MustParseAddrPort("10.9.0.2:4500"),
		LocalID: id("left"), RemoteID: id("right"), RemoteEAPID: "car\x1bol", NATLocal: true, NATRemote: true, NATFake: true, Suite: chosen,
		Established: noon.Add(-time.Second), RekeyAt: noon.Add(-2 * time.Second), ReauthAt: noon.Add(time.Minute),
		Tasks: []string{"CHILD_CREATE", "IKE_DPD", "CHILD_REKEY"}, Children: []core.ChildStatus{child},
	}
}

func TestOrderOfSAs(t *testing.T) {
	sa := full(t)
	m := &Message{}
	addIKE(m, sa, noon)
	// What of the order this version has no use for.
	later := []string{"remote-xauth-id", "if-id-in", "if-id-out", "integ-keysize", "ake2", "ake3", "ake4",
		"ake5", "ake6", "ppk", "local-vips", "remote-vips", "tasks-passive", "child-sas"}
	inOrder(t, "an IKE SA", m, ikeOrder, later...)
	child := &Message{}
	fillChild(child, sa, sa.Children[0], noon)
	without := []string{"label", "cpi-in", "cpi-out", "mark-in", "mark-mask-in", "mark-out", "mark-mask-out", "if-id-in",
		"if-id-out", "per-cpu-sas", "cpu", "integ-keysize", "ake1", "ake2", "ake3", "ake4", "ake5", "ake6", "ake7"}
	inOrder(t, "a Child SA", child, childOrder, without...)
	wants := map[string]string{
		"local-host": "fd00::1", "remote-eap-id": "car?ol", "nat-fake": "yes", "encr-alg": "AES_CBC", "encr-keysize": "256", "integ-alg": "HMAC_SHA2_384_192",
		"prf-alg": "PRF_HMAC_SHA2_256", "dh-group": "MODP_3072", "ake1": "CURVE_25519", "ake7": "ECP_256",
		"established": "1", "rekey-time": "-2", "reauth-time": "60",
	}
	for key, want := range wants {
		if got := m.Get(key); got != want {
			t.Errorf("%s of an IKE SA is %q, want %q", key, got, want)
		}
	}
	// Whom IKE names already is not named again.
	sa.RemoteEAPID = "right"
	same := &Message{}
	addIKE(same, sa, noon)
	if got := same.Get("remote-eap-id"); got != "" {
		t.Errorf("the identity %s is there again as remote-eap-id", got)
	}
	if got := m.List("tasks-queued"); !slices.Equal(got, []string{"IKE_DPD", "CHILD_REKEY"}) {
		t.Errorf("behind the active task wait %q", got)
	}
	wants = map[string]string{
		"spi-in": "000000c1", "encr-alg": "AES_CBC", "dh-group": "MODP_2048", "esn": "1", "use-in": "3", "use-out": "0",
		"rekey-time": "3600", "life-time": "7200", "install-time": "60",
	}
	for key, want := range wants {
		if got := child.Get(key); got != want {
			t.Errorf("%s of a Child SA is %q, want %q", key, got, want)
		}
	}
}

// TestOnlyWhatApplies has SAs that are being negotiated.
func TestOnlyWhatApplies(t *testing.T) {
	m := &Message{}
	addIKE(m, core.IKEStatus{UniqueID: 7, Version: 2, State: core.IKEConnecting, Local: netip.MustParseAddrPort("0.0.0.0:500")}, noon)
	want := "{uniqueid=7 version=2 state=CONNECTING local-host=%any local-port=500 local-id=%any remote-host=%any remote-port=0" +
		" remote-id=%any initiator-spi=0000000000000000 responder-spi=0000000000000000}"
	if got := m.String(); got != want {
		t.Errorf("an IKE SA being negotiated is\n%s, want\n%s", got, want)
	}
	m = &Message{}
	fillChild(m, core.IKEStatus{}, core.ChildStatus{UniqueID: 1, Name: "net", Reqid: 2, State: core.ChildCreated}, noon)
	if got, want := m.String(), "{name=net uniqueid=1 reqid=2 state=CREATED mode=TUNNEL local-ts=[] remote-ts=[]}"; got != want {
		t.Errorf("a Child SA being negotiated is\n%s, want\n%s", got, want)
	}
}

// recordedSA is what strongSwan 5.9.8 (Debian's charon-systemd, kernel-libipsec) sent for the IKE SA that TestAsCharonSends
// describes: a list-sa event as swanctl --raw printed it. strongSwan 6 sends the same fields.
const recordedSA = `{gw {uniqueid=1 version=2 state=ESTABLISHED local-host=10.9.0.1 local-port=4500 local-id=left.example.org` +
	` remote-host=10.9.0.2 remote-port=4500 remote-id=right.example.org initiator=yes initiator-spi=542f4a67347d4d83` +
	` responder-spi=a3bb5aa2b4f91eec nat-remote=yes nat-any=yes encr-alg=AES_GCM_16 encr-keysize=256 prf-alg=PRF_HMAC_SHA2_256` +
	` dh-group=CURVE_25519 established=24 rekey-time=13218 child-sas {net-2 {name=net uniqueid=2 reqid=2 state=INSTALLED` +
	` mode=TUNNEL protocol=ESP encap=yes spi-in=81a2c7b2 spi-out=f3246b39 encr-alg=AES_CBC encr-keysize=128` +
	` integ-alg=HMAC_SHA2_256_128 bytes-in=168 packets-in=2 use-in=0 bytes-out=168 packets-out=2 use-out=0 rekey-time=3303` +
	` life-time=3936 install-time=24 local-ts=[10.1.0.0/16] remote-ts=[10.2.0.0/16]}}}}`

// recorded is the SA of recordedSA.
func recorded(t *testing.T) core.IKEStatus {
	t.Helper()
	used := esp.Counters{Packets: 2, Bytes: 168, LastUse: noon}
	child := core.ChildStatus{
		UniqueID: 2, Name: "net", Reqid: 2, State: core.ChildInstalled, SPIIn: 0x81a2c7b2, SPIOut: 0xf3246b39,
		Suite: proposal(t, suite.ESP, "aes128-sha256"), Installed: noon.Add(-24 * time.Second), In: used, Out: used,
		RekeyAt: noon.Add(3303 * time.Second), ExpireAt: noon.Add(3936 * time.Second), LocalTS: ts("10.1.0.0/16"), RemoteTS: ts("10.2.0.0/16"),
	}
	return core.IKEStatus{
		UniqueID: 1, Conn: "gw", Version: 2, State: core.IKEEstablished, Initiator: true,
		Local: netip.MustParseAddrPort("10.9.0.1:4500"), Remote: netip.MustParseAddrPort("10.9.0.2:4500"),
		LocalID: id("left.example.org"), RemoteID: id("right.example.org"), NATRemote: true,
		SPIi: [8]byte{0x54, 0x2f, 0x4a, 0x67, 0x34, 0x7d, 0x4d, 0x83}, SPIr: [8]byte{0xa3, 0xbb, 0x5a, 0xa2, 0xb4, 0xf9, 0x1e, 0xec},
		Suite: proposal(t, suite.IKE, "aes256gcm16-prfsha256-x25519"), Established: noon.Add(-24 * time.Second),
		RekeyAt: noon.Add(13218 * time.Second), Children: []core.ChildStatus{child},
	}
}

func TestAsCharonSends(t *testing.T) {
	b := newBench(t, nil)
	b.daemon.sas = []core.IKEStatus{recorded(t)}
	if got := b.list("list-sas", "list-sa", nil); len(got) != 1 || got[0].String() != recordedSA {
		t.Errorf("the IKE SA is listed as\n%v, charon lists\n%s", got, recordedSA)
	}
}

// list runs a command that streams.
func (b *bench) list(command, event string, request *Message) (all []*Message) {
	b.t.Helper()
	c := b.client()
	answer, err := c.Stream(b.ctx, command, event, request, func(m *Message) { all = append(all, m) })
	if err != nil || answer.String() != "{}" {
		b.t.Fatalf("%s is answered %v, %v; want an empty answer", command, answer, err)
	}
	return all
}

func TestListSAsFilters(t *testing.T) {
	b := newBench(t, nil)
	one, two := full(t), full(t)
	two.UniqueID, two.Conn = 2, "other"
	two.Children = append(slices.Clone(two.Children), two.Children[0])
	two.Children[1].Name, two.Children[1].UniqueID = "web", 8
	b.daemon.sas = []core.IKEStatus{one, two}
	tests := []struct {
		request *Message
		want    string
	}{
		{nil, "gw[net-5] other[net-5 web-8]"},
		{kv("noblock", "yes"), "gw[net-5] other[net-5 web-8]"},
		{kv("ike", "other"), "other[net-5 web-8]"},
		{kv("ike-id", "1"), "gw[net-5]"},
		{kv("child", "web"), "gw[] other[web-8]"},
		{kv("child-id", "8", "ike", "other"), "other[web-8]"},
		{kv("ike", "none"), ""},
	}
	for _, test := range tests {
		var got []string
		for _, m := range b.list("list-sas", "list-sa", test.request) {
			sa := m.Elements()[0]
			var children []string
			for _, e := range sa.Sub.Section("child-sas").Elements() {
				children = append(children, e.Name)
			}
			got = append(got, fmt.Sprint(sa.Name, children))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("list-sas %v lists %s, want %s", test.request, text, test.want)
		}
	}
}

// TestListManyChildren has an IKE SA whose Child SAs do not fit into one packet.
func TestListManyChildren(t *testing.T) {
	b := newBench(t, nil)
	sa := full(t)
	for i := range 2000 {
		child := sa.Children[0]
		child.UniqueID = uint32(i + 10)
		sa.Children = append(sa.Children, child)
	}
	b.daemon.sas = []core.IKEStatus{sa}
	seen := map[string]bool{}
	events := b.list("list-sas", "list-sa", nil)
	for _, m := range events {
		if m.Get("gw", "uniqueid") != "1" {
			t.Errorf("an event is not of the IKE SA: %.200s", m)
		}
		for _, e := range m.Section("gw", "child-sas").Elements() {
			seen[e.Name] = true
		}
	}
	if len(seen) != 2001 || len(events) < 2 {
		t.Errorf("%d Child SAs are listed in %d events, want 2001 in several", len(seen), len(events))
	}
}

func TestNotRegistered(t *testing.T) {
	b := newBench(t, nil)
	b.daemon.sas = []core.IKEStatus{full(t)}
	// Who has not registered for list-sa gets the answer alone.
	if p := roundTrip(t, b.conn(), cmdRequest, "list-sas", nil); p.kind != cmdResponse || len(p.body) != 0 {
		t.Errorf("list-sas without registration is answered by %+v", p)
	}
}

func TestServiceNames(t *testing.T) {
	names := map[service]string{}
	for _, line := range []string{
		"# comment", "http\t80/tcp\t\twww # WorldWideWeb", "", "domain 53/tcp", "domain 53/udp", "kerberos 88/tcp kerberos5", "other 88/udp",
		"short", "bad x/tcp", "late 80/tcp", "no 70000/tcp", "dash 99-tcp",
	} {
		addService(names, line)
	}
	tests := map[string]string{
		"10.2.0.0/16[tcp/80]":        "10.2.0.0/16[tcp/http]",
		"10.2.0.0/16[udp/80]":        "10.2.0.0/16[udp/80]",
		"10.2.0.0/16[udp/53]":        "10.2.0.0/16[udp/domain]",
		"10.2.0.0/16[0/88]":          "10.2.0.0/16[0/kerberos]",
		"10.2.0.0/16[tcp/80-81]":     "10.2.0.0/16[tcp/80-81]",
		"10.2.0.0/16[icmp/8]":        "10.2.0.0/16[icmp/8]",
		"10.2.0.0/16[tcp]":           "10.2.0.0/16[tcp]",
		"10.3.0.1..10.3.0.9[udp/53]": "10.3.0.1..10.3.0.9[udp/domain]",
		"fd00::/64":                  "fd00::/64",
	}
	for text, want := range tests {
		if got := selectorText(ts(text)[0], names); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}
