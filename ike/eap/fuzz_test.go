package eap

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// FuzzParse wants no panic, and of what is taken that it is written and read again the same.
func FuzzParse(f *testing.F) {
	for _, tc := range samples {
		f.Add(unhex(f, tc.octets))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		if again := p.AppendTo(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is written again as %x", b, again)
		}
		_, _ = p.Desired()
	})
}

// FuzzAVPs wants no panic, and of what is taken that it is read again the same.
func FuzzAVPs(f *testing.F) {
	f.Add(appendAVPs(avp{code: avpUserName, data: []byte("bob")}, avp{code: avpMSCHAP2Success, data: []byte{1, 2}}))
	f.Add(unhex(f, "00000001 0000000b 626f62"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseAVPs(b)
		if err != nil {
			return
		}
		again, err := parseAVPs(appendAVPs(all...))
		if err != nil || len(again) != len(all) {
			t.Fatalf("%d AVPs are read again as %d, %v", len(all), len(again), err)
		}
		for i := range all {
			if all[i].code != again[i].code || !bytes.Equal(all[i].data, again[i].data) {
				t.Errorf("%v is read again as %v", all[i], again[i])
			}
		}
		_, _ = takeAVPs(b)
	})
}

// FuzzTLVs is FuzzAVPs for what is inside PEAP.
func FuzzTLVs(f *testing.F) {
	f.Add(extensions{result: resultSuccess, binding: &binding{}}.packet(CodeRequest, 1))
	f.Add(unhex(f, "8003 0002 0001"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if packet, ok := asExtensions(CodeRequest, b); ok {
			_, _ = parseExtensions(packet.Data)
		}
		all, err := parseTLVs(b)
		if err != nil {
			return
		}
		var again []byte
		for _, one := range all {
			again = one.appendTo(again)
		}
		if second, err := parseTLVs(again); err != nil || len(second) != len(all) {
			t.Errorf("%d TLVs are read again as %d, %v", len(all), len(second), err)
		}
	})
}

// FuzzMSCHAP has what either side makes of the data of the other.
func FuzzMSCHAP(f *testing.F) {
	f.Add(mschapPacket{op: opChallenge, id: 1, body: append([]byte{16}, make([]byte, 20)...)}.data(), true)
	f.Add(mschapPacket{op: opResponse, id: 1, body: mschapAnswer{name: "bob"}.body()}.data(), false)
	f.Add(mschapPacket{op: opFailure, id: 1, body: []byte("E=691 R=1 C=00 V=3 M=no")}.data(), true)
	f.Fuzz(func(t *testing.T, b []byte, peer bool) {
		if p, err := parseMSCHAP(b); err == nil && len(b) > 1 && !bytes.Equal(p.data(), b) {
			t.Errorf("%x is written again as %x", b, p.data())
		}
		_ = tellMSCHAP(string(b))
		if !peer {
			m, reason := ServerMSCHAPv2{}.server("bob", rand.Reader)
			if reason != nil {
				t.Fatal(reason)
			}
			m.start(0)
			if turn := m.response(time.Time{}, b); turn.passed != nil {
				t.Error("a peer without a password passed")
			}
			return
		}
		m, _ := PeerMSCHAPv2{Name: "bob", Password: secret.Bytes("x")}.peer(rand.Reader)
		if turn := m.request(time.Time{}, 0, b); turn.response == nil && turn.failed == nil {
			t.Error("the peer says nothing and does not fail")
		}
		if _, reason := m.finish(); reason == nil {
			t.Error("the peer is content after one packet")
		}
	})
}

// FuzzFragments feeds packets to both ends of fragmentation: what is kept stays within bounds.
func FuzzFragments(f *testing.F) {
	f.Add([]byte("\x06\xc0\x00\x00\x00\x02\xaa\x02\x00\xbb"))
	f.Add([]byte{1, 0x20, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		frames := fragments{method: TypeTTLS, size: 64}
		for len(b) > 0 {
			n := min(int(b[0]), len(b)-1)
			got, message, reason := frames.take(b[1 : 1+n])
			if reason != nil {
				return
			}
			if len(frames.in) > maxTLSMessage || len(message) > maxTLSMessage {
				t.Fatal("more is kept than is allowed")
			}
			if got == gotMessage && frames.out == nil {
				for data := frames.send(message); data != nil; data = frames.next() {
					if len(data) > 5+frames.size {
						t.Fatalf("a fragment of %d octets", len(data))
					}
				}
			}
			b = b[1+n:]
		}
	})
}

// FuzzMachines lets both machines hear anything, in any order: every packet is answered, discarded or the end, and
// nobody is content who was not shown a password.
func FuzzMachines(f *testing.F) {
	f.Add([]byte{5, 1, 7, 0, 5, 1}, uint8(0))
	f.Add([]byte{8, 2, 7, 0, 8, 1, 'b', 'o', 'b'}, uint8(1))
	f.Add([]byte{6, 1, 1, 0, 6, 13, 0x20, 6, 1, 2, 0, 6, 21, 0x20, 6, 1, 2, 0, 6, 25, 0x20}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, id uint8) {
		none := func(string) (Account, bool) { return Account{}, false }
		server, err := NewServer(ServerConfig{
			Methods: []ServerMethod{ServerMSCHAPv2{Users: none}, ServerGTC{Users: none}, ServerMD5{Users: none}},
			Rand:    bytes.NewReader(append([]byte{id}, make([]byte, 256)...)), MaxRounds: 20,
		})
		if err != nil {
			t.Fatal(err)
		}
		peer, err := NewPeer(PeerConfig{Identity: "bob", Rand: rand.Reader, MaxRounds: 20, Methods: []PeerMethod{
			PeerMSCHAPv2{Name: "bob", Password: secret.Bytes("x")}, PeerPEAP{
				TLS: TLSConfig{Verify: func(time.Time, []*x509.Certificate) error { return nil }}, Methods: []PeerMethod{PeerGTC{Password: secret.Bytes("x")}},
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Wipe()
		server.Start()
		for len(b) > 0 {
			n := min(int(b[0]), len(b)-1)
			for _, m := range []interface {
				Receive(time.Time, []byte) Step
			}{server, peer} {
				step := m.Receive(time.Time{}, b[1:1+n])
				if step.Send == nil && step.Done == nil && step.Discarded == nil {
					t.Fatal("a packet has no answer")
				}
				if step.Done != nil && step.Done.Err == nil {
					t.Fatal("success for nothing")
				}
			}
			b = b[1+n:]
		}
	})
}
