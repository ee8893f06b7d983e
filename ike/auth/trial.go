package auth

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/sig"
)

// Proof is a peer's AUTH payload and what it should cover (RFC 7296 §2.15).
type Proof struct {
	Method uint8
	Data   []byte
	// Octets are those of SignedOctets.
	Octets []byte
}

// Verdict is a proof that was accepted.
type Verdict struct {
	ID     Identity
	Match  Match // how close ID is to what was required
	Key    crypto.PublicKey
	Scheme sig.Scheme // of AUTH
	// Chain leads from the peer's certificate to a CA; only the first when it was accepted by itself, none for a raw key.
	Chain      []*Certificate
	Revocation []Finding // one for each certificate but the last
	Warnings   []string
	// NotAfter is when the first certificate of the chain expires; zero for a raw key.
	NotAfter time.Time
}

// maxFetches bounds what one trial may ask for.
const maxFetches = 16

// Trial is the judgement of one peer's proof: a small machine, which asks for what it cannot know and never waits.
//
//	t := trust.Try(now, rand, requirement, presented, id, proof, evidence)
//	for each f of t.Needs(): fetch it, then t.Supply(now, f, octets, err)
//	when t.Needs() is empty: t.Verdict()
//
// AUTH is verified before anything else that costs time. Nothing about revocation is fetched for a chain that does not lead to a
// trusted CA. What comes by Hash and URL has to be there before that: the peer's own certificate first and alone, since without it
// nothing can be verified; what leads from it to a CA once AUTH is and the certificate itself is in order. The caller decides
// whether to take those links at all.
//
// All of it works on what is public, so it need not be constant in time. The peer is told AUTHENTICATION_FAILED and nothing
// else, whatever the refusal; how long that took shows at most how far its certificate got, which it could find out itself.
type Trial struct {
	trust    *Trust
	rand     io.Reader
	req      *Requirement
	shown    Presented
	id       Identity
	proof    *Proof
	evidence Evidence

	links     []Link       // that lead to certificates which are still awaited
	leaf      *Certificate // that made AUTH, while links lead to its chain
	verdict   *Verdict
	candidate [][]*Certificate // chains not tried yet
	inquiries []*inquiry       // of the chain being tried
	pinned    bool
	fetches   int
	refusal   error
	learned   Evidence
	done      bool
}

// Try begins a trial. rand makes nonces for OCSP. Without a proof, AUTH is not verified: for looking at certificates. A peer
// that presents nothing is judged by the certificates and keys that the requirement names.
func (t *Trust) Try(now time.Time, rand io.Reader, req *Requirement, shown Presented, id Identity, proof *Proof, known Evidence) *Trial {
	trial := &Trial{trust: t, rand: rand, req: req, shown: shown, id: id, proof: proof, evidence: known, verdict: &Verdict{ID: id}}
	trial.verdict.Match = id.Matches(req.ID)
	trial.links = slices.Clone(shown.Links)
	trial.readCRLs(shown.CRLs)
	if !trial.leafAwaited() || len(trial.links) == 0 {
		trial.judge(now)
	}
	return trial
}

// readCRLs takes CRLs that the peer presents.
func (t *Trial) readCRLs(list [][]byte) {
	for _, der := range list {
		if crl, err := ParseCRL(der); err == nil {
			t.evidence.CRLs = append(slices.Clip(t.evidence.CRLs), crl)
		}
	}
}

// leafAwaited tells whether the peer's own certificate is still to be fetched.
func (t *Trial) leafAwaited() bool { return t.shown.LeafByLink && t.shown.Leaf == nil }

// Shown is what the peer presented, with what its links led to so far: a further trial need not fetch it again.
func (t *Trial) Shown() Presented {
	shown := t.shown
	shown.Links = slices.Clone(t.links)
	shown.LeafByLink = t.leafAwaited()
	return shown
}

// Needs are the questions that are open, in the order to ask them; empty when the verdict is there.
func (t *Trial) Needs() (open []Fetch) {
	if t.done {
		return nil
	}
	for i, link := range t.links {
		if i == 0 || !t.leafAwaited() {
			open = append(open, Fetch{Kind: FetchCertificate, URL: link.URL})
		}
	}
	for _, q := range t.inquiries {
		if q.asked != nil && !slices.Contains(open, *q.asked) {
			open = append(open, *q.asked)
		}
	}
	return open
}

