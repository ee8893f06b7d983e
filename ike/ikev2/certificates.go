package ikev2

import (
	"slices"

	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// maxAuthorities bounds the CAs that a CERTREQ names: IKE_SA_INIT cannot be fragmented (RFC 7383 §2), and 20 octets for each
// have to fit. It is a hint, so those left out lose nothing but their place.
const maxAuthorities = 32

// asked is what a peer's CERTREQ payloads ask for (RFC 7296 §3.7, RFC 7670 §3).
type asked struct {
	certificate, rawKey bool
	authorities         []auth.KeyHash
	// links tells that it fetches what it is shown by Hash and URL.
	links bool
}

// readRequests takes the CERTREQ payloads of a message.
//
//	"The Certificate Request Payload is processed by inspecting the Cert Encoding field to determine whether the processor
//	has any certificates of this type."  RFC 7296 §3.7
func (sa *ikeSA) readRequests(msg *wire.Message) {
	m, unknown := sa.m, 0
	// "The HTTP_CERT_LOOKUP_SUPPORTED notification […] indicates that the sender is capable of looking up certificates based on an
	// HTTP-based URL (and hence presumably would prefer to receive certificate specifications in that format)."  RFC 7296 §3.7
	sa.opened.asked.links = sa.opened.asked.links || msg.Notify(wire.HTTPCertLookupSupported) != nil
	for _, p := range wire.All[*wire.CERTREQ](msg) {
		if p.Encoding == wire.CertRawPublicKey {
			sa.opened.asked.rawKey = true
		}
		switch p.Encoding {
		case wire.CertX509Signature, wire.CertHashAndURL, wire.CertHashAndURLBundle:
		default:
			continue
		}
		sa.opened.asked.certificate = true
		hashes, err := auth.ParseCertRequest(p.Authority)
		if err != nil {
			m.logf("IKE", 1, "CERTREQ ignored: %v", err)
			continue
		}
		for _, h := range hashes {
			if ca := m.authority(h); ca != nil {
				m.logf("IKE", 1, "received cert request for %q", ca.Name())
			} else {
				unknown++
			}
		}
		sa.opened.asked.authorities = append(sa.opened.asked.authorities, hashes...)
	}
	if unknown > 0 {
		m.logf("IKE", 1, "received %d cert requests for an unknown ca", unknown)
	}
}

// authority is the trusted CA with a key; nil if there is none.
func (m *Machine) authority(h auth.KeyHash) *auth.Certificate {
	for _, ca := range m.env.Catalog().Proofs().Trust.Certificates() {
		if ca.KeyHash() == h {
			return ca
		}
	}
	return nil
}

// requests are the CERTREQ payloads for a peer that may prove itself as the connections say.
func (m *Machine) requests(conns ...*core.Connection) (payloads []wire.Payload) {
	var cas []*auth.Certificate
	raw := false
	for _, want := range signedRounds(asking(conns)) {
		raw = raw || len(want.PublicKeys) > 0
		if len(want.CACerts) > 0 {
			cas = append(cas, want.CACerts...)
		} else {
			cas = append(cas, m.env.Catalog().Proofs().Trust.Certificates()...)
		}
	}
	if cas = distinct(cas); len(cas) > 0 {
		for _, ca := range cas {
			m.logf("IKE", 1, "sending cert request for %q", ca.Name())
		}
		payloads = append(payloads, &wire.CERTREQ{Encoding: wire.CertX509Signature, Authority: auth.CertRequest(cas)})
	}
	if raw {
		payloads = append(payloads, &wire.CERTREQ{Encoding: wire.CertRawPublicKey})
	}
	if m.looksUp(conns...) {
		payloads = append(payloads, &wire.Notify{NotifyType: wire.HTTPCertLookupSupported})
	}
	return payloads
}

// looksUp tells whether we fetch what a peer shows by Hash and URL. Whoever sends a URL would have us fetch something before it has
// proved anything, so that has to be configured; and it is for those that are asked for certificates.
func (m *Machine) looksUp(conns ...*core.Connection) bool {
	return m.env.Settings.HashAndURL && len(signedRounds(asking(conns))) > 0
}

// signedRounds are the rounds of connections that a peer may prove itself in by a signature.
func signedRounds(conns []*core.Connection) (rounds []core.Auth) {
	for _, c := range conns {
		for _, want := range c.Remote {
			if want.Method.Signs() {
				rounds = append(rounds, want)
			}
		}
	}
	return rounds
}

// asking are the connections that ask for certificates (send_certreq).
func asking(conns []*core.Connection) []*core.Connection {
	return slices.DeleteFunc(slices.Clone(conns), func(c *core.Connection) bool { return c.NoCertReq })
}

// link is the Hash and URL of a certificate of ours, below the cert_uri_base of the authority that issued it.
func (m *Machine) link(c *auth.Certificate) (auth.Link, bool) {
	for _, a := range m.env.Catalog().Authorities {
		if a.CertURIBase == "" || !c.IssuedBy(a.Certificate) {
			continue
		}
		if link, err := auth.NewLink(a.CertURIBase, c); err == nil {
			return link, true
		}
	}
	return auth.Link{}, false
}

// distinct are the first CAs of a list, each once.
func distinct(cas []*auth.Certificate) (all []*auth.Certificate) {
	for _, ca := range cas {
		if len(all) < maxAuthorities && !slices.ContainsFunc(all, ca.Equal) {
			all = append(all, ca)
		}
	}
	return all
}

// certificates are the CERT payloads that go with our signature.
func (sa *ikeSA) certificates(conn *core.Connection, c *auth.Credential) (payloads []wire.Payload) {
	asked := sa.opened.asked.certificate
	if c.Certificate == nil {
		asked = sa.opened.asked.rawKey
	}
	if conn.SendCert == core.SendCertNever || conn.SendCert == core.SendCertIfAsked && !asked {
		return nil
	}
	for i, p := range c.Payloads() {
		switch {
		case c.Certificate == nil:
			sa.m.logf("IKE", 1, "sending raw public key %s", c.Raw.Fingerprint())
		case i == 0:
			p = sa.asLink(p, "end entity", c.Certificate)
		default:
			p = sa.asLink(p, "issuer", c.Chain[i-1])
		}
		payloads = append(payloads, &wire.CERT{Encoding: wire.CertEncoding(p.Encoding), Data: p.Data})
	}
	return payloads
}

// asLink is a CERT payload by Hash and URL, if the peer fetches and we have somewhere to point to.
func (sa *ikeSA) asLink(p auth.CertPayload, what string, c *auth.Certificate) auth.CertPayload {
	if sa.opened.asked.links {
		if link, ok := sa.m.link(c); ok {
			sa.m.logf("IKE", 1, "sending %s cert %q by hash and url %s", what, c.Name(), link.URL)
			return link.Payload()
		}
	}
	sa.m.logf("IKE", 1, "sending %s cert %q", what, c.Name())
	return p
}

// presented reads the CERT payloads of the peer. Hash and URL is taken by those only that have said HTTP_CERT_LOOKUP_SUPPORTED
// (RFC 7296 §3.6).
func (sa *ikeSA) presented(msg *wire.Message) (auth.Presented, error) {
	var payloads []auth.CertPayload
	conns := sa.opened.candidates
	if sa.initiator {
		conns = []*core.Connection{sa.m.conn}
	}
	links := sa.m.looksUp(conns...)
	for _, p := range wire.All[*wire.CERT](msg) {
		if !links && (p.Encoding == wire.CertHashAndURL || p.Encoding == wire.CertHashAndURLBundle) {
			sa.m.logf("IKE", 1, "received hash-and-url encoded cert, but we don't accept them, ignore")
			continue
		}
		payloads = append(payloads, auth.CertPayload{Encoding: auth.Encoding(p.Encoding), Data: p.Data})
	}
	shown, err := auth.ParsePresented(payloads)
	if err != nil {
		return shown, err
	}
	if shown.Leaf != nil {
		sa.m.logf("IKE", 1, "received end entity cert %q", shown.Leaf.Name())
	}
	if shown.RawKey != nil {
		sa.m.logf("IKE", 1, "received raw public key %s", shown.RawKey.Fingerprint())
	}
	for _, c := range shown.Others {
		sa.m.logf("IKE", 1, "received issuer cert %q", c.Name())
	}
	for _, l := range shown.Links {
		sa.m.logf("IKE", 1, "received hash-and-url encoded cert at '%s'", clip(l.URL))
	}
	for _, text := range shown.Skipped {
		sa.m.logf("IKE", 1, "not used: %s", clip(text))
	}
	return shown, nil
}

// hashAlgorithms tells which hashes we take in signatures (RFC 7427 §4): those of every connection that the peer may turn out
// to use, so that what it chooses will do; where they have none in common, those of any.
func hashAlgorithms(conns ...*core.Connection) wire.Payload {
	var common, all []uint16
	first := true
	for _, want := range signedRounds(conns) {
		hashes := want.Constraints.Hashes()
		all = append(all, hashes...)
		if first {
			common, first = slices.Clone(hashes), false
		} else {
			common = slices.DeleteFunc(common, func(h uint16) bool { return !slices.Contains(hashes, h) })
		}
	}
	if len(common) == 0 {
		common = all
	}
	if len(common) == 0 {
		common = sig.Constraints{}.Hashes()
	}
	slices.Sort(common)
	var list []wire.HashAlgorithm
	for _, h := range slices.Compact(common) {
		list = append(list, wire.HashAlgorithm(h))
	}
	return wire.NewHashAlgorithms(list...)
}

// requirement is what a connection demands of a signature of the peer in a round.
func requirement(conn *core.Connection, want core.Auth) *auth.Requirement {
	return &auth.Requirement{
		Conn: conn.Name, ID: want.ID, IDSource: want.IDSource.String(), Certs: want.Certs, PublicKeys: want.PublicKeys,
		CACerts: want.CACerts, CAID: want.CAID, Policies: want.Policies, Constraints: want.Constraints, Revocation: want.Revocation,
	}
}
