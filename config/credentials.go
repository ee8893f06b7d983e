package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// isContent tells the octets of a certificate or key, as vici's clients send them, from the name of a file: PEM, or DER's
// SEQUENCE with a length of more than one octet.
func isContent(item string) bool {
	return strings.Contains(item, "-----BEGIN ") || len(item) > 2 && item[0] == 0x30 && item[1] >= 0x80
}

// file is where a name in a directory beside swanctl.conf leads.
func (d *decoder) file(dir, name string) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(d.dir, dir, name)
	}
	d.files = append(d.files, name)
	return name
}

// certificate reads a certificate that a setting names, or has in it.
func (d *decoder) certificate(dir, item string) (*auth.Certificate, error) {
	var all []*auth.Certificate
	var err error
	if isContent(item) {
		all, err = creds.ParseCertificates("the certificate", []byte(item))
	} else {
		all, err = creds.ReadCertificates(d.file(dir, item))
	}
	if err != nil {
		return nil, ofFile(err, dir)
	}
	return all[0], nil
}

// publicKey is certificate for a raw public key.
func (d *decoder) publicKey(item string) (*auth.PublicKey, error) {
	var key *auth.PublicKey
	var err error
	if isContent(item) {
		key, err = creds.ParsePublicKey("the public key", []byte(item))
	} else {
		key, err = creds.ReadPublicKey(d.file("pubkey", item))
	}
	return key, ofFile(err, "pubkey")
}

// ofFile is an error of the package creds, told as one of a setting.
func ofFile(err error, dir string) error {
	var p *creds.Problem
	switch {
	case !errors.As(err, &p):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return bad("write a path, or the name of a file in the directory "+dir+" beside swanctl.conf", "there is no file %s", p.File)
	}
	return bad(p.Fix, "%s: %s", p.File, p.What)
}

// addCertificates is a key with a list of certificates.
func addCertificates(dir string, list func(*round) *[]*auth.Certificate) func(*round, settings.Value) error {
	return func(r *round, v settings.Value) error {
		for _, item := range v.Items() {
			c, err := r.d.certificate(dir, item)
			if err != nil {
				return err
			}
			*list(r) = append(*list(r), c)
		}
		return nil
	}
}

func readPublicKeys(r *round, v settings.Value) error {
	for _, item := range v.Items() {
		key, err := r.d.publicKey(item)
		if err != nil {
			return err
		}
		r.PublicKeys = append(r.PublicKeys, key)
	}
	return nil
}

// certificateFile is a section that names one certificate.
type certificateFile struct{ file, token settings.Value }

var certificateTable = table[certificateFile]{
	place: "connections.<conn>.local.cert and .remote.cacert",
	keys: []key[certificateFile]{
		{"file", func(c *certificateFile, v settings.Value) error { c.file = v; return nil }},
		{"handle", func(c *certificateFile, v settings.Value) error { c.token = v; return nil }},
		{"slot", func(c *certificateFile, v settings.Value) error { c.token = v; return nil }},
		{"module", func(c *certificateFile, v settings.Value) error { c.token = v; return nil }},
	},
}

// token is what PKCS#11 needs.
const token = "a certificate or key on a token (PKCS#11)"

// certificateSection reads a section with the file of one certificate.
func certificateSection(dir string, list func(*round) *[]*auth.Certificate) func(*decoder, *round, *settings.Section, at) {
	return func(d *decoder, r *round, s *settings.Section, where at) {
		var c certificateFile
		certificateTable.read(d, &c, s, where)
		switch {
		case c.token.Key != "":
			d.report(where.key(c.token), missing(token, "write file = …"))
		case c.file.Text == "":
			d.report(where, bad("write file = …, the path of a certificate", "no certificate is named"))
		default:
			got, err := d.certificate(dir, c.file.Text)
			d.report(where.key(c.file), err)
			if err == nil {
				*list(r) = append(*list(r), got)
			}
		}
	}
}

// loadCredentials reads the directories beside swanctl.conf. What is wrong with one of their files is a warning: the rest is
// used.
func (d *decoder) loadCredentials(catalog *core.Catalog) {
	parts, problems := creds.Loader{Dir: d.dir, Passphrases: d.passphrases}.Load()
	for _, p := range problems {
		d.warnings = append(d.warnings, &Problem{What: p.File + ": " + p.What, Fix: p.Fix, Unread: !p.Warning})
	}
	catalog.Credentials = creds.Join(parts, catalog.Authorities)
}

// checkKeys warns of connections that have nothing to sign with.
func (d *decoder) checkKeys(catalog *core.Catalog) {
	for _, c := range catalog.Connections {
		for _, mine := range c.Local {
			if mine.Method.Signs() || isEAP(mine) && hasTLS(mine.EAP) {
				d.checkKey(catalog, c, mine, at{"connections." + c.Name, settings.Position(mine.Source)})
			}
		}
	}
}

// checkKey warns of a round of ours for which there is no private key.
func (d *decoder) checkKey(catalog *core.Catalog, c *core.Connection, mine core.Auth, where at) {
	for _, cert := range mine.Certs {
		if !catalog.Proofs().HasKey(cert.X509.RawSubjectPublicKeyInfo) {
			d.report(where, warning("put it into the directory private", "there is no private key for the certificate %q", cert.Name()))
		}
	}
	for _, key := range mine.PublicKeys {
		if !catalog.Proofs().HasKey(key.SPKI) {
			d.report(where, warning("put it into the directory private", "there is no private key for the public key %s", key.Fingerprint()))
		}
	}
	needed := mine.Method.Signs() || mine.EAP.Method == eap.TypeTLS
	if needed && len(mine.Certs)+len(mine.PublicKeys) == 0 && len(catalog.Proofs().Own) == 0 {
		fix := "put our certificate into the directory x509 and its key into private"
		if !isEAP(mine) && !slices.ContainsFunc(c.Remote, isEAP) {
			fix += ", or write auth = psk" // which EAP may not go with
		}
		d.report(where, warning(fix, "there is no private key with a certificate to authenticate with"))
	}
}
