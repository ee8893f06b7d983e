package creds

import (
	"bytes"
	"slices"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Join fills in what follows from the rest of credentials: Own and Trust. It changes nothing that it was given.
func Join(parts core.Credentials, authorities []*core.Authority) *core.Credentials {
	parts.Own = nil
	known := slices.Clone(parts.Authorities)
	var trusted []auth.Authority
	for _, a := range authorities {
		trusted = append(trusted, auth.Authority{Certificate: a.Certificate, CRLURIs: a.CRLURIs, OCSPURIs: a.OCSPURIs})
		if !slices.ContainsFunc(known, a.Certificate.Equal) {
			known = append(known, a.Certificate)
		}
	}
	known = append(known, parts.Certificates...)
	for _, key := range parts.Keys {
		parts.Own = append(parts.Own, pairs(key, known, parts.PublicKeys)...)
	}
	for _, ca := range parts.Authorities {
		if !slices.ContainsFunc(trusted, func(a auth.Authority) bool { return ca.Equal(a.Certificate) }) {
			trusted = append(trusted, auth.Authority{Certificate: ca})
		}
	}
	parts.Trust = auth.NewTrust(trusted, intermediates(parts.Certificates))
	parts.Trust.Responders = parts.Responders
	return &parts
}

// pairs are a private key with each certificate, or public key, that belongs to it.
func pairs(key auth.PrivateKey, known []*auth.Certificate, public []*auth.PublicKey) (all []*auth.Credential) {
	spki, err := auth.MarshalPublicKey(key.Public())
	if err != nil {
		return nil
	}
	for i, c := range known {
		if bytes.Equal(c.X509.RawSubjectPublicKeyInfo, spki) && !slices.ContainsFunc(known[:i], c.Equal) {
			credential := &auth.Credential{Certificate: c, Key: key}
			all = append(all, credential.CompleteChain(known))
		}
	}
	for _, p := range public {
		if bytes.Equal(p.SPKI, spki) {
			all = append(all, &auth.Credential{Raw: p, Key: key})
		}
	}
	return all
}

// intermediates are the CAs among certificates.
func intermediates(certificates []*auth.Certificate) (all []*auth.Certificate) {
	for _, c := range certificates {
		if c.IsCA() {
			all = append(all, c)
		}
	}
	return all
}
