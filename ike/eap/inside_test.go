package eap_test

import (
	"crypto/rand"
	"crypto/tls"
	"testing"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/eaptest"
	"github.com/goswan/goswan/ike/eap/tlsflow"
)

// tunnel is one end of TTLS or PEAP that is ours to say what we like in: TLS as it is, without a method inside.
type tunnel struct {
	flow *tlsflow.Flow
	typ  eap.Type
}

// oneFragment is larger than all that is said.
const oneFragment = 1 << 14

// into opens a tunnel to a server and says something inside.
func (a tunnel) into(t *testing.T, server *eap.Server, words ...[]byte) (last eap.Step) {
	t.Helper()
	last = server.Start()
	reply := func(typ eap.Type, data []byte) {
		id := parse(t, last.Send).Identifier
		last = server.Receive(eaptest.Now, eap.Packet{Code: eap.CodeResponse, Identifier: id, Type: typ, Data: data}.AppendTo(nil))
	}
	reply(eap.TypeIdentity, []byte(user))
	hello, _, err := a.flow.Feed(eaptest.Now, nil)
	for err == nil && !a.flow.Established() {
		reply(a.typ, append([]byte{0}, hello...))
		hello, _, err = a.flow.Feed(eaptest.Now, parse(t, last.Send).Data[1:])
	}
	if err != nil {
		t.Fatal(err)
	}
	reply(a.typ, append([]byte{0}, hello...))
	for _, word := range words {
		if last.Done != nil {
			return last
		}
		octets, err := a.flow.Write(eaptest.Now, word)
		if err != nil {
			t.Fatal(err)
		}
		reply(a.typ, append([]byte{0}, octets...))
	}
	return last
}

// from opens a tunnel to a peer and says something inside.
func (a tunnel) from(t *testing.T, peer *eap.Peer, words ...[]byte) (last eap.Step) {
	t.Helper()
	id := uint8(0)
	request := func(data []byte) {
		id++
		last = peer.Receive(eaptest.Now, eap.Packet{Code: eap.CodeRequest, Identifier: id, Type: a.typ, Data: data}.AppendTo(nil))
	}
	request([]byte{0x20})
	for !a.flow.Established() {
		octets, _, err := a.flow.Feed(eaptest.Now, parse(t, last.Send).Data[1:])
		if err != nil {
			t.Fatal(err)
		}
		request(append([]byte{0}, octets...))
	}
	for _, word := range words {
		if last.Done != nil {
			return last
		}
		octets, err := a.flow.Write(eaptest.Now, word)
		if err != nil {
			t.Fatal(err)
		}
		request(append([]byte{0}, octets...))
	}
	if last.Done != nil {
		return last
	}
	return peer.Receive(eaptest.Now, eap.Packet{Code: eap.CodeSuccess, Identifier: id}.AppendTo(nil))
}

// split makes words of octets: each has its length before it.
func split(b []byte) (words [][]byte) {
	for len(b) > 1 && len(words) < 8 {
		n := min(int(b[0]), len(b)-1)
		if n > 0 {
			words = append(words, b[1:1+n])
		}
		b = b[1+n:]
	}
	return words
}

