package radius

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc4818"
	"layeh.com/radius/rfc6911"
	"layeh.com/radius/vendors/microsoft"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
)

// lies are what a server, or who stands in its place, may send; each is made of the request and must not be believed.
var lies = []struct {
	name string
	make func(request []byte) []byte
	why  string
}{
	{"a wrong Response Authenticator", func(r []byte) []byte { return flip(acceptOf(r), authenticator) }, errAuthenticator.Error()},
	{"another secret", func(r []byte) []byte { return flip(acceptOf(r), len(acceptOf(r))-1) }, errAuthenticator.Error()},
	{"a Reject made an Accept", func(r []byte) []byte {
		b := rejectOf(r)
		b[0] = byte(radius.CodeAccessAccept)
		return b
	}, errAuthenticator.Error()},
	{"no Message-Authenticator", func(r []byte) []byte { return sign(r, radius.CodeAccessAccept, false) }, errMissingMAC.Error()},
	{"a wrong Message-Authenticator", func(r []byte) []byte {
		return sign(r, radius.CodeAccessAccept, false, avp(rfc2869.MessageAuthenticator_Type, make([]byte, 16)))
	}, errMAC.Error()},
	{"a short Message-Authenticator", func(r []byte) []byte {
		return sign(r, radius.CodeAccessAccept, false, avp(rfc2869.MessageAuthenticator_Type, make([]byte, 15)))
	}, errMAC.Error()},
	{"two Message-Authenticators", func(r []byte) []byte {
		return sign(r, radius.CodeAccessAccept, true, avp(rfc2869.MessageAuthenticator_Type, make([]byte, 16)))
	}, errMAC.Error()},
	{"another identifier", func(r []byte) []byte {
		r = bytes.Clone(r)
		r[1]++
		return acceptOf(r)
	}, errNotOurs.Error()},
	{"the answer to an older request", func(r []byte) []byte { return acceptOf(flip(r, authenticator+3)) }, errAuthenticator.Error()},
	{"a packet cut short", func(r []byte) []byte { return acceptOf(r)[:25] }, "Length"},
	{"a header cut short", func(r []byte) []byte { return acceptOf(r)[:19] }, "19 octets"},
	{"a Length below the header", func(r []byte) []byte {
		b := acceptOf(r)
		binary.BigEndian.PutUint16(b[2:], 19)
		return b
	}, "Length 19"},
	{"an attribute that does not fit", func(r []byte) []byte {
		b := sign(r, radius.CodeAccessAccept, false, avp(rfc2865.State_Type, []byte("xx")))
		b[headerSize+1] = 9
		return resign(b, r)
	}, "does not fit"},
	{"an attribute without its length", func(r []byte) []byte {
		b := append(sign(r, radius.CodeAccessAccept, false), 24)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		return resign(b, r)
	}, "does not fit"},
	{"an attribute of length 0", func(r []byte) []byte {
		b := append(sign(r, radius.CodeAccessAccept, false), 24, 0)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		return resign(b, r)
	}, "does not fit"},
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x55
	return b
}

// resign makes the Response Authenticator right again.
func resign(b, request []byte) []byte {
	b = bytes.Clone(b)
	copy(b[authenticator:headerSize], responseAuthenticator(b, request, secret.Bytes(shared)))
	return b
}

func TestLies(t *testing.T) {
	request := accessRequest(t)
	for _, lie := range lies {
		p, err := genuine(lie.make(request), request, secret.Bytes(shared), true)
		if err == nil || p != nil || !strings.Contains(err.Error(), lie.why) {
			t.Errorf("%s: %v, want %q", lie.name, err, lie.why)
		}
	}
	truth := acceptOf(request)
	if _, err := genuine(append(bytes.Clone(truth), 1, 2, 3), request, secret.Bytes(shared), true); err != nil {
		t.Errorf("padding behind a packet: %v", err)
	}
}

// TestLiesBeforeTheTruth has every lie sent before the truth: the lies are passed over, whoever sent them.
func TestLiesBeforeTheTruth(t *testing.T) {
	server := answering(t, func(request []byte) (all [][]byte) {
		for _, lie := range lies {
			all = append(all, lie.make(request))
		}
		return append(all, nil, bytes.Repeat([]byte{2}, 4096), rejectOf(request))
	})
	a, err := ask(t, client(t, Config{}, server), question())
	if err != nil || a.Verdict != eap.Reject || a.Text != "not today" {
		t.Errorf("the answer is %+v, %v; want the Reject that came last", a, err)
	}
}

