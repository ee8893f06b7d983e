package eap_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
)

func parse(t *testing.T, octets []byte) eap.Packet {
	t.Helper()
	p, err := eap.Parse(octets)
	if err != nil {
		t.Fatalf("a machine sent %x: %v", octets, err)
	}
	return p
}

func md5Peer() eap.PeerMethod { return eap.PeerMD5{Password: secret.Bytes(password)} }
func gtcPeer() eap.PeerMethod { return eap.PeerGTC{Password: secret.Bytes(password)} }
func mschapPeer() eap.PeerMethod {
	return eap.PeerMSCHAPv2{Name: user, Password: secret.Bytes(password)}
}
func md5Server() eap.ServerMethod { return eap.ServerMD5{Users: users} }
func gtcServer() eap.ServerMethod { return eap.ServerGTC{Users: users} }
func mschapServer() eap.ServerMethod {
	return eap.ServerMSCHAPv2{Users: users}
}

func TestNegotiation(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server []eap.ServerMethod
		peer   []eap.PeerMethod
		want   eap.Type // 0: none in common
	}{
		{"the server's first", []eap.ServerMethod{gtcServer(), md5Server()}, []eap.PeerMethod{md5Peer(), gtcPeer()}, eap.TypeGTC},
		{"the peer has another", []eap.ServerMethod{mschapServer(), md5Server(), gtcServer()}, []eap.PeerMethod{gtcPeer()}, eap.TypeGTC},
		{"the server's order counts", []eap.ServerMethod{mschapServer(), md5Server(), gtcServer()}, []eap.PeerMethod{gtcPeer(), md5Peer()}, eap.TypeMD5},
		{"none in common", []eap.ServerMethod{mschapServer(), md5Server()}, []eap.PeerMethod{gtcPeer()}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			atServer, atPeer, _ := eaptest.Converse(newServer(t, tc.server...), newPeer(t, user, tc.peer...), nil)
			if tc.want == 0 {
				wantFailure(t, "server", atServer, eap.NoMethod)
				wantFailure(t, "peer", atPeer, eap.NoMethod)
				if atServer.Err.Offered != "GTC" || atServer.Err.Acceptable != "MSCHAPv2, MD5-Challenge" || atPeer.Err.Acceptable != "GTC" {
					t.Errorf("the reasons are %v and %v", atServer.Err, atPeer.Err)
				}
				return
			}
			wantSuccess(t, atServer, atPeer, user, false)
			if atServer.Method != tc.want || atPeer.Method != tc.want {
				t.Errorf("the server did %s, the peer %s, want %s", atServer.Method, atPeer.Method, tc.want)
			}
		})
	}
}

// TestExpandedTypes speaks to the peer in Expanded Types: it answers in kind.
func TestExpandedTypes(t *testing.T) {
	peer := newPeer(t, user, gtcPeer())
	vendor := eap.Packet{Code: eap.CodeRequest, Identifier: 4, Type: eap.ExpandedType(311, 7), Expanded: true, Data: []byte("x")}
	answer := parse(t, peer.Receive(eaptest.Now, vendor.AppendTo(nil)).Send)
	if desired, err := answer.Desired(); answer.Type != eap.TypeNak || !answer.Expanded || err != nil || len(desired) != 1 || desired[0] != eap.TypeGTC {
		t.Errorf("a vendor's method is answered with %v", answer)
	}
	request := eap.Packet{Code: eap.CodeRequest, Identifier: 5, Type: eap.TypeGTC, Expanded: true}
	answer = parse(t, peer.Receive(eaptest.Now, request.AppendTo(nil)).Send)
	if answer.Type != eap.TypeGTC || !answer.Expanded || string(answer.Data) != password {
		t.Errorf("GTC as an Expanded Type is answered with %v", answer)
	}
	server := newServer(t, md5Server(), gtcServer())
	id := parse(t, server.Start().Send).Identifier
	step := server.Receive(eaptest.Now, eap.Packet{Code: eap.CodeResponse, Identifier: id, Type: eap.TypeIdentity, Data: []byte(user)}.AppendTo(nil))
	id = parse(t, step.Send).Identifier
	nak := eap.Packet{Code: eap.CodeResponse, Identifier: id, Type: eap.TypeNak, Expanded: true, Data: []byte{254, 0, 0, 0, 0, 0, 0, 6}}
	if next := parse(t, server.Receive(eaptest.Now, nak.AppendTo(nil)).Send); next.Type != eap.TypeGTC {
		t.Errorf("an Expanded Nak for GTC is answered with %v", next)
	}
}

