package eap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// selfSigned is what either side of a test's tunnel shows; both take it.
func selfSigned(t testing.TB, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "either"}, NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour)}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func trusting(t testing.TB, version uint16) TLSConfig {
	return TLSConfig{
		Certificates: []tls.Certificate{selfSigned(t, nil)}, MinVersion: version, MaxVersion: version, FragmentSize: mostFragment,
		Verify: func(time.Time, []*x509.Certificate) error { return nil },
	}
}

// spy keeps what came out of the peer's tunnel, before the method inside has it.
type spy struct {
	peerInside
	heard [][]byte
}

func (s *spy) say(t *tunnel, identifier uint8, data []byte) ([]byte, *Reason) {
	if len(data) > 0 {
		s.heard = append(s.heard, bytes.Clone(data))
	}
	return s.peerInside.say(t, identifier, data)
}

// inTunnel lets both sides of a TLS method talk to the end, and returns them with what the peer heard inside.
func inTunnel(t *testing.T, peer PeerMethod, server ServerMethod) (*tunnelPeer, *tunnelServer, [][]byte) {
	t.Helper()
	pm, reason := peer.peer(rand.Reader)
	if reason != nil {
		t.Fatal(reason)
	}
	sm, reason := server.server("alice", rand.Reader)
	if reason != nil {
		t.Fatal(reason)
	}
	theirs, ours := pm.(*tunnelPeer), sm.(*tunnelServer)
	ear := &spy{peerInside: theirs.inside}
	theirs.inside = ear
	t.Cleanup(func() { theirs.wipe(); ours.wipe() })
	for request, id := ours.start(0), uint8(1); ; id++ {
		answer := theirs.request(noon, id, request)
		if answer.failed != nil {
			t.Fatalf("%s: the peer: %v", peer.Type(), answer.failed)
		}
		turn := ours.response(noon, answer.response)
		switch {
		case turn.failed != nil:
			t.Fatalf("%s: the server: %v", peer.Type(), turn.failed)
		case turn.passed != nil:
			return theirs, ours, ear.heard
		}
		request = turn.request
	}
}

// each are the TLS methods over one version of TLS.
func each(t testing.TB, version uint16) map[Type]struct {
	peer   PeerMethod
	server ServerMethod
} {
	users := func(string) (Account, bool) { return Account{Password: secret.Bytes("secret")}, true }
	config := trusting(t, version)
	return map[Type]struct {
		peer   PeerMethod
		server ServerMethod
	}{
		TypeTLS:  {PeerTLS{TLS: config}, ServerTLS{TLS: config}},
		TypeTTLS: {PeerTTLS{TLS: config, Name: "alice", Inner: InnerPAP, Password: secret.Bytes("secret")}, ServerTTLS{TLS: config, Users: users}},
		TypePEAP: {
			PeerPEAP{TLS: config, Identity: "alice", Methods: []PeerMethod{PeerMSCHAPv2{Name: "alice", Password: secret.Bytes("secret")}}, Binding: BindingRequired},
			ServerPEAP{TLS: config, Methods: []ServerMethod{ServerMSCHAPv2{Users: users}}, Binding: BindingRequired},
		},
	}
}

// TestExporterLabels has the keys of each method made as the texts say.
//
//	TLS 1.3: "Key_Material = TLS-Exporter("EXPORTER_EAP_TLS_Key_Material", Type-Code, 128)"  RFC 9190 §2.3, RFC 9427 §2.1
func TestExporterLabels(t *testing.T) {
	const in13 = "EXPORTER_EAP_TLS_Key_Material"
	for version, labels := range map[uint16]map[Type]struct {
		label   string
		context []byte
	}{
		tls.VersionTLS12: {TypeTLS: {"client EAP encryption", nil}, TypeTTLS: {"ttls keying material", nil}, TypePEAP: {"client EAP encryption", nil}},
		tls.VersionTLS13: {TypeTLS: {in13, []byte{0x0d}}, TypeTTLS: {in13, []byte{0x15}}, TypePEAP: {in13, []byte{0x19}}},
	} {
		for method, sides := range each(t, version) {
			peer, server, _ := inTunnel(t, sides.peer, sides.server)
			state := peer.flow.State()
			want, err := state.ExportKeyingMaterial(labels[method].label, labels[method].context, 128)
			if err != nil {
				t.Fatal(err)
			}
			for side, tunnel := range map[string]*tunnel{"peer": &peer.tunnel, "server": &server.tunnel} {
				msk, emsk, reason := tunnel.keys()
				if reason != nil || !bytes.Equal(slices.Concat(msk, emsk), want) {
					t.Errorf("%s over TLS %x: the keys of the %s are not the exporter's of %q with context %x (%v)", method, version, side, labels[method].label, labels[method].context, reason)
				}
			}
			challenge, err := state.ExportKeyingMaterial("ttls challenge", nil, 17)
			if err != nil {
				t.Fatal(err)
			}
			if got, ident, reason := ttlsChallenge(&server.tunnel); reason != nil || !bytes.Equal(append(got[:], ident), challenge) {
				t.Errorf("the challenge of TTLS over TLS %x is not the exporter's (%v)", version, reason)
			}
		}
	}
}

// TestSuccessIndication has the peer hear the octet 0x00 from EAP-TLS over TLS 1.3, once, and from no other method: inside TTLS
// and PEAP it would be taken for the method's own data, and their inner methods say how it ended.  RFC 9190 §2.5, RFC 9427 §4
func TestSuccessIndication(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for method, sides := range each(t, version) {
			_, _, heard := inTunnel(t, sides.peer, sides.server)
			indications := slices.DeleteFunc(slices.Clone(heard), func(data []byte) bool { return !bytes.Equal(data, []byte{0}) })
			want := 0
			if method == TypeTLS && version == tls.VersionTLS13 {
				want = 1
			}
			if len(indications) != want || method == TypeTLS && len(heard) != want {
				t.Errorf("%s over TLS %x: the peer heard %x, want %d octets 0x00", method, version, heard, want)
			}
		}
	}
}