// TestWrongSource has the right answer come from another port, before it comes from the right one.
func TestWrongSource(t *testing.T) {
	server := serve(t, func(conn *net.UDPConn, from netip.AddrPort, request []byte) {
		other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return
		}
		defer other.Close()
		_, _ = other.WriteToUDPAddrPort(acceptOf(request), from)
		_, _ = conn.WriteToUDPAddrPort(rejectOf(request), from)
	})
	if a, err := ask(t, client(t, Config{}, server), question()); err != nil || a.Verdict != eap.Reject {
		t.Errorf("the answer is %+v, %v; want the server's own", a, err)
	}
}

func TestSilence(t *testing.T) {
	server := silence(t)
	c := client(t, Config{Tries: 3, Timeout: time.Millisecond}, server)
	_, err := ask(t, c, question())
	if !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "3 transmissions") {
		t.Errorf("a silent server: %v", err)
	}
	first := <-server.requests
	for range 2 {
		if again := <-server.requests; !bytes.Equal(first, again) {
			t.Error("a retransmission differs from the request")
		}
	}
}

// flood is a socket on which packets come without end: so many until each deadline.
type flood struct {
	net.Conn
	packet      []byte
	each, heard int
	reads       int
}

func (f *flood) Write(b []byte) (int, error) { f.heard = 0; return len(b), nil }

func (f *flood) Read(b []byte) (int, error) {
	if f.heard++; f.heard > f.each {
		return 0, os.ErrDeadlineExceeded
	}
	f.reads++
	return copy(b, f.packet), nil
}

func (f *flood) SetReadDeadline(time.Time) error { return nil }

// TestFlood has a server, or whoever sends in its name, lie without end. Each lie is read once and costs the same, nothing of it is
// kept, and after the last transmission's time it is over.
func TestFlood(t *testing.T) {
	request := accessRequest(t)
	for _, lie := range lies {
		f := &flood{packet: lie.make(request), each: 1000}
		tr := transmission{conn: f, octets: request, server: Server{Secret: secret.Bytes(shared)}, needMAC: true}
		var err error
		cost := testing.AllocsPerRun(1, func() { _, err = tr.run(t.Context(), Config{Tries: 3, Timeout: time.Hour, Growth: 1}) })
		if !errors.Is(err, ErrSilent) || f.reads != 2*3*f.each || tr.ignored != f.reads {
			t.Errorf("%s without end: %v after %d packets, %d of which were ignored", lie.name, err, f.reads, tr.ignored)
		}
		if perLie := cost / float64(3*f.each); perLie > 60 {
			t.Errorf("%s: %v allocations for each", lie.name, perLie)
		}
	}
}

func TestNobodyThere(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed := &fake{at: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	_ = conn.Close()
	if _, err := ask(t, client(t, Config{Tries: 2, Timeout: time.Millisecond}, closed), question()); !errors.Is(err, ErrSilent) {
		t.Errorf("a closed port: %v", err)
	}
	broken := client(t, Config{Dial: func(context.Context, netip.AddrPort) (net.Conn, error) { return nil, errors.New("no route") }}, closed)
	if _, err := ask(t, broken, question()); !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), "no route") {
		t.Errorf("no socket: %v", err)
	}
}

// TestFailOver has a first server that cannot be reached at all, so that nothing has to be waited for.
func TestFailOver(t *testing.T) {
	dead := &fake{at: netip.MustParseAddrPort("127.0.0.1:9")}
	alive := answering(t, func(request []byte) [][]byte { return [][]byte{challengeOf(request)} })
	tried := map[netip.AddrPort]int{}
	c := client(t, Config{DeadTime: time.Hour, Dial: func(_ context.Context, to netip.AddrPort) (net.Conn, error) {
		if tried[to]++; to == dead.at {
			return nil, errors.New("no route")
		}
		return net.Dial("udp", to.String())
	}}, dead, alive)
	a, err := ask(t, c, question())
	if err != nil || a.Verdict != eap.Challenge {
		t.Fatalf("the answer is %+v, %v; want the second server's", a, err)
	}
	// The conversation stays where it is, and a new one begins with the server that is known to be there.
	q := question()
	q.State = a.State
	for _, q := range []eap.Question{q, question()} {
		if _, err := ask(t, c, q); err != nil {
			t.Error(err)
		}
	}
	if tried[dead.at] != 1 || tried[alive.at] != 3 {
		t.Errorf("the servers were asked %d and %d times, want 1 and 3", tried[dead.at], tried[alive.at])
	}
	<-alive.requests
	state := parseRequest(t, <-alive.requests).Get(rfc2865.State_Type)
	if string(state) != "state" {
		t.Errorf("the State that goes back is %q", state)
	}
	// A conversation does not change the server.
	q.State = []byte{0, 's'}
	if _, err := ask(t, c, q); !errors.Is(err, ErrSilent) || tried[alive.at] != 3 {
		t.Errorf("a conversation of a server that is gone: %v", err)
	}
	q.State = []byte{7}
	if _, err := ask(t, c, q); err == nil {
		t.Error("the state of a server that does not exist is taken")
	}
}