// Supply answers a question of Needs: with octets, or with an error when there are none. An answer nobody waits for is ignored.
func (t *Trial) Supply(now time.Time, f Fetch, octets []byte, err error) {
	if t.done {
		return
	}
	if err == nil && len(octets) > f.Limit() {
		err = fmt.Errorf("%d octets are more than %d", len(octets), f.Limit())
	}
	if f.Kind == FetchCertificate {
		t.supplyLink(now, f, octets, err)
		return
	}
	for _, q := range t.inquiries {
		if q.asked == nil || *q.asked != f {
			continue
		}
		q.asked = nil
		if err != nil {
			q.learn(unknown(f.URL, err.Error()))
			continue
		}
		t.read(now, q, f, octets)
	}
	t.proceed(now)
}

// supplyLink takes what a Hash and URL led to.
func (t *Trial) supplyLink(now time.Time, f Fetch, octets []byte, err error) {
	i := slices.IndexFunc(t.links, func(l Link) bool { return l.URL == f.URL })
	if i < 0 {
		return
	}
	link := t.links[i]
	t.links = slices.Delete(t.links, i, i+1)
	had := len(t.shown.CRLs)
	if err == nil {
		err = t.shown.take(link, octets)
	}
	if err != nil {
		t.shown.Skipped = append(slices.Clip(t.shown.Skipped), fmt.Sprintf("%s: %v", f.URL, err))
	}
	t.readCRLs(t.shown.CRLs[had:])
	switch {
	case t.leafAwaited():
		t.links = nil // without its own certificate there is nothing to judge
		t.judge(now)
	case t.leaf == nil:
		t.judge(now)
	case len(t.links) == 0:
		t.judgeChains(now, t.leaf)
	}
}

// Verdict is the judgement. The error is a *Refusal, or one of crypto/sig for what is wrong with AUTH; both are nil as long as
// Needs has questions.
func (t *Trial) Verdict() (*Verdict, error) {
	if !t.done {
		return nil, nil
	}
	if t.refusal != nil {
		return nil, t.refusal
	}
	return t.verdict, nil
}

// Learned is what the trial found out and others may use: CRLs and OCSP responses that proved good or revoked.
func (t *Trial) Learned() Evidence { return t.learned }

func (t *Trial) refuse(err error) { t.refusal, t.done = err, true }

// judge goes through all that needs no asking, but for the chain that links lead to.
func (t *Trial) judge(now time.Time) {
	if t.leafAwaited() {
		t.refuse(&Refusal{Why: NotRetrieved, Text: "the peer's certificate could not be had: " + fmt.Sprint(t.shown.Skipped)})
		return
	}
	leaf, raw, err := t.prove()
	if err != nil {
		t.refuse(err)
		return
	}
	if raw != nil {
		t.judgeKey(raw)
		return
	}
	t.verdict.NotAfter = leaf.X509.NotAfter
	if err := t.judgeLeaf(now, leaf); err != nil {
		t.refuse(err)
		return
	}
	if len(t.links) > 0 {
		t.leaf = leaf
		return
	}
	t.judgeChains(now, leaf)
}

// prove finds the key that made AUTH: the one presented, or of a peer that presents nothing one of those configured.
func (t *Trial) prove() (*Certificate, *PublicKey, error) {
	certificates, keys := []*Certificate{t.shown.Leaf}, []*PublicKey(nil)
	switch {
	case t.shown.RawKey != nil:
		certificates, keys = nil, []*PublicKey{t.shown.RawKey}
	case t.shown.Leaf == nil:
		certificates, keys = t.configured(), t.req.PublicKeys
	}
	if len(certificates)+len(keys) == 0 {
		return nil, nil, &Refusal{Why: NoCertificate, Text: fmt.Sprintf("the peer sent no certificate, and connection %q names none for %q", t.req.Conn, t.id),
			Fix: "have the peer send its certificate, or name it in certs of the section remote"}
	}
	var err error
	for _, c := range certificates {
		if err = t.verify(c.Key); err == nil {
			return c, nil, nil
		}
	}
	for _, k := range keys {
		if err = t.verify(k.Key); err == nil {
			return nil, k, nil
		}
	}
	return nil, nil, err
}