func TestIdentityKnownBeforehand(t *testing.T) {
	server, err := eap.NewServer(eap.ServerConfig{Identity: user, Methods: []eap.ServerMethod{mschapServer()}, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	atServer, atPeer, packets := eaptest.Converse(server, newPeer(t, user, mschapPeer()), nil)
	wantSuccess(t, atServer, atPeer, user, true)
	if first := parse(t, packets[0]); first.Type != eap.TypeMSCHAPv2 {
		t.Errorf("the first packet is %v", first)
	}
}

func TestPeerRepeatsItself(t *testing.T) {
	peer := newPeer(t, user, mschapPeer())
	server := newServer(t, mschapServer())
	identity := peer.Receive(eaptest.Now, server.Start().Send)
	request := server.Receive(eaptest.Now, identity.Send).Send
	first, second := peer.Receive(eaptest.Now, request), peer.Receive(eaptest.Now, request)
	if first.Send == nil || !bytes.Equal(first.Send, second.Send) {
		t.Errorf("a duplicate Request is answered with %x, the first time with %x", second.Send, first.Send)
	}
}

// TestServerDiscards feeds the server what is no answer: it leaves the state alone and asks again.
func TestServerDiscards(t *testing.T) {
	server, peer := newServer(t, mschapServer()), newPeer(t, user, mschapPeer())
	request := server.Start().Send
	for name, octets := range map[string][]byte{
		"garbage":                []byte("garbage"),
		"nothing":                nil,
		"a Request":              request,
		"another identifier":     eap.Packet{Code: eap.CodeResponse, Identifier: request[1] + 1, Type: eap.TypeIdentity}.AppendTo(nil),
		"a Success":              eap.Packet{Code: eap.CodeSuccess, Identifier: request[1]}.AppendTo(nil),
		"a method, not Identity": eap.Packet{Code: eap.CodeResponse, Identifier: request[1], Type: eap.TypeGTC}.AppendTo(nil),
		"a Nak of Identity":      eap.Packet{Code: eap.CodeResponse, Identifier: request[1], Type: eap.TypeNak, Data: []byte{6}}.AppendTo(nil),
	} {
		step := server.Receive(eaptest.Now, octets)
		if step.Discarded == nil || !bytes.Equal(step.Send, request) || step.Done != nil {
			t.Errorf("%s is answered with %+v, want the Request again", name, step)
		}
	}
	request = server.Receive(eaptest.Now, peer.Receive(eaptest.Now, request).Send).Send
	response := peer.Receive(eaptest.Now, request).Send
	request = server.Receive(eaptest.Now, response).Send
	late := eap.Packet{Code: eap.CodeResponse, Identifier: request[1], Type: eap.TypeNak, Data: []byte{6}}.AppendTo(nil)
	if step := server.Receive(eaptest.Now, late); step.Discarded == nil || !bytes.Equal(step.Send, request) {
		t.Errorf("a Nak in the midst of the method is answered with %+v", step)
	}
	last := server.Receive(eaptest.Now, peer.Receive(eaptest.Now, request).Send)
	if last.Done == nil || last.Done.Err != nil {
		t.Errorf("after all that the conversation ends with %+v, want success", last)
	}
	if step := server.Receive(eaptest.Now, response); step.Discarded == nil || step.Send != nil || step.Discarded.Kind != eap.Finished {
		t.Errorf("a packet after the end is answered with %+v", step)
	}
}

// TestPeerDiscards feeds the peer what it must not believe.
func TestPeerDiscards(t *testing.T) {
	peer := newPeer(t, user, mschapPeer())
	answer := func(p eap.Packet) eap.Step { return peer.Receive(eaptest.Now, p.AppendTo(nil)) }
	discards := func(what string, step eap.Step) {
		t.Helper()
		if step.Discarded == nil || step.Send != nil || step.Done != nil {
			t.Errorf("%s is answered with %+v, want that it is discarded", what, step)
		}
	}
	discards("Success before anything", answer(eap.Packet{Code: eap.CodeSuccess}))
	answer(eap.Packet{Code: eap.CodeRequest, Identifier: 1, Type: eap.TypeIdentity})
	discards("Success after the identity", answer(eap.Packet{Code: eap.CodeSuccess, Identifier: 1}))
	discards("garbage", peer.Receive(eaptest.Now, []byte("garbage")))
	discards("a Response", answer(eap.Packet{Code: eap.CodeResponse, Identifier: 2, Type: eap.TypeIdentity}))
	discards("a Nak", answer(eap.Packet{Code: eap.CodeRequest, Identifier: 2, Type: eap.TypeNak}))
	challenge := append([]byte{1, 3, 0, 21, 16}, make([]byte, 16)...)
	if step := answer(eap.Packet{Code: eap.CodeRequest, Identifier: 3, Type: eap.TypeMSCHAPv2, Data: challenge}); step.Send == nil {
		t.Fatalf("a challenge is answered with %+v", step)
	}
	discards("Success before the server's proof", answer(eap.Packet{Code: eap.CodeSuccess, Identifier: 3}))
	discards("another method", answer(eap.Packet{Code: eap.CodeRequest, Identifier: 4, Type: eap.TypeGTC}))
	discards("a late Identity", answer(eap.Packet{Code: eap.CodeRequest, Identifier: 4, Type: eap.TypeIdentity}))
	discards("Failure for another Response", answer(eap.Packet{Code: eap.CodeFailure, Identifier: 4}))
	step := answer(eap.Packet{Code: eap.CodeFailure, Identifier: 3})
	wantFailure(t, "peer", step.Done, eap.Refused)
	if !step.Done.Err.ByPeer {
		t.Error("the peer does not say who refused")
	}
}

func TestNotification(t *testing.T) {
	peer := newPeer(t, user, gtcPeer())
	text := eap.Packet{Code: eap.CodeRequest, Identifier: 1, Type: eap.TypeNotification, Data: []byte("password\x1b[31m expires\xff soon")}
	step := peer.Receive(eaptest.Now, text.AppendTo(nil))
	if answer := parse(t, step.Send); answer.Type != eap.TypeNotification || len(answer.Data) != 0 {
		t.Errorf("a Notification is answered with %v", answer)
	}
	if step.Notice != "password.[31m expires. soon" {
		t.Errorf("the notice is %q", step.Notice)
	}
}

// TestLiar has a server that does not know the password but says that all is well.
func TestLiar(t *testing.T) {
	stranger := eap.ServerMSCHAPv2{Users: func(string) (eap.Account, bool) {
		return eap.Account{Password: secret.Bytes("guessed")}, true
	}}
	server, peer := newServer(t, stranger), newPeer(t, user, mschapPeer())
	atServer, atPeer, _ := eaptest.Converse(server, peer, func(fromServer bool, packet []byte) []byte {
		p := parse(t, packet)
		if fromServer && p.Type == eap.TypeMSCHAPv2 && p.Data[0] == 4 {
			p.Data = append([]byte{3, p.Data[1], 0, 46}, "S="+strings.Repeat("0", 40)...)
			return p.AppendTo(nil)
		}
		return packet
	})
	if atServer != nil {
		t.Errorf("the server ended with %v", atServer.Err)
	}
	wantFailure(t, "peer", atPeer, eap.BadCredentials)
}

// TestGarbled changes every octet of every packet once. Nobody panics, and nobody succeeds alone with other keys.
func TestGarbled(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	all := append(plain(), tunnelled(pki, tls.VersionTLS13, 0)...)
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			_, _, packets := eaptest.Converse(newServer(t, s.server()), newPeer(t, user, s.peer(password)), nil)
			for i, packet := range packets {
				for at := 0; at < len(packet); at += 1 + len(packet)/12 {
					n := -1
					server, peer := newServer(t, s.server()), newPeer(t, user, s.peer(password))
					atServer, atPeer, _ := eaptest.Converse(server, peer, func(_ bool, packet []byte) []byte {
						if n++; n == i && at < len(packet) {
							packet = bytes.Clone(packet)
							packet[at] ^= 0x55
						}
						return packet
					})
					if atServer != nil && atPeer != nil && atServer.Err == nil && atPeer.Err == nil && !atServer.MSK.Equal(atPeer.MSK) {
						t.Fatalf("octet %d of packet %d changed: both succeed with different keys", at, i)
					}
					server.Wipe()
					peer.Wipe()
				}
			}
		})
	}
	wantNoGoroutine(t)
}

