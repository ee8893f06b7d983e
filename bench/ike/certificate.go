package ike

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// certificateKE is the key exchange of handshakes with certificates: the least that one costs, so that the signatures show.
const certificateKE = "x25519"

// kind is a kind of certificate, by what `goswan pki --key` calls its key.
type kind struct {
	word   string
	scheme string // of AUTH
	bits   int    // of RSA
}

var kinds = []kind{
	{"rsa2048", "RSA_EMSA_PKCS1_SHA2_256", 2048}, {"rsa3072", "RSA_EMSA_PKCS1_SHA2_256", 3072},
	{"ecdsa256", "ECDSA_WITH_SHA256_DER", 0}, {"ecdsa384", "ECDSA_WITH_SHA384_DER", 0}, {"ed25519", "ED25519", 0},
}

// Certificates are the kinds of certificates with which handshakes are measured.
func Certificates() (all []string) {
	for _, k := range kinds {
		all = append(all, k.word)
	}
	return all
}

// ChooseCertificates checks kinds of certificates. None picks all.
func ChooseCertificates(wanted []string) ([]string, error) {
	return choose("certificate of the kind", Certificates(), wanted)
}

// choose checks words. None picks all.
func choose(what string, all, wanted []string) (chosen []string, err error) {
	if len(wanted) == 0 {
		return all, nil
	}
	for _, w := range wanted {
		w = strings.TrimSpace(w)
		if !slices.Contains(all, w) {
			return nil, fmt.Errorf("there is no %s %q; there are %s", what, w, strings.Join(all, ", "))
		}
		if !slices.Contains(chosen, w) {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}

// certificateJob measures handshakes in which both ends show a certificate of a root CA that both trust.
func certificateJob(rec *report.Recorder, word string) (turns.Job, error) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.word == word })
	if i < 0 {
		return turns.Job{}, fmt.Errorf("ike: there is no certificate of the kind %q", word)
	}
	p, err := newPair(certificateKE)
	if err == nil {
		err = p.certify(kinds[i])
	}
	if err != nil {
		return turns.Job{}, fmt.Errorf("ike: %s: %w", word, err)
	}
	return handshakeJob(rec, word+" "+certificateKE, p)
}

// certify has both ends prove themselves by certificates.
func (p *pair) certify(k kind) error {
	s, ok := sig.Lookup(k.scheme)
	if !ok {
		return fmt.Errorf("there is no signature scheme %q", k.scheme)
	}
	ca, _, err := keyring{}.key(s, k.bits)
	if err != nil {
		return err
	}
	key, _, err := keyring{}.key(s, k.bits)
	if err != nil {
		return err
	}
	root, err := certificate("root", nil, ca, ca.Public())
	if err != nil {
		return err
	}
	for _, c := range []*core.Catalog{p.initiator, p.responder} {
		conn := c.Connections[0]
		conn.Local[0].Method, conn.Remote[0].Method = core.AuthPubkey, core.AuthPubkey
		own, err := certificate(conn.Local[0].ID.Data, root, ca, key.Public())
		if err != nil {
			return err
		}
		private, err := auth.NewPrivateKey(key)
		if err != nil {
			return err
		}
		credential := &auth.Credential{Certificate: own, Key: private}
		c.Secrets, c.Credentials = nil, &core.Credentials{
			Own: []*auth.Credential{credential.CompleteChain([]*auth.Certificate{root})}, Trust: auth.NewTrust([]auth.Authority{{Certificate: root}}, nil),
		}
	}
	return nil
}

// certificate makes a certificate of a CA, or without one a root. It is valid on the day.
func certificate(name string, issuer *auth.Certificate, by crypto.Signer, key crypto.PublicKey) (*auth.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"goswan bench"}, CommonName: name}, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	parent := template
	if issuer == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		template.DNSNames, template.KeyUsage, parent = []string{name}, x509.KeyUsageDigitalSignature, issuer.X509
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	if err != nil {
		return nil, err
	}
	return auth.ParseCertificate(der)
}
