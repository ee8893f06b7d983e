package auth

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/crypto/sig"
)

// Authority is a CA that is trusted: a file in x509ca, with what a section of `authorities` adds.
type Authority struct {
	Certificate *Certificate
	// CRLURIs and OCSPURIs are asked about what it issued, beside the places that a certificate names.
	CRLURIs, OCSPURIs []string
}

// Trust is all that certificates are judged by: the CAs of a configuration and other certificates that help to lead to them.
// It is immutable; a reload makes another.
type Trust struct {
	Authorities []Authority
	// Responders are OCSP signers that are believed about any certificate: strongSwan's directory x509ocsp.
	Responders    []*Certificate
	roots, others *x509.CertPool
	known         map[*x509.Certificate]*Certificate
}

// NewTrust makes the Trust of CAs. helpers are certificates that are not trusted by themselves: intermediate CAs.
func NewTrust(authorities []Authority, helpers []*Certificate) *Trust {
	t := &Trust{Authorities: authorities, roots: x509.NewCertPool(), others: x509.NewCertPool(), known: map[*x509.Certificate]*Certificate{}}
	for _, a := range authorities {
		t.roots.AddCert(a.Certificate.X509)
		// A trusted CA below another one is on the way to that, too.
		t.others.AddCert(a.Certificate.X509)
		t.known[a.Certificate.X509] = a.Certificate
	}
	for _, c := range helpers {
		t.others.AddCert(c.X509)
		t.known[c.X509] = c
	}
	return t
}

// Certificates are those of the CAs, for CertRequest.
func (t *Trust) Certificates() (all []*Certificate) {
	for _, a := range t.Authorities {
		all = append(all, a.Certificate)
	}
	return all
}

// Requirement is what a connection demands of a peer's proof: a section `remote` of swanctl.conf.
type Requirement struct {
	Conn string
	// ID is the identity, maybe a pattern, and IDSource where it stands: "swanctl.conf line 14".
	ID       Identity
	IDSource string
	// Certs are the only certificates accepted, if there are any; they need no CA. PublicKeys likewise, for raw keys.
	Certs      []*Certificate
	PublicKeys []*PublicKey
	// CACerts: one of them has to be in the chain, if there are any; they are trusted with those of the Trust.
	CACerts []*Certificate
	// CAID has to be a name of a CA in the chain; %any is no demand.
	CAID Identity
	// Policies are OIDs of certificate policies, every one of which has to hold for the whole chain.
	Policies    []x509.OID
	Constraints sig.Constraints
	Revocation  Revocation
}

// chains finds the ways from a certificate to trusted CAs, those to a root first. crypto/x509 builds and validates them
// (RFC 5280 §6) and stops after a hundred signatures; the error is a *Refusal.
func (t *Trust) chains(now time.Time, leaf *Certificate, others []*Certificate, req *Requirement) ([][]*Certificate, error) {
	roots, pool, known := t.roots, t.others.Clone(), map[*x509.Certificate]*Certificate{leaf.X509: leaf}
	if len(req.CACerts) > 0 {
		roots = roots.Clone()
	}
	for _, c := range req.CACerts {
		roots.AddCert(c.X509)
		pool.AddCert(c.X509)
		known[c.X509] = c
	}
	for _, c := range others {
		pool.AddCert(c.X509)
		known[c.X509] = c
	}
	found, err := leaf.X509.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, t.diagnose(now, leaf, others, req, err)
	}
	var all [][]*Certificate
	for _, chain := range found {
		if c := t.wrap(chain, known); c != nil {
			all = append(all, c)
		}
	}
	if all == nil {
		return nil, &Refusal{Why: TooLarge, Certificate: leaf.Name(), Text: fmt.Sprintf("the chain to its CA has more than %d certificates", MaxChain)}
	}
	return longest(all), nil
}

// wrap turns a chain of crypto/x509 into ours; nil if it is too long.
func (t *Trust) wrap(chain []*x509.Certificate, known map[*x509.Certificate]*Certificate) (all []*Certificate) {
	if len(chain) > MaxChain {
		return nil
	}
	for _, parsed := range chain {
		c := known[parsed]
		if c == nil {
			c = t.known[parsed]
		}
		if c == nil {
			return nil // of a pool, but not put there by us: cannot be
		}
		all = append(all, c)
	}
	return all
}

