// Package eaptest is what tests of EAP share: a certification authority with certificates for both sides, and two
// machines that talk to each other.
package eaptest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/eap"
)

// Now is the time of all conversations and in the midst of the certificates' lives, except Expired's.
var Now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// The names in the certificates.
const (
	ServerName = "aaa.example.com"
	ClientName = "alice@example.com"
)

// PKI is an authority and what it has signed.
type PKI struct {
	Roots           *x509.CertPool
	Authority       *x509.Certificate
	Server, Client  tls.Certificate
	Expired, Forged tls.Certificate // a client's that is too old, and one by another authority of the same name
	key             *ecdsa.PrivateKey
	serial          int64
}

// NewPKI makes an authority whose certificates are good around a time.
func NewPKI(t testing.TB, around time.Time) *PKI {
	t.Helper()
	p := newAuthority(t, around)
	p.Roots.AddCert(p.Authority)
	day := 24 * time.Hour
	p.Server = p.Issue(t, around.Add(-day), around.Add(365*day), func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = ServerName, []string{ServerName}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	client := func(c *x509.Certificate) {
		c.Subject.CommonName, c.EmailAddresses = "Alice", []string{ClientName}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	p.Client = p.Issue(t, around.Add(-day), around.Add(365*day), client)
	p.Expired = p.Issue(t, around.Add(-9*day), around.Add(-8*day), client)
	p.Forged = newAuthority(t, around).Issue(t, around.Add(-day), around.Add(365*day), client)
	return p
}

func newAuthority(t testing.TB, around time.Time) *PKI {
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: around.Add(-240 * time.Hour), NotAfter: around.Add(24 * 3650 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &PKI{Roots: x509.NewCertPool(), Authority: authority, key: key, serial: 1}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Issue signs a certificate with what fill puts in it.
func (p *PKI) Issue(t testing.TB, from, to time.Time, fill func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	p.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial), NotBefore: from, NotAfter: to, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	fill(template)
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, p.Authority, key.Public(), p.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// CertificatePEM is a certificate as daemons read it.
func CertificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// KeyPEM is a certificate's private key as daemons read it.
func KeyPEM(t testing.TB, c tls.Certificate) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Wire may change a packet on its way, or lose it by returning nil.
type Wire func(fromServer bool, packet []byte) []byte

// Converse lets a server and a peer talk until both have come to their end or have nothing more to say, and returns
// their results, nil where there is none, and all packets as they were sent.
func Converse(server *eap.Server, peer *eap.Peer, wire Wire) (atServer, atPeer *eap.Result, packets [][]byte) {
	if wire == nil {
		wire = func(_ bool, packet []byte) []byte { return packet }
	}
	step := server.Start()
	for {
		if step.Done != nil {
			atServer = step.Done
		}
		if step.Send == nil {
			return atServer, atPeer, packets
		}
		packets = append(packets, step.Send)
		request := wire(true, step.Send)
		if request == nil {
			return atServer, atPeer, packets
		}
		answer := peer.Receive(Now, request)
		if answer.Done != nil {
			atPeer = answer.Done
		}
		if answer.Send == nil {
			return atServer, atPeer, packets
		}
		packets = append(packets, answer.Send)
		response := wire(false, answer.Send)
		if response == nil {
			return atServer, atPeer, packets
		}
		step = server.Receive(Now, response)
	}
}