// configured are the certificates that the requirement names for the identity.
func (t *Trial) configured() (all []*Certificate) {
	for _, c := range t.req.Certs {
		if c.Proves(t.id) == MatchPerfect {
			all = append(all, c)
		}
	}
	return all
}

func (t *Trial) verify(key crypto.PublicKey) error {
	t.verdict.Key = key
	if t.proof == nil {
		return nil
	}
	scheme, err := t.req.Constraints.Verify(t.proof.Method, key, t.proof.Octets, t.proof.Data)
	t.verdict.Scheme = scheme
	return err
}

// judgeKey accepts a raw key that the requirement names. It proves whatever identity the peer has, if that is the required one.
func (t *Trial) judgeKey(k *PublicKey) {
	switch {
	case !slices.ContainsFunc(t.req.PublicKeys, k.Equal):
		t.refuse(&Refusal{Why: NotPinned, Text: fmt.Sprintf("the peer presented the raw key %s; connection %q does not name it", k.Fingerprint(), t.req.Conn),
			Fix: "put the key into the directory pubkey and name it in pubkeys of the section remote"})
	case t.verdict.Match == MatchNone:
		t.refuse(t.wrongIdentity(Presents{Fingerprint: k.Fingerprint()}, fmt.Sprintf("peer presented a raw key and the id %q", t.id)))
	default:
		t.done = true
	}
}

// judgeLeaf checks the peer's own certificate: identity, pinning, use, dates.
func (t *Trial) judgeLeaf(now time.Time, leaf *Certificate) error {
	if r := t.judgeIdentity(leaf); r != nil {
		return r
	}
	t.pinned = leaf.in(t.req.Certs)
	if len(t.req.Certs) > 0 && !t.pinned {
		return &Refusal{Why: NotPinned, Certificate: leaf.Name(), Text: fmt.Sprintf("it is none of those that connection %q accepts: %s", t.req.Conn, names(t.req.Certs)),
			Fix: "add it to certs of the section remote"}
	}
	if len(t.req.PublicKeys) > 0 && len(t.req.Certs) == 0 && !t.keyPinned(leaf) {
		return &Refusal{Why: NotPinned, Certificate: leaf.Name(), Text: fmt.Sprintf("its key is none of the pubkeys of connection %q", t.req.Conn)}
	}
	if err := leaf.CheckUsage(); err != nil {
		return err
	}
	if r := flaw(now, leaf); r != nil {
		return r
	}
	if err := t.req.Constraints.CheckKey(leaf.Key); err != nil {
		return &Refusal{Why: WeakKey, Certificate: leaf.Name(), Text: trimPrefix(err), Err: err}
	}
	return nil
}

func (t *Trial) keyPinned(leaf *Certificate) bool {
	return slices.ContainsFunc(t.req.PublicKeys, func(k *PublicKey) bool { return bytes.Equal(k.SPKI, leaf.X509.RawSubjectPublicKeyInfo) })
}

// judgeIdentity checks that the peer is who it has to be, and that its certificate says so.
func (t *Trial) judgeIdentity(leaf *Certificate) *Refusal {
	p := leaf.Presents()
	switch {
	case t.verdict.Match == MatchNone:
		r := t.wrongIdentity(p, fmt.Sprintf("peer presented %s and the id %q", p, t.id))
		if leaf.Proves(t.id) == MatchPerfect {
			r.Fix = fmt.Sprintf("write id = %s there if that is the peer", t.id)
		}
		return r
	// What a peer says it is, is no pattern: "*.example.org" is nobody.
	case leaf.Proves(t.id) != MatchPerfect:
		r := t.wrongIdentity(p, "peer presented "+p.String())
		r.Fix = whyNot(leaf, t.id)
		return r
	}
	return nil
}

// wrongIdentity is the refusal of who is not the one required: `peer presented SANs [a, b], CN c; connection "x" requires id
// "d" (config line n)`.
func (t *Trial) wrongIdentity(p Presents, text string) *Refusal {
	required := t.req.ID
	if required.IsAny() || t.verdict.Match != MatchNone {
		required = t.id
	}
	if t.req.ID.IsAny() {
		text += fmt.Sprintf("; it claims the id %q", t.id)
	} else {
		text += fmt.Sprintf("; connection %q requires id %q", t.req.Conn, t.req.ID)
		if t.req.IDSource != "" {
			text += " (" + t.req.IDSource + ")"
		}
	}
	return &Refusal{Why: WrongIdentity, Text: text, Presents: p, Required: required}
}