// seeds are what is said inside, well and badly.
func seeds(f *testing.F) {
	for _, s := range []string{
		"\x14\x00\x00\x00\x01\x40\x00\x00\x0dalice\x00\x00\x00",
		"\x30\x00\x00\x00\x01\x40\x00\x00\x0dalice\x00\x00\x00\x00\x00\x00\x02\x40\x00\x00\x18wrong horse\x00\x00\x00\x00\x00",
		"\x14\x00\x00\x00\x4f\x40\x00\x00\x12\x02\x00\x00\x0a\x01alice\x00\x00",
		"\x06\x01alice\x02\x06x",
		"\x01\x01\x0b\x01\x05\x00\x0b\x21\x80\x03\x00\x02\x00\x01",
		"\x0b\x02\x05\x00\x0b\x21\x80\x03\x00\x02\x00\x01",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
}

// FuzzInsideServer lets somebody without a password say anything inside the tunnel of a server.
func FuzzInsideServer(f *testing.F) {
	pki := eaptest.NewPKI(f, eaptest.Now)
	config := theTLS(pki, tls.VersionTLS13, oneFragment, pki.Server)
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte, peap bool) {
		inner := []eap.ServerMethod{mschapServer(), gtcServer()}
		a := tunnel{typ: eap.TypeTTLS}
		var method eap.ServerMethod = eap.ServerTTLS{TLS: config, Users: users, Methods: append(inner, md5Server())}
		if peap {
			a.typ, method = eap.TypePEAP, eap.ServerPEAP{TLS: config, Methods: inner}
		}
		a.flow = tlsflow.Client(&tls.Config{RootCAs: pki.Roots, ServerName: eaptest.ServerName})
		defer a.flow.Close()
		server := newServer(t, method)
		defer server.Wipe()
		if last := a.into(t, server, split(b)...); last.Done != nil && last.Done.Err == nil {
			t.Errorf("somebody without a password is %q", last.Done.Identity)
		}
	})
}

// FuzzInsidePeer lets a server with a good certificate that does not know the password say anything inside the tunnel.
func FuzzInsidePeer(f *testing.F) {
	pki := eaptest.NewPKI(f, eaptest.Now)
	config := theTLS(pki, tls.VersionTLS13, oneFragment)
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte, peap bool) {
		a := tunnel{typ: eap.TypeTTLS}
		var method eap.PeerMethod = eap.PeerTTLS{TLS: config, Name: user, Inner: eap.InnerMSCHAPv2, Password: secret.Bytes(password)}
		if peap {
			a.typ, method = eap.TypePEAP, eap.PeerPEAP{TLS: config, Identity: user, Methods: []eap.PeerMethod{mschapPeer()}}
		}
		a.flow = tlsflow.Server(&tls.Config{Certificates: []tls.Certificate{pki.Server}, SessionTicketsDisabled: true})
		defer a.flow.Close()
		peer, err := eap.NewPeer(eap.PeerConfig{Identity: user, Methods: []eap.PeerMethod{method}, Rand: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Wipe()
		if last := a.from(t, peer, split(b)...); last.Done != nil && last.Done.Err == nil {
			t.Error("the peer is content with a server that does not know the password")
		}
	})
}

// TestInsideHonest shows that the two fuzz targets reach what is inside: the right password gets through.
func TestInsideHonest(t *testing.T) {
	pki := eaptest.NewPKI(t, eaptest.Now)
	server := newServer(t, eap.ServerTTLS{TLS: theTLS(pki, tls.VersionTLS13, oneFragment, pki.Server), Users: users})
	a := tunnel{tlsflow.Client(&tls.Config{RootCAs: pki.Roots, ServerName: eaptest.ServerName}), eap.TypeTTLS}
	defer a.flow.Close()
	word := append([]byte("\x00\x00\x00\x01\x40\x00\x00\x0dalice\x00\x00\x00\x00\x00\x00\x02\x40\x00\x00"), byte(8+len(password)))
	if last := a.into(t, server, append(word, password...)); last.Done == nil || last.Done.Err != nil {
		t.Errorf("the right password ends with %+v", last)
	}
	peap := newServer(t, eap.ServerPEAP{TLS: theTLS(pki, tls.VersionTLS13, oneFragment, pki.Server), Methods: []eap.ServerMethod{gtcServer()}})
	b := tunnel{tlsflow.Client(&tls.Config{RootCAs: pki.Roots, ServerName: eaptest.ServerName}), eap.TypePEAP}
	defer b.flow.Close()
	last := b.into(t, peap, []byte("\x01alice"), []byte("\x06"+password), []byte("\x02\x05\x00\x0b\x21\x80\x03\x00\x02\x00\x01"))
	if last.Done == nil || last.Done.Err != nil {
		t.Errorf("the right password in PEAP ends with %+v", last)
	}
}
