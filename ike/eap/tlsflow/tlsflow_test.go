package tlsflow

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func configs(t testing.TB, version uint16) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"a.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: version, MaxVersion: version, SessionTicketsDisabled: true}
	client = &tls.Config{RootCAs: roots, ServerName: "a.example", MinVersion: version, MaxVersion: version}
	return server, client
}

// shake lets both sides talk until they have nothing more to say, a few octets at a time.
func shake(t testing.TB, server, client *Flow, piece int) {
	t.Helper()
	toServer, _, err := client.Feed(now, nil)
	for i := 0; (len(toServer) > 0) && err == nil; i++ {
		var toClient []byte
		for len(toServer) > 0 && err == nil {
			n := min(piece, len(toServer))
			var send []byte
			send, _, err = server.Feed(now, toServer[:n])
			toClient, toServer = append(toClient, send...), toServer[n:]
		}
		if err != nil {
			break
		}
		toServer, _, err = client.Feed(now, toClient)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !server.Established() || !client.Established() {
		t.Fatal("nobody has anything to say and the handshake is not complete")
	}
}

func pair(t testing.TB, version uint16, piece int) (server, client *Flow) {
	t.Helper()
	s, c := configs(t, version)
	server, client = Server(s), Client(c)
	t.Cleanup(server.Close)
	t.Cleanup(client.Close)
	shake(t, server, client, piece)
	return server, client
}

func TestConversation(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, piece := range []int{1, 7, 1 << 16} {
			server, client := pair(t, version, piece)
			send, err := client.Write(now, []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			if _, data, err := server.Feed(now, send); err != nil || string(data) != "hello" {
				t.Errorf("%#x in pieces of %d: the server reads %q, %v", version, piece, data, err)
			}
			a, errA := server.Export("test", nil, 48, false)
			b, errB := client.Export("test", nil, 48, false)
			if errA != nil || errB != nil || len(a) != 48 || !a.Equal(b) {
				t.Errorf("%#x: the keys of both sides: %v, %v, equal %t", version, errA, errB, a.Equal(b))
			}
		}
	}
}

// TestTimeIsAnArgument has a certificate that is good or not by the time that is fed.
func TestTimeIsAnArgument(t *testing.T) {
	s, c := configs(t, tls.VersionTLS13)
	server, client := Server(s), Client(c)
	defer server.Close()
	defer client.Close()
	hello, _, err := client.Feed(now, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := server.Feed(now, hello)
	if err != nil {
		t.Fatal(err)
	}
	alert, _, err := client.Feed(now.Add(48*time.Hour), answer)
	var invalid *tls.CertificateVerificationError
	if !errors.As(err, &invalid) {
		t.Errorf("two days later the certificate is %v", err)
	}
	if len(alert) == 0 {
		t.Error("there is no alert for the server")
	}
	if _, _, err = server.Feed(now, alert); err == nil || !strings.Contains(err.Error(), "remote error") {
		t.Errorf("the server learns %v from the alert", err)
	}
}

func TestEnds(t *testing.T) {
	server, client := pair(t, tls.VersionTLS12, 1<<16)
	client.Close()
	client.Close()
	if _, _, err := client.Feed(now, nil); !errors.Is(err, errClosed) {
		t.Errorf("feeding what is closed: %v", err)
	}
	if _, err := client.Write(now, []byte("x")); !errors.Is(err, errClosed) {
		t.Errorf("writing to what is closed: %v", err)
	}
	if _, _, err := server.Feed(now, make([]byte, MaxInput+1)); !errors.Is(err, errInput) {
		t.Errorf("more than is kept: %v", err)
	}
	s, _ := configs(t, tls.VersionTLS12)
	fresh := Server(s)
	if _, err := fresh.Write(now, []byte("x")); err == nil {
		t.Error("data can be written before the handshake")
	}
	if _, err := fresh.Export("x", nil, 1, true); err == nil {
		t.Error("there are keys before the handshake")
	}
	fresh.Close() // has no goroutine
	garbage := Server(s)
	defer garbage.Close()
	if _, _, err := garbage.Feed(now, []byte("GET / HTTP/1.0\r\n\r\n")); err == nil {
		t.Error("garbage is taken for TLS")
	}
}

// TestPeerCloses has the other side say that nothing more will come.
func TestPeerCloses(t *testing.T) {
	server, client := pair(t, tls.VersionTLS13, 1<<16)
	if err := client.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Feed(now, client.wire.take()); !errors.Is(err, io.EOF) {
		t.Errorf("close_notify is %v, want EOF", err)
	}
}

// TestWithoutEMS computes the keys of TLS 1.2 as TLS without extended master secret has them. crypto/tls always agrees
// on one with itself; the master secret is another then, and the exporter the same, so both ways must meet.
func TestWithoutEMS(t *testing.T) {
	for _, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384} {
		s, c := configs(t, tls.VersionTLS12)
		c.CipherSuites = []uint16{suite}
		server, client := Server(s), Client(c)
		shake(t, server, client, 11)
		for name, flow := range map[string]*Flow{"server": server, "client": client} {
			want, err := flow.Export("client EAP encryption", nil, 128, false)
			if err != nil {
				t.Fatal(err)
			}
			got, err := flow.exportWithoutEMS(suite, "client EAP encryption", 128)
			if err != nil || !got.Equal(want) {
				t.Errorf("%s with %s: the keys are not the exporter's (%v)", name, tls.CipherSuiteName(suite), err)
			}
			flow.Close()
		}
	}
}

// TestPRF is the test vector of the TLS 1.2 PRF with SHA-256 that was published on the IETF's TLS list in 2009.
func TestPRF(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := secret.Bytes(unhex("9bbe436ba940f017b17652849a71db35"))
	seed := append([]byte("test label"), unhex("a0ba9f936cda311827a6f796ffd5198c")...)
	want := unhex("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66")
	if got := prf12(sha256.New, key, seed, len(want)); !bytes.Equal(got, want) {
		t.Errorf("the PRF is %x, want %x", []byte(got), want)
	}
}

// FuzzFeed feeds both sides anything: no panic, and no end to a handshake.
func FuzzFeed(f *testing.F) {
	s, c := configs(f, tls.VersionTLS13)
	hello, _, err := Client(c).Feed(now, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hello, 5)
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		for _, flow := range []*Flow{Server(s), Client(c)} {
			for _, part := range [][]byte{b[:cut], b[cut:]} {
				_, data, _ := flow.Feed(now, part)
				if flow.Established() || len(data) > 0 {
					t.Error("a handshake with nobody is complete")
				}
			}
			flow.Close()
		}
	})
}