// longest leaves out the chains that are the beginning of another, so that a trusted CA below another is asked about, too.
func longest(chains [][]*Certificate) (all [][]*Certificate) {
	for i, chain := range chains {
		if !slices.ContainsFunc(chains[:i], func(o []*Certificate) bool { return begins(o, chain) && len(o) == len(chain) }) &&
			!slices.ContainsFunc(chains, func(o []*Certificate) bool { return len(o) > len(chain) && begins(o, chain) }) {
			all = append(all, chain)
		}
	}
	slices.SortStableFunc(all, func(a, b []*Certificate) int { return rank(a) - rank(b) })
	return all
}

func begins(chain, with []*Certificate) bool {
	return len(chain) >= len(with) && slices.EqualFunc(chain[:len(with)], with, (*Certificate).Equal)
}

// rank orders chains: those to a root first.
func rank(chain []*Certificate) int {
	if chain[len(chain)-1].SelfIssued() {
		return 0
	}
	return 1
}

// admit checks what a requirement and crypto/sig demand of a chain, leaf first.
func (t *Trust) admit(now time.Time, chain []*Certificate, req *Requirement) *Refusal {
	for i, c := range chain {
		if err := req.Constraints.CheckKey(c.Key); err != nil {
			return &Refusal{Why: WeakKey, Certificate: c.Name(), Text: trimPrefix(err), Err: err}
		}
		if i == len(chain)-1 {
			break // the anchor is trusted as it is, whoever signed it
		}
		if r := admitSignature(c, req.Constraints); r != nil {
			return r
		}
	}
	cas := chain[min(1, len(chain)-1):]
	if len(req.CACerts) > 0 && !slices.ContainsFunc(cas, func(c *Certificate) bool { return c.in(req.CACerts) }) {
		return &Refusal{Why: WrongCA, Certificate: chain[0].Name(), Text: fmt.Sprintf("it comes from %s; connection %q accepts %s", names(cas), req.Conn, names(req.CACerts)),
			Fix: "add its CA to cacerts, or give the peer a certificate of an accepted one"}
	}
	if !req.CAID.IsAny() && !slices.ContainsFunc(cas, func(c *Certificate) bool { return c.Proves(req.CAID) != MatchNone }) {
		return &Refusal{Why: WrongCA, Certificate: chain[0].Name(), Text: fmt.Sprintf("it comes from %s; connection %q requires ca_id %q", names(cas), req.Conn, req.CAID)}
	}
	return admitPolicies(now, chain, req)
}

func admitSignature(c *Certificate, constraints sig.Constraints) *Refusal {
	scheme, err := c.scheme()
	if err != nil {
		return &Refusal{Why: WeakSignature, Certificate: c.Name(), Text: "its signature: " + trimPrefix(err), Err: err}
	}
	if constraints.AcceptsChain(scheme) {
		return nil
	}
	r := &Refusal{Why: WeakSignature, Certificate: c.Name(), Text: fmt.Sprintf("it is signed with %s, which is not allowed", scheme), Fix: "the CA has to sign it anew"}
	if constraints.Text != "" && scheme.Keyword != "" {
		r.Text += fmt.Sprintf(" by auth = %s", constraints.Text)
		r.Fix = fmt.Sprintf("add %s to auth, or have the CA sign it anew", scheme.Keyword)
	}
	return r
}

// admitPolicies validates a chain once more for each policy that is required (RFC 5280 §6.1).
func admitPolicies(now time.Time, chain []*Certificate, req *Requirement) *Refusal {
	roots, pool := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(chain[len(chain)-1].X509)
	for _, c := range chain {
		pool.AddCert(c.X509)
	}
	for _, policy := range req.Policies {
		has := slices.ContainsFunc(chain[0].X509.Policies, policy.Equal)
		_, err := chain[0].X509.Verify(x509.VerifyOptions{Roots: roots, Intermediates: pool, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CertificatePolicies: []x509.OID{policy}})
		if has && err == nil && inEach(chain[1:], policy) {
			continue
		}
		return &Refusal{Why: Policy, Certificate: chain[0].Name(), Err: err,
			Text: fmt.Sprintf("the policy %s, which connection %q requires, does not hold for it and its CAs; it has %s", policy, req.Conn, policies(chain[0]))}
	}
	return nil
}