// whyNot explains what only looks like a proof.
func whyNot(leaf *Certificate, id Identity) string {
	kind := map[IDType]string{IDFQDN: "DNS", IDRFC822Addr: "email", IDIPv4Addr: "IP", IDIPv6Addr: "IP"}[id.Type]
	switch {
	case kind == "":
		return fmt.Sprintf("the certificate does not name %q", id)
	case equalFold(leaf.commonName(), id.String()):
		return fmt.Sprintf("a common name is no identity of type %s: the certificate needs the subjectAltName %s:%s", id.Type, kind, id)
	case slices.ContainsFunc(leaf.alternatives(), func(san Identity) bool { return id.Matches(san) == MatchWildcard }):
		return fmt.Sprintf("a wildcard in a certificate proves no identity of IKE: it needs the subjectAltName %s:%s", kind, id)
	}
	return fmt.Sprintf("the certificate needs the subjectAltName %s:%s", kind, id)
}

// judgeChains builds the chains and begins with the first that the requirement admits.
func (t *Trial) judgeChains(now time.Time, leaf *Certificate) {
	chains, err := t.trust.chains(now, leaf, t.shown.Others, t.req)
	alone := (t.pinned || t.keyPinned(leaf)) && len(t.req.CACerts) == 0 && t.req.CAID.IsAny() && len(t.req.Policies) == 0
	if err != nil && alone {
		t.acceptAlone(leaf)
		return
	}
	if err != nil {
		t.refuse(err)
		return
	}
	var first *Refusal
	for _, chain := range chains {
		r := t.trust.admit(now, chain, t.req)
		if r == nil {
			t.candidate = append(t.candidate, chain)
		} else if first == nil {
			first = r
		}
	}
	switch {
	case t.candidate != nil:
		t.nextChain(now)
	case alone:
		t.acceptAlone(leaf)
	default:
		t.refuse(first)
	}
}

// acceptAlone accepts a certificate that the requirement names, without a CA. Nobody can revoke it then.
func (t *Trial) acceptAlone(leaf *Certificate) {
	f := Finding{Certificate: leaf.Name(), Text: "its CA is not known here"}
	if r := t.req.Revocation.judge(f); r != nil {
		t.refuse(r)
		return
	}
	t.verdict.Chain, t.done = []*Certificate{leaf}, true
}

// nextChain begins to ask about the certificates of the next chain. All below the anchor are asked about.
func (t *Trial) nextChain(now time.Time) {
	chain := t.candidate[0]
	t.candidate = t.candidate[1:]
	t.verdict.Chain, t.verdict.Revocation, t.verdict.Warnings = chain, nil, nil
	t.verdict.NotAfter = chain[0].X509.NotAfter
	t.inquiries = nil
	for i, c := range chain[:len(chain)-1] {
		t.inquiries = append(t.inquiries, t.inquire(now, c, chain[i+1]))
	}
	for _, c := range chain {
		if c.X509.NotAfter.Before(t.verdict.NotAfter) {
			t.verdict.NotAfter = c.X509.NotAfter
		}
	}
	t.proceed(now)
}

// inquire lists whom to ask about a certificate, OCSP first, and reads what is known already.
func (t *Trial) inquire(now time.Time, cert, issuer *Certificate) *inquiry {
	q := &inquiry{cert: cert, issuer: issuer}
	id := certID(cert, issuer)
	responders, points := slices.Clone(cert.X509.OCSPServer), slices.Clone(cert.X509.CRLDistributionPoints)
	for _, a := range t.trust.Authorities {
		if a.Certificate.Equal(issuer) {
			responders, points = append(responders, a.OCSPURIs...), append(points, a.CRLURIs...)
		}
	}
	q.points = points
	for _, url := range responders {
		q.add(Fetch{Kind: FetchOCSP, URL: url, Subject: string(id)})
	}
	for _, url := range points {
		q.add(Fetch{Kind: FetchCRL, URL: url})
	}
	for _, crl := range t.evidence.CRLs {
		if crl.covers(cert, points) {
			q.learn(crl.check(now, cert, issuer, points, t.req.Constraints))
		}
	}
	for _, a := range t.evidence.Answers {
		if a.Subject == string(id) {
			q.learn(t.trust.checkOCSP(now, a.Response, nil, cert, issuer, t.req.Constraints))
		}
	}
	for _, response := range t.shown.OCSP {
		if f := t.trust.checkOCSP(now, response, nil, cert, issuer, t.req.Constraints); f.Status != StatusUnknown {
			q.learn(f)
		}
	}
	return q
}

