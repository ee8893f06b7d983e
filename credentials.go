package goswan

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/vici"
)

// changeCredentials replaces the credentials of the catalog by changed ones.
func (e *Endpoint) changeCredentials(edit func(*core.Credentials)) {
	e.change(func(c *core.Catalog) {
		old := c.Proofs()
		next := core.Credentials{
			Certificates: slices.Clone(old.Certificates), Authorities: slices.Clone(old.Authorities), Responders: slices.Clone(old.Responders),
			CRLs: slices.Clone(old.CRLs), PublicKeys: slices.Clone(old.PublicKeys), Keys: slices.Clone(old.Keys),
		}
		edit(&next)
		c.Credentials = creds.Join(next, c.Authorities)
	})
}

func (d *viciDaemon) LoadCertificate(data []byte, flag string) error {
	all, err := creds.ParseCertificates("the certificate", data)
	if err != nil {
		return err
	}
	for _, c := range all {
		switch {
		case flag == vici.FlagCA && !c.IsCA() && !c.SelfIssued():
			return fmt.Errorf("%q is not a CA (basicConstraints); certificates of hosts and users are loaded with flag NONE", c.Name())
		case flag == vici.FlagOCSP && !c.SignsOCSP():
			return fmt.Errorf("%q is not for signing OCSP responses (extendedKeyUsage OCSPSigning); other certificates are loaded with flag NONE or CA", c.Name())
		}
	}
	d.e.changeCredentials(func(c *core.Credentials) {
		list := &c.Certificates
		switch flag {
		case vici.FlagCA:
			list = &c.Authorities
		case vici.FlagOCSP:
			list = &c.Responders
		}
		for _, cert := range all {
			if !slices.ContainsFunc(*list, cert.Equal) {
				*list = append(*list, cert)
			}
		}
	})
	return nil
}

func (d *viciDaemon) LoadCRL(data []byte) error {
	crl, err := creds.ParseCRL("the CRL", data)
	if err != nil {
		return err
	}
	d.e.changeCredentials(func(c *core.Credentials) {
		c.CRLs = slices.DeleteFunc(c.CRLs, func(old *auth.CRL) bool {
			return old.Key() == crl.Key() && !old.List.ThisUpdate.After(crl.List.ThisUpdate)
		})
		c.CRLs = append(c.CRLs, crl)
	})
	return nil
}

func (d *viciDaemon) LoadPublicKey(data []byte) error {
	key, err := creds.ParsePublicKey("the public key", data)
	if err != nil {
		return err
	}
	d.e.changeCredentials(func(c *core.Credentials) {
		if !slices.ContainsFunc(c.PublicKeys, key.Equal) {
			c.PublicKeys = append(c.PublicKeys, key)
		}
	})
	return nil
}

func (d *viciDaemon) LoadKey(data []byte) (string, error) {
	key, err := creds.ParsePrivateKey("the private key", data, nil)
	if err != nil {
		return "", err
	}
	d.e.changeCredentials(func(c *core.Credentials) {
		if !slices.ContainsFunc(c.Keys, key.SameAs) {
			c.Keys = append(c.Keys, key)
		}
	})
	return key.ID(), nil
}

// UnloadKey takes the key out of the catalog. It is not wiped: a negotiation under way may be signing with it.
func (d *viciDaemon) UnloadKey(id string) error {
	d.e.changeCredentials(func(c *core.Credentials) {
		c.Keys = slices.DeleteFunc(c.Keys, func(k auth.PrivateKey) bool { return k.ID() == id })
	})
	return nil
}

func (d *viciDaemon) KeyIDs() (ids []string) {
	for _, k := range d.e.Catalog().Proofs().Keys {
		ids = append(ids, k.ID())
	}
	return ids
}

func (d *viciDaemon) Certificates() (all []vici.Certificate) {
	c := d.e.Catalog()
	have := c.Proofs()
	add := func(cert *auth.Certificate, flag string) {
		entry := vici.Certificate{
			Type: vici.X509, CA: flag == vici.FlagCA, Responder: flag == vici.FlagOCSP,
			HasKey: have.HasKey(cert.X509.RawSubjectPublicKeyInfo), Subject: cert.Name(), DER: cert.X509.Raw,
		}
		if !slices.ContainsFunc(all, func(o vici.Certificate) bool {
			return o.CA == entry.CA && o.Responder == entry.Responder && bytes.Equal(o.DER, entry.DER)
		}) {
			all = append(all, entry)
		}
	}
	for _, cert := range have.Certificates {
		add(cert, "")
	}
	for _, conn := range c.Connections {
		for _, round := range slices.Concat(conn.Local, conn.Remote) {
			for _, cert := range round.Certs {
				add(cert, "")
			}
		}
	}
	for _, cert := range have.Trust.Certificates() {
		add(cert, vici.FlagCA)
	}
	for _, cert := range have.Responders {
		add(cert, vici.FlagOCSP)
	}
	for _, crl := range slices.Concat(have.CRLs, d.e.library.Evidence(time.Now()).CRLs) {
		all = append(all, vici.Certificate{Type: vici.X509CRL, Subject: crl.Issuer(), DER: crl.List.Raw})
	}
	for _, k := range have.PublicKeys {
		all = append(all, vici.Certificate{Type: vici.RawPublic, HasKey: have.HasKey(k.SPKI), DER: k.SPKI})
	}
	return all
}

func (d *viciDaemon) FlushCertificates() { d.e.library.Forget() }

func (d *viciDaemon) LoadAuthority(s *settings.Section) error {
	a, warnings, err := d.loader.Authority(s.Name, s)
	d.warn(warnings)
	if err != nil {
		return err
	}
	d.e.change(func(c *core.Catalog) {
		c.Authorities = append(slices.DeleteFunc(c.Authorities, func(o *core.Authority) bool { return o.Name == a.Name }), a)
		c.Credentials = creds.Join(*c.Proofs(), c.Authorities)
	})
	return nil
}

func (d *viciDaemon) UnloadAuthority(name string) error {
	found := false
	d.e.change(func(c *core.Catalog) {
		c.Authorities = slices.DeleteFunc(c.Authorities, func(a *core.Authority) bool { found = found || a.Name == name; return a.Name == name })
		c.Credentials = creds.Join(*c.Proofs(), c.Authorities)
	})
	if !found {
		return fmt.Errorf("unload: authority '%s' not found", name)
	}
	return nil
}

func (d *viciDaemon) Authorities() []*core.Authority { return d.e.Catalog().Authorities }
