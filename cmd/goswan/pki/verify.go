package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/fetch"
)

// Check is a certificate to judge as a peer would.
type Check struct {
	Certificate string   // file; further certificates in it are intermediate CAs
	CAs         []string // files that are trusted
	Untrusted   []string // files with intermediate CAs
	CRLs        []string
	ID          string // what the peer says it is; "" for whatever the certificate proves
	Revocation  auth.Revocation
	// Fetch asks for what the certificates name: CRLs and OCSP; nil stays offline.
	Fetch *fetch.Client
}

// Verify judges a certificate, and prints what a peer would make of it. The error is why it would be refused.
func Verify(ctx context.Context, w io.Writer, rand io.Reader, now time.Time, c Check) error {
	trust, shown, known, err := c.read()
	if err != nil {
		return err
	}
	leaf := shown.Leaf
	fmt.Fprintf(w, "%s: %s\n", c.Certificate, leaf.Name())
	ids := []auth.Identity{}
	if c.ID == "" {
		ids = provable(leaf)
	} else {
		id, err := auth.ParseIdentity(c.ID)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return fmt.Errorf("it names nobody: it has neither a subject nor a subjectAltName that IKE knows")
	}
	verdict, err := c.judge(ctx, rand, now, trust, shown, ids[0], known)
	if err != nil {
		return err
	}
	report(w, now, verdict)
	if c.ID == "" {
		rows(w, "ids", identities(leaf))
	} else {
		row(w, "id", "%s (%s)", ids[0], ids[0].Type)
	}
	rows(w, "note", notes(leaf))
	fmt.Fprintln(w, "ok: a peer that trusts this CA accepts it")
	return nil
}

// provable are the identities that the certificate proves.
func provable(c *auth.Certificate) (ids []auth.Identity) {
	for _, id := range c.Identities() {
		if c.Proves(id) == auth.MatchPerfect {
			ids = append(ids, id)
		}
	}
	return ids
}

// read reads the files.
func (c Check) read() (trust *auth.Trust, shown auth.Presented, known auth.Evidence, err error) {
	certificates, err := creds.ReadCertificates(c.Certificate)
	if err != nil {
		return
	}
	shown = auth.Presented{Leaf: certificates[0], Others: certificates[1:]}
	var authorities []auth.Authority
	for _, file := range c.CAs {
		var cas []*auth.Certificate
		if cas, err = creds.ReadCertificates(file); err != nil {
			return
		}
		for _, ca := range cas {
			authorities = append(authorities, auth.Authority{Certificate: ca})
		}
	}
	for _, file := range c.Untrusted {
		var more []*auth.Certificate
		if more, err = creds.ReadCertificates(file); err != nil {
			return
		}
		shown.Others = append(shown.Others, more...)
	}
	for _, file := range c.CRLs {
		var crl *auth.CRL
		if crl, err = creds.ReadCRL(file); err != nil {
			return
		}
		known.CRLs = append(known.CRLs, crl)
	}
	return auth.NewTrust(authorities, nil), shown, known, nil
}

var errOffline = errors.New("not asked: --online asks")

// judge runs a trial.
func (c Check) judge(ctx context.Context, rand io.Reader, now time.Time, trust *auth.Trust, shown auth.Presented, id auth.Identity, known auth.Evidence) (*auth.Verdict, error) {
	trial := trust.Try(now, rand, &auth.Requirement{Revocation: c.Revocation}, shown, id, nil, known)
	if c.Fetch != nil {
		c.Fetch.Complete(ctx, now, trial)
	}
	for needs := trial.Needs(); len(needs) > 0; needs = trial.Needs() {
		for _, f := range needs {
			trial.Supply(now, f, nil, errOffline)
		}
	}
	return trial.Verdict()
}

// report prints what was found on the way.
func report(w io.Writer, now time.Time, v *auth.Verdict) {
	for i, c := range v.Chain {
		name := ""
		if i == 0 {
			name = "chain"
		}
		row(w, name, "%s%s", strings.Repeat("  ", i), c.Name())
	}
	row(w, "valid", "for %s more", days(v.NotAfter.Sub(now)))
	for _, f := range v.Revocation {
		row(w, "revocation", "%s: %s", f.Certificate, f)
	}
}

// HasUsage tells whether the certificate's extendedKeyUsage has a use, or any.
func HasUsage(c *auth.Certificate, use x509.ExtKeyUsage) bool {
	return slices.ContainsFunc(c.X509.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return u == use || u == x509.ExtKeyUsageAny })
}

// notes are what other systems demand.
func notes(c *auth.Certificate) (all []string) {
	if len(c.X509.DNSNames)+len(c.X509.IPAddresses) > 0 && !HasUsage(c, x509.ExtKeyUsageServerAuth) && !HasUsage(c, x509.ExtKeyUsageClientAuth) {
		all = append(all, "for a gateway, Windows, macOS and iOS demand serverAuth in extendedKeyUsage, which it has not")
	}
	if len(c.X509.DNSNames)+len(c.X509.EmailAddresses)+len(c.X509.IPAddresses) == 0 {
		all = append(all, "it has no subjectAltName: only its distinguished name can be the id")
	}
	return all
}
