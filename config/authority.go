package config

import (
	"encoding/hex"
	"net/url"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
)

// Authority is a section of authorities: what is known of a certification authority beside its certificate.
type Authority struct {
	Name string
	// CACert is a file, relative to the directory x509ca, or the certificate itself when it came over vici.
	CACert string
	File   string
	Handle string // CKA_ID on a token, hexadecimal
	Slot   int
	Module string
	// CRLURIs and OCSPURIs are where revocation is asked for; CertURIBase is for Hash and URL (RFC 7296 §3.6).
	CRLURIs, OCSPURIs []string
	CertURIBase       string
	Source            core.Position
}

var authorityTable = table[Authority]{
	place: "authorities.<name>",
	keys: []key[Authority]{
		{"cacert", text(func(a *Authority) *string { return &a.CACert })},
		{"file", text(func(a *Authority) *string { return &a.File })},
		{"handle", readHandle},
		{"slot", number(func(a *Authority) *int { return &a.Slot }, 0, 1<<31-1)},
		{"module", text(func(a *Authority) *string { return &a.Module })},
		{"crl_uris", uris(func(a *Authority) *[]string { return &a.CRLURIs })},
		{"ocsp_uris", uris(func(a *Authority) *[]string { return &a.OCSPURIs })},
		{"cert_uri_base", text(func(a *Authority) *string { return &a.CertURIBase })},
	},
}

// authority reads a section of authorities.
func (d *decoder) authority(s *settings.Section, where at) *Authority {
	a := &Authority{Name: s.Name, Source: position(s.At)}
	authorityTable.read(d, a, s, where)
	given := 0
	for _, certificate := range []string{a.CACert, a.File, a.Handle} {
		if certificate != "" {
			given++
		}
	}
	if given != 1 {
		d.report(where, bad("write one of them: the certificate of the authority", "%d of cacert, file and handle are set", given))
	}
	d.report(where, warning("", "has no effect in goswan: certificates are not supported in this version"))
	return a
}

func readHandle(a *Authority, v settings.Value) error {
	if _, err := hex.DecodeString(v.Text); err != nil {
		return bad("write the CKA_ID in hexadecimal digits", "%q is not hexadecimal", v.Text)
	}
	a.Handle = v.Text
	return nil
}

// uris is a key with a list of URIs.
func uris(field func(*Authority) *[]string) func(*Authority, settings.Value) error {
	return func(a *Authority, v settings.Value) error {
		for _, item := range v.Items() {
			if u, err := url.Parse(item); err != nil || u.Scheme == "" {
				return bad("write URIs as http://pki.example/ca.crl", "%q is not a URI", item)
			}
		}
		*field(a) = v.Items()
		return nil
	}
}