func TestCancel(t *testing.T) {
	server := silence(t)
	c := client(t, Config{Timeout: time.Hour, Servers: []Server{{Auth: server.at, Secret: secret.Bytes(shared), MaxOpen: 1}}})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error)
	go func() {
		_, err := c.Ask(ctx, question(), Caller{})
		over <- err
	}()
	<-server.requests
	ended, stop := context.WithCancel(context.Background())
	stop()
	if _, err := c.Ask(ended, question(), Caller{}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a place: %v", err)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for an answer: %v", err)
	}
}

// lateContext ends at the very moment at which nobody has answered by a deadline.
type lateContext struct {
	context.Context
	looks int // that still find it alive
}

func (c *lateContext) Err() error {
	if c.looks--; c.looks >= 0 {
		return nil
	}
	return context.Canceled
}

// TestCancelAtADeadline has the context end between the deadline of a transmission and the look at both.
func TestCancelAtADeadline(t *testing.T) {
	for looks := range 8 {
		f := &flood{}
		tr := transmission{conn: f, octets: accessRequest(t), server: Server{Secret: secret.Bytes(shared)}, needMAC: true}
		response, err := tr.run(&lateContext{t.Context(), looks}, Config{Tries: 2, Timeout: time.Hour, Growth: 1})
		if response == nil && err == nil {
			t.Errorf("a context that ends after %d looks leaves neither an answer nor an error", looks)
		}
	}
}