// TestEveryPacketLost ends a conversation at every packet. Nothing is left behind but what Wipe ends.
func TestEveryPacketLost(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	for _, s := range tunnelled(pki, tls.VersionTLS12, 100) {
		_, _, packets := eaptest.Converse(newServer(t, s.server()), newPeer(t, user, s.peer(password)), nil)
		for i := range packets[:len(packets)-1] {
			n := -1
			server, peer := newServer(t, s.server()), newPeer(t, user, s.peer(password))
			atServer, atPeer, _ := eaptest.Converse(server, peer, func(_ bool, packet []byte) []byte {
				if n++; n == i {
					return nil
				}
				return packet
			})
			if atServer != nil || atPeer != nil {
				t.Errorf("%s: with packet %d lost the results are %v and %v, want none", s.name, i, atServer, atPeer)
			}
			server.Wipe()
			peer.Wipe()
		}
	}
	wantNoGoroutine(t)
}

// TestNoGoroutineLeftBehind ends conversations well, badly and not at all.
func TestNoGoroutineLeftBehind(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	for _, s := range tunnelled(pki, tls.VersionTLS13, 0) {
		// The results alone, without Wipe, are the end of both machines.
		for _, secretWord := range []string{password, "wrong horse"} {
			server, err := eap.NewServer(eap.ServerConfig{Methods: []eap.ServerMethod{s.server()}, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			peer, err := eap.NewPeer(eap.PeerConfig{Identity: user, Methods: []eap.PeerMethod{s.peer(secretWord)}, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			if atServer, atPeer, _ := eaptest.Converse(server, peer, nil); atServer == nil || atPeer == nil {
				t.Fatalf("%s: no end", s.name)
			}
		}
	}
	wantNoGoroutine(t)
}

// wantNoGoroutine looks for goroutines of TLS conversations. One that has told of its end may still be on its last instruction.
func wantNoGoroutine(t *testing.T) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	for range 1000 {
		if !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("tlsflow.(*Flow).converse")) {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("a goroutine is left behind:\n%s", stacks[:runtime.Stack(stacks, true)])
}

// TestEndless has other sides that never come to an end: both machines do.
func TestEndless(t *testing.T) {
	server, err := eap.NewServer(eap.ServerConfig{Methods: []eap.ServerMethod{gtcServer()}, Rand: rand.Reader, MaxRounds: 10})
	if err != nil {
		t.Fatal(err)
	}
	step, n := server.Start(), 0
	for ; step.Done == nil; n++ {
		step = server.Receive(eaptest.Now, []byte("garbage"))
	}
	wantFailure(t, "server", step.Done, eap.TooLong)
	if n != 11 || parse(t, step.Send).Code != eap.CodeFailure {
		t.Errorf("the server gave up after %d packets with %v", n, step)
	}
	peer, err := eap.NewPeer(eap.PeerConfig{Methods: []eap.PeerMethod{gtcPeer()}, Rand: rand.Reader, MaxRounds: 10})
	if err != nil {
		t.Fatal(err)
	}
	for n, step = 0, (eap.Step{}); step.Done == nil; n++ {
		step = peer.Receive(eaptest.Now, eap.Packet{Code: eap.CodeRequest, Identifier: uint8(n), Type: eap.TypeIdentity}.AppendTo(nil))
	}
	wantFailure(t, "peer", step.Done, eap.TooLong)
}

// TestEndlessTunnel has a peer that, inside TLS, acknowledges and acknowledges.
func TestEndlessTunnel(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	s := tunnelled(pki, tls.VersionTLS13, 8192)[0]
	server, err := eap.NewServer(eap.ServerConfig{Methods: []eap.ServerMethod{s.server()}, Rand: rand.Reader, MaxRounds: 20})
	if err != nil {
		t.Fatal(err)
	}
	peer := newPeer(t, user, s.peer(password))
	word := false
	atServer, atPeer, _ := eaptest.Converse(server, peer, func(fromServer bool, packet []byte) []byte {
		p := parse(t, packet)
		if p.Type != eap.TypeTTLS {
			return packet
		}
		if fromServer {
			word = word || len(p.Data) == 1 && p.Data[0] == 0 // after the handshake the peer has the word
			return packet
		}
		if word {
			p.Data = []byte{0}
		}
		return p.AppendTo(nil)
	})
	wantFailure(t, "server", atServer, eap.TooLong)
	if atPeer == nil || atPeer.Err == nil {
		t.Errorf("the peer's result is %v, want a failure", atPeer)
	}
}

// brokenReader is a source of randomness that has dried up.
type brokenReader struct{ left int }

func (r *brokenReader) Read(b []byte) (int, error) {
	if r.left < len(b) {
		return 0, errors.New("dry")
	}
	r.left -= len(b)
	clear(b)
	return len(b), nil
}

func TestNoRandomness(t *testing.T) {
	for _, method := range []eap.ServerMethod{md5Server(), gtcServer(), mschapServer()} {
		for _, left := range []int{0, 1, 17} {
			server, err := eap.NewServer(eap.ServerConfig{Identity: user, Methods: []eap.ServerMethod{method}, Rand: &brokenReader{left}})
			if err != nil {
				t.Fatal(err)
			}
			step := server.Start()
			if method.Type() == eap.TypeGTC && left == 17 {
				continue // that is all it needs
			}
			wantFailure(t, "server", step.Done, eap.Internal)
		}
	}
	peer, err := eap.NewPeer(eap.PeerConfig{Methods: []eap.PeerMethod{mschapPeer()}, Rand: &brokenReader{}})
	if err != nil {
		t.Fatal(err)
	}
	challenge := append([]byte{1, 3, 0, 21, 16}, make([]byte, 16)...)
	step := peer.Receive(eaptest.Now, eap.Packet{Code: eap.CodeRequest, Type: eap.TypeMSCHAPv2, Data: challenge}.AppendTo(nil))
	wantFailure(t, "peer", step.Done, eap.Internal)
}

func TestBadConfigurations(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	good := theTLS(pki, 0, 0, pki.Server)
	blind, huge, old, late, none := good, good, good, good, good
	late.MaxVersion = tls.VersionTLS13 + 1
	none.MinVersion, none.MaxVersion = tls.VersionTLS13, tls.VersionTLS12
	blind.Roots = nil
	huge.FragmentSize = 1 << 20
	old.MinVersion = tls.VersionTLS11
	long := strings.Repeat("x", 600)
	for name, config := range map[string]eap.PeerConfig{
		"no methods":              {Rand: rand.Reader},
		"no randomness":           {Methods: []eap.PeerMethod{md5Peer()}},
		"a long identity":         {Identity: long, Methods: []eap.PeerMethod{md5Peer()}, Rand: rand.Reader},
		"a long name":             {Methods: []eap.PeerMethod{eap.PeerMSCHAPv2{Name: long}}, Rand: rand.Reader},
		"GTC without a password":  {Methods: []eap.PeerMethod{eap.PeerGTC{}}, Rand: rand.Reader},
		"TLS without certificate": {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: theTLS(pki, 0, 0)}}, Rand: rand.Reader},
		"TLS that trusts anybody": {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: blind}}, Rand: rand.Reader},
		"TLS in huge fragments":   {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: huge}}, Rand: rand.Reader},
		"TLS 1.1":                 {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: old}}, Rand: rand.Reader},
		"TLS 1.4":                 {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: late}}, Rand: rand.Reader},
		"no version of TLS":       {Methods: []eap.PeerMethod{eap.PeerTLS{TLS: none}}, Rand: rand.Reader},
		"TTLS with nothing in it": {Methods: []eap.PeerMethod{eap.PeerTTLS{TLS: good}}, Rand: rand.Reader},
		"TTLS with TLS in it":     {Methods: []eap.PeerMethod{eap.PeerTTLS{TLS: good, Methods: []eap.PeerMethod{eap.PeerTLS{TLS: good}}}}, Rand: rand.Reader},
		"TTLS with bad GTC in it": {Methods: []eap.PeerMethod{eap.PeerTTLS{TLS: good, Methods: []eap.PeerMethod{eap.PeerGTC{}}}}, Rand: rand.Reader},
		"PAP without a password":  {Methods: []eap.PeerMethod{eap.PeerTTLS{TLS: good, Inner: eap.InnerPAP}}, Rand: rand.Reader},
		"PEAP with MD5 in it":     {Methods: []eap.PeerMethod{eap.PeerPEAP{TLS: good, Methods: []eap.PeerMethod{md5Peer()}}}, Rand: rand.Reader},
	} {
		var reason *eap.Reason
		if _, err := eap.NewPeer(config); !errors.As(err, &reason) || reason.Kind != eap.BadConfig {
			t.Errorf("a peer with %s: %v, want that it is a mistake", name, err)
		}
	}
	for name, config := range map[string]eap.ServerConfig{
		"no methods":               {Rand: rand.Reader},
		"no randomness":            {Methods: []eap.ServerMethod{md5Server()}},
		"TLS without certificate":  {Methods: []eap.ServerMethod{eap.ServerTLS{TLS: theTLS(pki, 0, 0)}}, Rand: rand.Reader},
		"TTLS without users":       {Methods: []eap.ServerMethod{eap.ServerTTLS{TLS: good}}, Rand: rand.Reader},
		"PEAP with MD5 in it":      {Methods: []eap.ServerMethod{eap.ServerPEAP{TLS: good, Methods: []eap.ServerMethod{md5Server()}}}, Rand: rand.Reader},
		"PEAP that trusts anybody": {Methods: []eap.ServerMethod{eap.ServerPEAP{TLS: blind, RequireCertificate: true, Methods: []eap.ServerMethod{gtcServer()}}}, Rand: rand.Reader},
	} {
		if _, err := eap.NewServer(config); err == nil {
			t.Errorf("a server with %s is made", name)
		}
	}
}