func (q *inquiry) add(f Fetch) {
	if len(q.sources) < maxSources && fetchable(f.URL) && !slices.Contains(q.sources, f) {
		q.sources = append(q.sources, f)
	}
}

// proceed asks the next source about each certificate whose status is open, and settles the chain when none is.
func (t *Trial) proceed(now time.Time) {
	open := false
	for _, q := range t.inquiries {
		if q.finding.Status == StatusRevoked {
			t.settle(now)
			return
		}
		if q.finding.Status == StatusUnknown && q.asked == nil {
			t.ask(q)
		}
		open = open || !q.done()
	}
	if !open {
		t.settle(now)
	}
}

// ask takes the next source of an inquiry.
func (t *Trial) ask(q *inquiry) {
	if len(q.sources) == 0 {
		return
	}
	if t.fetches >= maxFetches {
		q.sources = nil
		q.learn(unknown("its further sources", fmt.Sprintf("they were not asked after %d questions", maxFetches)))
		return
	}
	f := q.sources[0]
	q.sources = q.sources[1:]
	t.fetches++
	if f.Kind == FetchOCSP {
		nonce, err := newNonce(t.rand)
		if err != nil {
			q.learn(unknown(f.URL, "no randomness for a nonce"))
			t.ask(q)
			return
		}
		q.nonce = nonce
		f.Request = string(ocspRequest([]byte(f.Subject), nonce))
	}
	q.asked = &f
}

// read takes the answer of a source. What proves something is kept for others.
func (t *Trial) read(now time.Time, q *inquiry, f Fetch, octets []byte) {
	if f.Kind == FetchOCSP {
		got := t.trust.checkOCSP(now, octets, q.nonce, q.cert, q.issuer, t.req.Constraints)
		if got.Status != StatusUnknown {
			t.learned.Answers = append(t.learned.Answers, &Answer{Response: octets, Subject: f.Subject, until: got.NextUpdate})
		}
		q.learn(at(f.URL, got))
		return
	}
	crl, err := ParseCRL(octets)
	if err != nil {
		q.learn(unknown(f.URL, err.Error()))
		return
	}
	got := crl.check(now, q.cert, q.issuer, q.points, t.req.Constraints)
	if got.Status != StatusUnknown {
		t.learned.CRLs = append(t.learned.CRLs, crl)
	}
	q.learn(at(f.URL, got))
}

// at adds to a finding where it came from.
func at(url string, f Finding) Finding {
	f.Source += " from " + url
	if f.Status == StatusUnknown {
		f.Text = url + ": " + f.Text
	}
	return f
}

// settle judges the chain by what was found, and goes on to the next if it is refused.
func (t *Trial) settle(now time.Time) {
	var refusal *Refusal
	for _, q := range t.inquiries {
		f := q.result(len(q.points) > 0 || len(q.cert.X509.OCSPServer) > 0 || t.configuredOCSP(q.issuer))
		t.verdict.Revocation = append(t.verdict.Revocation, f)
		r := t.req.Revocation.judge(f)
		switch {
		case r != nil && (refusal == nil || r.Why == Revoked):
			refusal = r
		case r == nil && f.Status == StatusUnknown && f.offered:
			t.verdict.Warnings = append(t.verdict.Warnings, fmt.Sprintf("certificate %q is %s", f.Certificate, f))
		}
	}
	t.inquiries = nil
	switch {
	case refusal == nil:
		t.refusal, t.done = nil, true
	case len(t.candidate) > 0 && !t.leafRevoked():
		t.nextChain(now)
	default:
		t.refuse(refusal)
	}
}

// leafRevoked says that no other chain can help: the certificate itself is revoked.
func (t *Trial) leafRevoked() bool {
	return len(t.verdict.Revocation) > 0 && t.verdict.Revocation[0].Status == StatusRevoked
}

func (t *Trial) configuredOCSP(issuer *Certificate) bool {
	return slices.ContainsFunc(t.trust.Authorities, func(a Authority) bool { return a.Certificate.Equal(issuer) && len(a.OCSPURIs) > 0 })
}