// inEach tells whether every CA below the anchor asserts a policy or any, by the name that it has there: a policyMapping
// (RFC 5280 §4.2.1.5) says what a CA calls what the one below it calls otherwise.
func inEach(cas []*Certificate, policy x509.OID) bool {
	for _, c := range cas[:max(len(cas)-1, 0)] {
		for _, m := range c.X509.PolicyMappings {
			if m.SubjectDomainPolicy.Equal(policy) {
				policy = m.IssuerDomainPolicy
				break
			}
		}
		if !slices.ContainsFunc(c.X509.Policies, func(o x509.OID) bool { return o.Equal(policy) || o.String() == anyPolicy }) {
			return false
		}
	}
	return true
}

const anyPolicy = "2.5.29.32.0"

func policies(c *Certificate) string {
	var all []string
	for _, p := range c.X509.Policies {
		all = append(all, p.String())
	}
	if all == nil {
		return "no policy"
	}
	return strings.Join(all, ", ")
}

func names(list []*Certificate) string {
	var all []string
	for _, c := range list {
		all = append(all, fmt.Sprintf("%q", c.Name()))
	}
	return strings.Join(all, ", ")
}

// The extended key usages that crypto/x509 does not know.
var (
	oidIPsecIKE        = []int{1, 3, 6, 1, 5, 5, 7, 3, 17}
	oidIKEIntermediate = []int{1, 3, 6, 1, 5, 5, 8, 2, 2} // Apple's and Cisco's before there was the other
)