// TestNoLaterTLS keeps a later TLS out, should crypto/tls know one.
func TestNoLaterTLS(t *testing.T) {
	plain := newTunnel(TypeTLS, TLSConfig{}, rand.Reader)
	config := plain.tlsConfig(x509.ExtKeyUsageServerAuth)
	if config.MinVersion != tls.VersionTLS12 || config.MaxVersion != tls.VersionTLS13 || !config.SessionTicketsDisabled || config.ClientSessionCache != nil {
		t.Errorf("TLS is from %x to %x with tickets %v, want 1.2 to 1.3 without", config.MinVersion, config.MaxVersion, !config.SessionTicketsDisabled)
	}
}

// TestCompoundKeys has the keys of PEAP's cryptobinding for known ones. The values were computed from the formulas of MS-PEAP
// §3.1.5.5 and §3.1.5.7 with another program: TK 00 01 02 …, inner keys 80 81 82 …, nonce 20 21 22 …
func TestCompoundKeys(t *testing.T) {
	counting := func(from byte, n int) (b secret.Bytes) {
		for i := range n {
			b = append(b, from+byte(i))
		}
		return b
	}
	hexOf := func(b secret.Bytes) string { return hex.EncodeToString(b) }
	material := counting(0, 64)
	keys := newCompound(material, append(counting(0x80, 32), make([]byte, 32)...))
	mac := (&binding{nonce: [32]byte(counting(0x20, 32))}).sum(keys.cmk)
	for _, c := range []struct{ name, got, want string }{
		{"IPMK", hexOf(keys.ipmk), "d09f95bdc82242ef082b01f379ec2eb46d49f01f84b975865dfa0b65faf67b052dabc6c496f8a9b3"},
		{"CMK", hexOf(keys.cmk), "8adb63fcbe7efe4b3ce82a8a53aab6bac090a9df"},
		{"MSK", hexOf(keys.msk()), "94837390de739189a0c465b3ec52b6315a22204bfd7f4f0b648f2b5a74e5f7fc94e476e3c573e8e69be2610f1d372981c466771655f6b43582531def8869c3ca"},
		{"Compound_MAC", hex.EncodeToString(mac[:]), "c2323a505ca288a4fd2d1a5c6d87911bd02b00b6"},
	} {
		if c.got != c.want {
			t.Errorf("the %s is %s, want %s", c.name, c.got, c.want)
		}
	}
	// GTC has no keys: the ISK is zeros.
	none := newCompound(material, nil)
	if got, want := hexOf(none.ipmk)+hexOf(none.cmk), "d5a1e52eb1a406716f70a2cab4f31e2f956c7ca0e02ea4f61a83cbca1f68070b2fb406f67be84d1481e27e1da4b054c5e835cdea50d538556e8aebd1"; got != want {
		t.Errorf("without inner keys IPMK and CMK are %s, want %s", got, want)
	}
}

// TestHugeClaimsCostNothing counts what is allocated for a packet that announces a TLS message of 64 KiB or more and brings one
// octet: memory follows what came, not what was said.
func TestHugeClaimsCostNothing(t *testing.T) {
	for _, claim := range []string{"\xc0\x00\x01\x00\x00\xaa", "\xc0\xff\xff\xff\xff\xaa", "\xc0\x7f\xff\xff\xff\xaa"} {
		var kept int
		runs := testing.AllocsPerRun(100, func() {
			f := fragments{method: TypeTLS, size: 100}
			_, _, _ = f.take([]byte(claim))
			kept = max(kept, cap(f.in))
		})
		if kept > 64 || runs > 20 {
			t.Errorf("%x costs %d octets and %v allocations", claim, kept, runs)
		}
	}
	// A message that comes in crumbs is kept once and no longer than it may be.
	f := fragments{method: TypeTLS, size: 100}
	packet := []byte("\xc0\x00\x01\x00\x00\xaa")
	for n := 0; ; n++ {
		got, _, reason := f.take(packet)
		if cap(f.in) > 2*maxTLSMessage {
			t.Fatalf("after %d octets %d are kept", n, cap(f.in))
		}
		if got != gotPart {
			if n != maxTLSMessage || reason == nil {
				t.Errorf("after %d octets: %v, want the end after %d", n, reason, maxTLSMessage)
			}
			break
		}
		packet = []byte("\x40\xaa")
	}
}

// TestManyCertificates has a peer of EAP-TLS show many certificates that all could have issued one another: verification ends.
// crypto/x509 stops after a hundred signatures, of which it tells.
func TestManyCertificates(t *testing.T) {
	many := selfSigned(t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	for range 150 {
		many.Certificate = append(many.Certificate, selfSigned(t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }).Certificate[0])
	}
	chain := make([]*x509.Certificate, len(many.Certificate))
	for i, der := range many.Certificate {
		chain[i], _ = x509.ParseCertificate(der)
	}
	reason := TLSConfig{Roots: x509.NewCertPool()}.verify(TypeTLS, noon, chain, x509.ExtKeyUsageClientAuth)
	if reason == nil || reason.Kind != BadCertificate || !strings.Contains(reason.Text, "signature check attempts limit reached") {
		t.Errorf("%d certificates of one name are judged with %v, want %s because of the limit", len(chain), reason, BadCertificate)
	}
}
