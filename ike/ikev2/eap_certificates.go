package ikev2

import (
	"cmp"
	"crypto/x509"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// verifyFunc refuses a chain in TLS, as far as that can be judged without asking anybody.
type verifyFunc func(now time.Time, chain []*x509.Certificate) error

// clientVerifier takes the chain of an applicant that one of the connections takes which are meant; the error is the first one's.
// What would have to be fetched is seen to at the end of EAP, before anything is believed.
func (sa *ikeSA) clientVerifier(a *applicant) verifyFunc {
	return func(now time.Time, chain []*x509.Certificate) (refusal error) {
		for _, conn := range sa.meant(a) {
			t, err := sa.tryClient(now, conn, a, chain)
			if err == nil {
				_, err = t.Verdict()
			}
			if err == nil {
				return nil
			}
			refusal = cmp.Or(refusal, err)
		}
		return refusal
	}
}

// tryServer begins the trial of a server's chain: the server has to be the responder as it has last proved itself, if it has, or
// whom aaa_id names.
func (sa *ikeSA) tryServer(now time.Time, done rounds, chain []*x509.Certificate) (*auth.Trial, error) {
	conn := sa.m.conn
	mine, want := conn.Local[done.mine], conn.Remote[max(done.theirs-1, 0)]
	id := sa.remoteID
	req := requirement(conn, want)
	if !mine.EAP.ServerID.IsAny() {
		id = mine.EAP.ServerID
		req = &auth.Requirement{Conn: conn.Name, ID: id, IDSource: mine.Source.String(), CACerts: want.CACerts, Revocation: want.Revocation}
	}
	req.Constraints = mine.Constraints
	return sa.tryChain(now, req, chain, id)
}

// tryClient begins the trial of an applicant's chain for a connection. Who the client is, its certificate says; what that is worth
// comes afterwards (takesUser).
func (sa *ikeSA) tryClient(now time.Time, conn *core.Connection, a *applicant, chain []*x509.Certificate) (*auth.Trial, error) {
	req := requirement(conn, conn.Remote[a.theirs])
	req.ID = auth.Identity{}
	return sa.tryChain(now, req, chain, auth.Identity{})
}

// tryChain begins the trial of a chain, whose holder TLS has proved; %any is the holder that the certificate names.
func (sa *ikeSA) tryChain(now time.Time, req *auth.Requirement, chain []*x509.Certificate, id auth.Identity) (*auth.Trial, error) {
	shown := auth.Presented{}
	for i, parsed := range chain[:min(len(chain), auth.MaxCertificates)] {
		c, err := auth.NewCertificate(parsed)
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil:
		case i == 0:
			shown.Leaf = c
		default:
			shown.Others = append(shown.Others, c)
		}
	}
	if id.IsAny() {
		id = (&auth.Credential{Certificate: shown.Leaf}).ID()
	}
	return sa.m.env.Catalog().Proofs().Trust.Try(now, sa.m.env.Rand, req, shown, id, nil, sa.m.evidence()), nil
}

// judgeClient judges the chain of an applicant, if it showed one, with all that has to be asked for.
func (sa *ikeSA) judgeClient(conn *core.Connection, a *applicant, chain []*x509.Certificate, then func(error)) {
	if len(chain) == 0 {
		then(nil)
		return
	}
	t, err := sa.tryClient(sa.m.now, conn, a, chain)
	if err != nil {
		then(err)
		return
	}
	sa.judgeTLS(t, nil, then)
}

// judgeTLS brings the trial of a chain to its end; x is our exchange that waits for it.
func (sa *ikeSA) judgeTLS(t *auth.Trial, x exchange, then func(error)) {
	sa.m.await(sa, &judging{trial: t, x: x, then: func(v *auth.Verdict, err error) {
		if err == nil {
			sa.m.tellVerdict(v)
		}
		then(err)
	}})
}