// CheckUsage checks the key usages of a peer's own certificate: RFC 4945 §5.1.3.2 and §5.1.3.12, but what certificates in the
// field have instead of ipsecIKE is accepted, too, because Windows and Apple demand it: serverAuth and clientAuth. The error
// is a *Refusal.
func (c *Certificate) CheckUsage() error {
	const sign = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	p := c.X509
	// "If KU present and doesn't mention digitalSignature or nonRepudiation …, reject cert."
	if p.KeyUsage != 0 && p.KeyUsage&sign == 0 {
		return &Refusal{Why: KeyUsage, Certificate: c.Name(), Text: "its keyUsage allows no signatures", Fix: "it needs digitalSignature"}
	}
	if len(p.ExtKeyUsage) == 0 && len(p.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, use := range p.ExtKeyUsage {
		switch use {
		case x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
			x509.ExtKeyUsageIPSECEndSystem, x509.ExtKeyUsageIPSECTunnel, x509.ExtKeyUsageIPSECUser:
			return nil
		}
	}
	for _, oid := range p.UnknownExtKeyUsage {
		if oid.Equal(oidIPsecIKE) || oid.Equal(oidIKEIntermediate) {
			return nil
		}
	}
	return &Refusal{Why: KeyUsage, Certificate: c.Name(), Text: "its extendedKeyUsage is for something else", Fix: "it needs ipsecIKE, serverAuth or clientAuth, or no extendedKeyUsage"}
}

// checkDates refuses a certificate before and after its time.
func checkDates(now time.Time, c *Certificate) *Refusal {
	switch {
	case now.Before(c.X509.NotBefore):
		return &Refusal{Why: NotYetValid, Certificate: c.Name(), Text: fmt.Sprintf("it is valid from %s on, and it is %s", date(c.X509.NotBefore), date(now)), Fix: "check the clock of this host"}
	case now.After(c.X509.NotAfter):
		return &Refusal{Why: Expired, Certificate: c.Name(), Text: fmt.Sprintf("it expired at %s, and it is %s", date(c.X509.NotAfter), date(now)), Fix: "it has to be renewed"}
	}
	return nil
}

// diagnose says why there is no chain: it walks from the certificate up, the way that crypto/x509 went, to where it ends.
func (t *Trust) diagnose(now time.Time, leaf *Certificate, others []*Certificate, req *Requirement, err error) *Refusal {
	candidates := slices.Concat(t.Certificates(), req.CACerts, others)
	for _, c := range t.known {
		if !c.in(candidates) {
			candidates = append(candidates, c)
		}
	}
	for c, depth := leaf, 0; depth < MaxChain; depth++ {
		if r := flaw(now, c); r != nil {
			return r
		}
		if c.in(t.Certificates()) || c.in(req.CACerts) {
			break // trusted: the matter is with the chain as a whole
		}
		next, r := parent(now, c, candidates, depth)
		if r != nil {
			return r
		}
		if next.Equal(c) {
			if depth == 0 {
				return &Refusal{Why: UnknownIssuer, Certificate: c.Name(), Text: "it is signed by itself, and it is not trusted here", Fix: "put it into x509ca, or name it in certs of the section remote"}
			}
			return &Refusal{Why: UnknownIssuer, Certificate: c.Name(), Text: fmt.Sprintf("the chain of %q ends at this root, which is not trusted here", leaf.Name()), Fix: "put the root into x509ca"}
		}
		c = next
	}
	return fromX509(leaf, err)
}

// flaw is what is wrong with a certificate in itself.
func flaw(now time.Time, c *Certificate) *Refusal {
	if r := checkDates(now, c); r != nil {
		return r
	}
	if u := c.X509.UnhandledCriticalExtensions; len(u) > 0 {
		return &Refusal{Why: CriticalExtension, Certificate: c.Name(), Text: fmt.Sprintf("it has the critical extension %v, which is not known here", u[0])}
	}
	return nil
}

// parent finds the issuer of a certificate, or says what is wrong with those that could be.
func parent(now time.Time, c *Certificate, candidates []*Certificate, depth int) (*Certificate, *Refusal) {
	var first *Refusal
	for _, p := range candidates {
		if !bytes.Equal(p.X509.RawSubject, c.X509.RawIssuer) {
			continue
		}
		r := checkIssued(c, p, depth)
		if r == nil {
			return p, nil
		}
		if first == nil {
			first = r
		}
	}
	switch {
	case first != nil:
		return nil, first
	case c.SelfIssued():
		return c, nil
	}
	fix := "put that CA's certificate into x509ca"
	if depth > 0 || len(candidates) > 0 {
		fix += ", or have the peer send it if it is an intermediate CA"
	}
	return nil, &Refusal{Why: UnknownIssuer, Certificate: c.Name(), Text: fmt.Sprintf("its issuer, %q, is not known here", c.Issuer()), Fix: fix}
}

// checkIssued says why p cannot have issued c; nil if it has.
func checkIssued(c, p *Certificate, below int) *Refusal {
	if !p.IsCA() {
		return &Refusal{Why: NotACA, Certificate: p.Name(), Text: fmt.Sprintf("it is not a CA (basicConstraints), yet %q is said to come from it", c.Name())}
	}
	if u := p.X509.KeyUsage; u != 0 && u&x509.KeyUsageCertSign == 0 {
		return &Refusal{Why: NotACA, Certificate: p.Name(), Text: "its keyUsage does not allow it to sign certificates"}
	}
	if limit := p.X509.MaxPathLen; (limit > 0 || p.X509.MaxPathLenZero) && below > limit {
		return &Refusal{Why: PathLength, Certificate: p.Name(), Text: fmt.Sprintf("it allows %d CAs below it, and there are %d", limit, below)}
	}
	err := c.X509.CheckSignatureFrom(p.X509)
	var insecure x509.InsecureAlgorithmError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &insecure), errors.Is(err, x509.ErrUnsupportedAlgorithm):
		scheme := fmt.Sprint(c.X509.SignatureAlgorithm)
		if s, err := c.scheme(); err == nil {
			scheme = s.String()
		}
		return &Refusal{Why: WeakSignature, Certificate: c.Name(), Text: fmt.Sprintf("it is signed with %s, which crypto/x509 does not verify", scheme), Fix: "the CA has to sign it anew", Err: err}
	}
	return &Refusal{Why: BadSignature, Certificate: c.Name(), Text: fmt.Sprintf("%q here has the name of its issuer, but not the key that signed it", p.Name()),
		Fix: "the CA may have a new key: put its newest certificate into x509ca", Err: err}
}

// fromX509 is the refusal of an error of crypto/x509 that the walk did not explain.
func fromX509(leaf *Certificate, err error) *Refusal {
	r := &Refusal{Why: UnknownIssuer, Certificate: leaf.Name(), Text: strings.TrimPrefix(err.Error(), "x509: "), Err: err}
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return r
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints:
		r.Why = NameConstraint
	case x509.NoValidChains:
		r.Why, r.Text = Policy, "the certificate policies of its chain contradict each other"
	case x509.TooManyIntermediates:
		r.Why = PathLength
	case x509.NotAuthorizedToSign:
		r.Why = NotACA
	}
	return r
}