// accessRequest is the request for a question.
func accessRequest(t testing.TB) []byte {
	t.Helper()
	p, err := newPacket(radius.CodeAccessRequest, secret.Bytes(shared))
	if err != nil {
		t.Fatal(err)
	}
	octets, err := nas{identifier: "gw", framedMTU: 1000}.accessRequest(p, question(), nil, Caller{})
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

func parseRequest(t testing.TB, octets []byte) *radius.Packet {
	t.Helper()
	p, err := radius.Parse(octets, []byte(shared))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAccessRequest(t *testing.T) {
	q := question()
	q.Packet = bytes.Repeat([]byte{7}, 600)
	p, err := newPacket(radius.CodeAccessRequest, secret.Bytes(shared))
	if err != nil {
		t.Fatal(err)
	}
	n := nas{identifier: "gw", address: netip.MustParseAddr("::ffff:192.0.2.9"), framedMTU: 1000}
	octets, err := n.accessRequest(p, q, []byte("s"), Caller{
		Remote: netip.MustParseAddrPort("192.0.2.1:4500"), Local: netip.MustParseAddrPort("[2001:db8::1]:500")})
	if err != nil {
		t.Fatal(err)
	}
	got := parseRequest(t, octets)
	if got.Attributes[0].Type != rfc2869.MessageAuthenticator_Type {
		t.Errorf("attribute %d stands first, not the Message-Authenticator", got.Attributes[0].Type)
	}
	zeroed := bytes.Clone(octets)
	clear(zeroed[headerSize+2 : headerSize+18])
	if want := messageAuthenticator(zeroed, octets[authenticator:headerSize], secret.Bytes(shared)); !bytes.Equal(got.Attributes[0].Attribute, want) {
		t.Error("the Message-Authenticator is wrong")
	}
	var message []byte
	var sizes []int
	for _, a := range got.Attributes {
		if a.Type == rfc2869.EAPMessage_Type {
			message, sizes = append(message, a.Attribute...), append(sizes, len(a.Attribute))
		}
	}
	if !bytes.Equal(message, q.Packet) || !reflect.DeepEqual(sizes, []int{253, 253, 94}) {
		t.Errorf("EAP-Message comes in parts of %v", sizes)
	}
	for typ, want := range map[radius.Type]string{
		rfc2865.UserName_Type: "alice", rfc2865.NASIdentifier_Type: "gw", rfc2865.State_Type: "s",
		rfc2865.NASIPAddress_Type:     "\xc0\x00\x02\x09",
		rfc2865.CallingStationID_Type: "192.0.2.1[4500]", rfc2865.CalledStationID_Type: "2001:db8::1[500]",
		rfc2865.FramedMTU_Type: "\x00\x00\x03\xe8",
	} {
		if string(got.Get(typ)) != want {
			t.Errorf("attribute %d is %q, want %q", typ, got.Get(typ), want)
		}
	}
	q.Packet = make([]byte, 5000)
	if _, err := n.accessRequest(p, q, nil, Caller{}); err == nil {
		t.Error("an EAP packet of 5000 octets fits into RADIUS")
	}
	q.Identity = strings.Repeat("x", 254)
	if _, err := n.accessRequest(p, q, nil, Caller{}); err == nil {
		t.Error("a User-Name of 254 octets fits into RADIUS")
	}
}

// TestSettingsOfRequests has a server of its own name for us, no ports, and a conversation that begins otherwise.
func TestSettingsOfRequests(t *testing.T) {
	server := answering(t, func(request []byte) [][]byte { return [][]byte{challengeOf(request)} })
	ours := Server{Auth: server.at, Secret: secret.Bytes(shared), NASIdentifier: "gw1"}
	first := func(c Config, state ...byte) *radius.Packet {
		t.Helper()
		c.Servers, c.NASIdentifier = []Server{ours}, "all"
		q := question()
		q.State = state
		if _, err := ask(t, client(t, c), q); err != nil {
			t.Fatal(err)
		}
		return parseRequest(t, <-server.requests)
	}
	p := first(Config{WithoutPorts: true})
	if name, from := rfc2865.NASIdentifier_GetString(p), rfc2865.CallingStationID_GetString(p); name != "gw1" || from != "192.0.2.1" {
		t.Errorf("the NAS-Identifier is %q and the Calling-Station-Id %q", name, from)
	}
	if start, there := first(Config{EAPStart: true, IdentityPrefix: "0"}).Lookup(rfc2869.EAPMessage_Type); !there || len(start) != 0 {
		t.Errorf("an EAP-Start is %x", start)
	}
	for _, state := range [][]byte{nil, {0, 's'}} {
		if name := rfc2865.UserName_GetString(first(Config{IdentityPrefix: "0"}, state...)); name != "0alice" {
			t.Errorf("the User-Name is %q, not what the EAP packet has", name)
		}
	}
	plain := question().Packet
	for name, c := range map[string]struct {
		octets []byte
		want   []byte
	}{
		"the identity gets the prefix": {first(Config{IdentityPrefix: "0"}).Get(rfc2869.EAPMessage_Type),
			eap.Packet{Code: eap.CodeResponse, Type: eap.TypeIdentity, Data: []byte("0alice")}.AppendTo(nil)},
		"what comes later does not":            {first(Config{IdentityPrefix: "0"}, 0, 's').Get(rfc2869.EAPMessage_Type), plain},
		"an EAP-Start is first alone":          {first(Config{EAPStart: true}, 0, 's').Get(rfc2869.EAPMessage_Type), plain},
		"also where the server keeps no State": {first(Config{EAPStart: true}, 0).Get(rfc2869.EAPMessage_Type), plain},
	} {
		if !bytes.Equal(c.octets, c.want) {
			t.Errorf("%s: the EAP packet is %x, want %x", name, c.octets, c.want)
		}
	}
	if got := prefixed("0", []byte{2, 1}); len(got) != 2 {
		t.Errorf("what is no EAP packet gets a prefix: %x", got)
	}
}

// TestGroups has an Access-Accept with classes, filters and a tunnel.
func TestGroups(t *testing.T) {
	attributes := []*radius.AVP{
		avp(rfc2865.Class_Type, []byte("staff")), avp(rfc2865.FilterID_Type, []byte("vpn")),
		avp(rfc2868.TunnelType_Type, []byte{1, 0, 0, byte(rfc2868.TunnelType_Value_ESP)}),
	}
	for _, c := range []struct {
		config Config
		n      int // attributes
		want   []string
	}{
		{Config{}, 3, nil},
		{Config{ClassGroups: true}, 3, []string{"staff"}},
		{Config{FilterGroups: true}, 3, []string{"vpn"}},
		{Config{ClassGroups: true, FilterGroups: true}, 3, []string{"staff", "vpn"}},
		{Config{FilterGroups: true}, 2, nil}, // of no tunnel of ours
	} {
		server := answering(t, func(request []byte) [][]byte { return [][]byte{acceptOf(request, attributes[:c.n]...)} })
		a, err := ask(t, client(t, c.config, server), question())
		if err != nil || !slices.Equal(a.Grant.Groups, c.want) || len(a.Grant.Classes) != 1 {
			t.Errorf("%+v: the groups are %q (%v), want %q", c.config, a.Grant.Groups, err, c.want)
		}
	}
}

// TestHeard has a server fall silent and come back; what it tells, it tells once.
func TestHeard(t *testing.T) {
	var dials int
	var told []string
	server := answering(t, func(request []byte) [][]byte { return [][]byte{acceptOf(request)} })
	c := client(t, Config{
		Servers: []Server{{Name: "aaa", Auth: server.at, Secret: secret.Bytes(shared)}},
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			if dials++; dials == 2 || dials == 3 {
				return nil, errors.New("network is down")
			}
			return new(net.Dialer).DialContext(ctx, "udp", to.String())
		},
		Heard: func(server string, err error) { told = append(told, fmt.Sprint(server, ": ", err)) },
	})
	for range 5 {
		a, err := ask(t, c, question())
		if got := c.Answered(a.State); err == nil && got != "aaa" {
			t.Errorf("the server that answered is %q", got)
		}
	}
	if want := []string{"aaa: radius: server aaa: no answer: network is down", "aaa: <nil>"}; !slices.Equal(told, want) {
		t.Errorf("what is told is %q, want %q", told, want)
	}
	if got := c.Answered(nil) + c.Answered([]byte{9}); got != "" {
		t.Errorf("a State of nobody is %q's", got)
	}
}

// accepted is the answer for an Access-Accept with attributes.
func accepted(t *testing.T, request []byte, attributes ...*radius.AVP) (eap.Answer, error) {
	t.Helper()
	p, err := genuine(acceptOf(request, attributes...), request, secret.Bytes(shared), true)
	if err != nil {
		t.Fatal(err)
	}
	return answer(p, parseRequest(t, request))
}

func TestGrant(t *testing.T) {
	request := accessRequest(t)
	integer := func(n uint32) []byte { return radius.NewInteger(n) }
	a, err := accepted(t, request,
		avp(rfc2865.UserName_Type, []byte("alice@example.com")),
		avp(rfc2865.FramedIPAddress_Type, []byte{10, 1, 2, 3}),
		avp(rfc2865.FramedIPAddress_Type, []byte{255, 255, 255, 254}),
		avp(rfc6911.FramedIPv6Address_Type, netip.MustParseAddr("fd00::3").AsSlice()),
		avp(rfc3162.FramedIPv6Prefix_Type, []byte{0, 64, 0xfd, 0, 0, 1}),
		avp(rfc4818.DelegatedIPv6Prefix_Type, []byte{0, 56, 0xfd, 0, 0, 2}),
		avp(rfc2865.SessionTimeout_Type, integer(3600)), avp(rfc2865.IdleTimeout_Type, integer(60)),
		avp(rfc2869.AcctInterimInterval_Type, integer(300)),
		avp(rfc2865.FilterID_Type, []byte("staff")), avp(rfc2865.FilterID_Type, []byte("vpn")),
		avp(rfc2865.Class_Type, []byte("a")), avp(rfc2865.Class_Type, []byte("b")))
	want := eap.Grant{
		Identity:       "alice@example.com",
		Addresses:      []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::3")},
		Prefixes:       []netip.Prefix{netip.MustParsePrefix("fd00:1::/64"), netip.MustParsePrefix("fd00:2::/56")},
		SessionTimeout: time.Hour, IdleTimeout: time.Minute, InterimInterval: 5 * time.Minute,
		Filters: []string{"staff", "vpn"}, Classes: [][]byte{[]byte("a"), []byte("b")},
	}
	if err != nil || !reflect.DeepEqual(a.Grant, want) {
		t.Errorf("the grant is %+v, %v; want %+v", a.Grant, err, want)
	}
	for name, bad := range map[string]*radius.AVP{
		"an address of 3 octets":     avp(rfc2865.FramedIPAddress_Type, []byte{1, 2, 3}),
		"an IPv4 address of 16":      avp(rfc2865.FramedIPAddress_Type, make([]byte, 16)),
		"an IPv6 address of 4":       avp(rfc6911.FramedIPv6Address_Type, make([]byte, 4)),
		"a prefix of 129 bits":       avp(rfc3162.FramedIPv6Prefix_Type, []byte{0, 129}),
		"a prefix with host bits":    avp(rfc3162.FramedIPv6Prefix_Type, []byte{0, 8, 1, 1}),
		"a Session-Timeout of 1":     avp(rfc2865.SessionTimeout_Type, []byte{1}),
		"an Idle-Timeout of 5":       avp(rfc2865.IdleTimeout_Type, make([]byte, 5)),
		"an Interim-Interval of 0":   avp(rfc2869.AcctInterimInterval_Type, nil),
		"MPPE keys that do not read": avp(rfc2865.VendorSpecific_Type, []byte{0, 0, 1, 55, 17, 5, 0x80, 0, 0}),
	} {
		if a, err := accepted(t, request, bad); err == nil {
			t.Errorf("%s is read as %+v", name, a.Grant)
		}
	}
}

func TestMSK(t *testing.T) {
	request := parseRequest(t, accessRequest(t))
	keys := func(receive, send int) (*radius.Packet, error) {
		p := request.Response(radius.CodeAccessAccept)
		var err error
		if receive > 0 {
			err = errors.Join(err, microsoft.MSMPPERecvKey_Add(p, bytes.Repeat([]byte{1}, receive)))
		}
		if send > 0 {
			err = errors.Join(err, microsoft.MSMPPESendKey_Add(p, bytes.Repeat([]byte{2}, send)))
		}
		return p, err
	}
	for _, tc := range []struct {
		receive, send int
		want          string
		bad           bool
	}{
		{32, 32, strings.Repeat("\x01", 32) + strings.Repeat("\x02", 32), false},
		{16, 16, strings.Repeat("\x01", 16) + strings.Repeat("\x02", 16) + strings.Repeat("\x00", 32), false},
		{0, 0, "", false},
		{32, 0, "", true},
		{0, 32, "", true},
		{16, 32, "", true},
		{48, 48, "", true},
	} {
		p, err := keys(tc.receive, tc.send)
		if err != nil {
			t.Fatal(err)
		}
		got, err := msk(p, request)
		if (err != nil) != tc.bad || string(got) != tc.want {
			t.Errorf("keys of %d and %d octets make an MSK of %d, %v", tc.receive, tc.send, len(got), err)
		}
	}
}

func TestUnknownCode(t *testing.T) {
	request := accessRequest(t)
	p, err := genuine(sign(request, radius.CodeAccountingResponse, true), request, secret.Bytes(shared), true)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := answer(p, parseRequest(t, request)); err == nil {
		t.Errorf("an Accounting-Response is taken for %+v", a)
	}
}

func TestAccounting(t *testing.T) {
	server := answering(t, func(request []byte) [][]byte {
		return [][]byte{flip(sign(request, radius.CodeAccountingResponse, false), 5), sign(request, radius.CodeAccountingResponse, false)}
	})
	c := client(t, Config{}, server)
	record := Record{
		Caller: Caller{SessionID: "7", Remote: netip.MustParseAddrPort("192.0.2.1:4500")}, Status: Stop, Identity: "alice",
		Addresses: []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::3")}, Classes: [][]byte{[]byte("a")},
		Elapsed: time.Minute, InOctets: 5<<32 | 6, OutOctets: 7, InPackets: 8, OutPackets: 1 << 40, Cause: LostCarrier,
		Delay: 2 * time.Second, EventTime: time.Unix(1_000_000, 0),
	}
	if err := c.Account(context.Background(), record); err != nil {
		t.Fatal(err)
	}
	octets := <-server.requests
	if !radius.IsAuthenticRequest(octets, []byte(shared)) {
		t.Error("the Request Authenticator of a record is wrong")
	}
	p := parseRequest(t, octets)
	for typ, want := range map[radius.Type]uint32{
		rfc2866.AcctStatusType_Type: 2, rfc2866.AcctSessionTime_Type: 60, rfc2866.AcctInputOctets_Type: 6, rfc2869.AcctInputGigawords_Type: 5,
		rfc2866.AcctOutputOctets_Type: 7, rfc2869.AcctOutputGigawords_Type: 0, rfc2866.AcctInputPackets_Type: 8,
		rfc2866.AcctOutputPackets_Type: 0xffffffff, rfc2866.AcctTerminateCause_Type: 2, rfc2866.AcctDelayTime_Type: 2,
		rfc2869.EventTimestamp_Type: 1_000_000,
	} {
		if got, err := radius.Integer(p.Get(typ)); err != nil || got != want {
			t.Errorf("attribute %d is %d, %v; want %d", typ, got, err, want)
		}
	}
	if string(p.Get(rfc2866.AcctSessionID_Type)) != "7" || string(p.Get(rfc2865.Class_Type)) != "a" || len(p.Get(rfc6911.FramedIPv6Address_Type)) != 16 {
		t.Error("the record does not say which session it is about")
	}
	record.Status = Start
	if err := c.Account(context.Background(), record); err != nil {
		t.Fatal(err)
	}
	if p := parseRequest(t, <-server.requests); p.Get(rfc2866.AcctSessionTime_Type) != nil {
		t.Error("the beginning of a session has counters")
	}
}

func TestAccountingFails(t *testing.T) {
	c := client(t, Config{Tries: 1, Timeout: time.Millisecond}, silence(t))
	if err := c.Account(context.Background(), Record{}); err == nil {
		t.Error("a record without a session is sent")
	}
	if err := c.Account(context.Background(), Record{Caller: Caller{SessionID: "1"}}); !errors.Is(err, ErrSilent) {
		t.Errorf("a silent server: %v", err)
	}
	strange := client(t, Config{}, answering(t, func(r []byte) [][]byte { return [][]byte{sign(r, radius.CodeAccessAccept, false)} }))
	if err := strange.Account(context.Background(), Record{Caller: Caller{SessionID: "1"}}); err == nil || !strings.Contains(err.Error(), "Access-Accept") {
		t.Errorf("an Access-Accept for a record: %v", err)
	}
	none, err := New(Config{Servers: []Server{{Auth: netip.MustParseAddrPort("127.0.0.1:1"), Secret: secret.Bytes("x")}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Account(context.Background(), Record{Caller: Caller{SessionID: "1"}}); err == nil {
		t.Error("a record is accounted for by nobody")
	}
}

func TestBadConfigurations(t *testing.T) {
	good := Server{Auth: netip.MustParseAddrPort("127.0.0.1:1812"), Secret: secret.Bytes("x")}
	for name, config := range map[string]Config{
		"no servers":        {},
		"no address":        {Servers: []Server{{Secret: secret.Bytes("x")}}},
		"no secret":         {Servers: []Server{{Auth: good.Auth}}},
		"too many servers":  {Servers: make([]Server, 256)},
		"a long identifier": {Servers: []Server{good}, NASIdentifier: strings.Repeat("x", 254)},
		"a tiny MTU":        {Servers: []Server{good}, FramedMTU: 3},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("a client with %s is made", name)
		}
	}
}

// FuzzResponse has what is signed and what is not: nobody panics, and of what is not signed nothing is believed.
func FuzzResponse(f *testing.F) {
	request := accessRequest(f)
	parsed := parseRequest(f, request)
	f.Add(challengeOf(request)[headerSize:], byte(11))
	f.Add(acceptOf(request, avp(rfc2865.FramedIPAddress_Type, []byte{1, 2, 3, 4}))[headerSize:], byte(2))
	f.Add([]byte{26, 10, 0, 0, 1, 55, 17, 4, 0x80, 1}, byte(2))
	f.Fuzz(func(t *testing.T, attributes []byte, code byte) {
		if p, err := genuine(attributes, request, secret.Bytes(shared), true); err == nil {
			t.Fatalf("octets that nobody signed were believed: %v", p)
		}
		if len(attributes) > maxPacket-headerSize {
			return
		}
		octets := make([]byte, headerSize, headerSize+len(attributes))
		octets[0], octets[1] = code, request[1]
		octets = append(octets, attributes...)
		binary.BigEndian.PutUint16(octets[2:], uint16(len(octets)))
		if p, err := genuine(resign(octets, request), request, secret.Bytes(shared), false); err == nil {
			_, _ = answer(p, parsed)
		}
	})
}
