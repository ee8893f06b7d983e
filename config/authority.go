package config

import (
	"encoding/hex"
	"net/url"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
)

// authority is a section of authorities being read.
type authority struct {
	core.Authority
	cacert, file, handle settings.Value
}

var authorityTable = table[authority]{
	place: "authorities.<name>",
	keys: []key[authority]{
		{"cacert", func(a *authority, v settings.Value) error { a.cacert = v; return nil }},
		{"file", func(a *authority, v settings.Value) error { a.file = v; return nil }},
		{"handle", readHandle},
		{"slot", number(func(*authority) *int { return new(int) }, 0, 1<<31-1)},
		{"module", text(func(*authority) *string { return new(string) })},
		{"crl_uris", uris(func(a *authority) *[]string { return &a.CRLURIs })},
		{"ocsp_uris", uris(func(a *authority) *[]string { return &a.OCSPURIs })},
		{"cert_uri_base", readURIBase},
	},
}

// authority reads a section of authorities; nil if there is no certificate.
func (d *decoder) authority(s *settings.Section, where at) *core.Authority {
	a := &authority{Authority: core.Authority{Name: s.Name, Source: position(s.At)}}
	failed := len(d.problems)
	authorityTable.read(d, a, s, where)
	var given []settings.Value
	for _, v := range []settings.Value{a.cacert, a.file, a.handle} {
		if v.Text != "" {
			given = append(given, v)
		}
	}
	switch {
	case len(given) != 1:
		d.report(where, bad("write one of them: the certificate of the authority", "%d of cacert, file and handle are set", len(given)))
		return nil
	case len(d.problems) > failed:
		return nil
	case a.handle.Text != "":
		d.report(where.key(a.handle), missing(token, "write cacert = …"))
		return nil
	}
	ca, err := d.certificate("x509ca", given[0].Text)
	if err == nil && !ca.IsCA() {
		err = bad("write the certificate of the authority that issued it", "%q is not a CA (basicConstraints)", ca.Name())
	}
	if err != nil {
		d.report(where.key(given[0]), err)
		return nil
	}
	a.Certificate = ca
	return &a.Authority
}

func readHandle(a *authority, v settings.Value) error {
	if _, err := hex.DecodeString(v.Text); err != nil {
		return bad("write the CKA_ID in hexadecimal digits", "%q is not hexadecimal", v.Text)
	}
	a.handle = v
	return nil
}

// readURIBase reads what the hash of a certificate is put behind.
func readURIBase(a *authority, v settings.Value) error {
	if u, err := url.Parse(v.Text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return bad("write the beginning of a URL, as http://pki.example/certs/", "%q is not an http URL", v.Text)
	}
	a.CertURIBase = v.Text
	return nil
}

// uris is a key with a list of URIs.
func uris(field func(*authority) *[]string) func(*authority, settings.Value) error {
	return func(a *authority, v settings.Value) error {
		for _, item := range v.Items() {
			if u, err := url.Parse(item); err != nil || u.Scheme == "" {
				return bad("write URIs as http://pki.example/ca.crl", "%q is not a URI", item)
			}
		}
		*field(a) = v.Items()
		return nil
	}
}
