package ikev2_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/eap/mschap"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

const alice = "left.example" // the user, who is the initiator of the tests

func user(name, password string) *core.Secret {
	return &core.Secret{Name: "eap-" + name, Kind: core.SecretEAP, Key: secret.Bytes(password), Owners: []auth.Identity{identity(name)}}
}

// byEAP has the left prove itself by EAP and the right by its certificate.
func (p *pki) byEAP(method eap.Type) pairOption {
	return func(l, r *core.Catalog) {
		p.both(l, r)
		l.Connections[0].Local[0].Method, r.Connections[0].Remote[0].Method = core.AuthEAP, core.AuthEAP
		l.Connections[0].Local[0].EAP.Method, r.Connections[0].Remote[0].EAP.Method = method, method
		l.Secrets, r.Secrets = []*core.Secret{user(alice, "of no value")}, []*core.Secret{user(alice, "of no value")}
	}
}

// only has EAP prove the right too.
func only(l, r *core.Catalog) {
	l.Connections[0].Remote[0].Method, r.Connections[0].Local[0].Method = core.AuthEAP, core.AuthEAP
}

// TestEAP is every method, with the messages of RFC 7296 §2.16.
func TestEAP(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name   string
		method eap.Type
		change pairOption
		keys   string
	}{
		{"MD5", eap.TypeMD5, nil, "EAP method EAP-MD5-Challenge succeeded, no MSK established"},
		{"GTC", eap.TypeGTC, nil, "EAP method EAP-GTC succeeded, no MSK established"},
		{"MSCHAPv2", eap.TypeMSCHAPv2, nil, "EAP method EAP-MSCHAPv2 succeeded, MSK established"},
		{"TLS", eap.TypeTLS, nil, "EAP method EAP-TLS succeeded, MSK established"},
		{"TTLS", eap.TypeTTLS, nil, "EAP method EAP-TTLS with EAP-MSCHAPv2 succeeded, MSK established"},
		{"TTLS with PAP", eap.TypeTTLS, func(l, _ *core.Catalog) { l.Connections[0].Local[0].EAP.Inner = eap.InnerPAP }, "EAP method EAP-TTLS with PAP succeeded, MSK established"},
		{"TTLS with MSCHAPv2", eap.TypeTTLS, func(l, _ *core.Catalog) { l.Connections[0].Local[0].EAP.Inner = eap.InnerMSCHAPv2 }, "EAP method EAP-TTLS with MSCHAPv2 succeeded, MSK established"},
		{"PEAP", eap.TypePEAP, nil, "EAP method EAP-PEAP with EAP-MSCHAPv2 succeeded, MSK established"},
		{"TLS alone", eap.TypeTLS, only, "EAP method EAP-TLS succeeded, MSK established"},
		{"PEAP alone", eap.TypePEAP, only, "EAP method EAP-PEAP with EAP-MSCHAPv2 succeeded, MSK established"},
		{"the identity asked", eap.TypeMSCHAPv2, func(_, r *core.Catalog) { r.Connections[0].Remote[0].EAP.IDSet = true }, "EAP method EAP-MSCHAPv2 succeeded, MSK established"},
		{"an NT hash", eap.TypeMSCHAPv2, func(_, r *core.Catalog) {
			r.Secrets[0].Kind, r.Secrets[0].Key = core.SecretNTLM, mschap.NTHash(secret.Bytes("of no value"))
		}, "EAP method EAP-MSCHAPv2 succeeded, MSK established"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			tunnelled := test.method == eap.TypeTLS || test.method == eap.TypeTTLS || test.method == eap.TypePEAP
			if version == tls.VersionTLS12 && !tunnelled {
				continue
			}
			t.Run(test.name+" "+tls.VersionName(version), func(t *testing.T) {
				options := []pairOption{p.byEAP(test.method)}
				if test.change != nil {
					options = append(options, test.change)
				}
				tc := newTest(t, sim.Faults{}, options...)
				tc.left.Env.Settings.EAP.MaxTLS = version
				tc.up()
				logs := strings.Join(tc.left.Logs, "\n")
				tc.want("the log tells "+test.keys, strings.Contains(logs, test.keys))
				tc.want("and of AUTH", strings.Contains(logs, "authentication of 'left.example' (myself) with EAP") && strings.Contains(logs, "authentication of 'right.example' with EAP successful"))
				tc.want("the responder knows the user", tc.right.IKESAs()[0].RemoteEAPID == alice && tc.left.IKESAs()[0].RemoteEAPID == "")
				tc.same(1)
				tc.end()
			})
		}
	}
}

// TestEAPLadder: AUTH, SA, TSi and TSr stand where RFC 7296 §2.16 and RFC 5998 §3 have them.
func TestEAPLadder(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2))
	tc.up()
	tc.want("the messages are those of RFC 7296 §2.16", strings.Join(tc.left.Ladder()[2:], "\n") == strings.Join([]string{
		"▶ IKE_AUTH request 1 [ IDi N(INIT_CONTACT) CERTREQ IDr SA TSi TSr ]",
		"◀ IKE_AUTH response 1 [ IDr CERT AUTH EAP/REQ/MSCHAPV2 ]",
		"▶ IKE_AUTH request 2 [ EAP/RES/MSCHAPV2 ]",
		"◀ IKE_AUTH response 2 [ EAP/REQ/MSCHAPV2 ]",
		"▶ IKE_AUTH request 3 [ EAP/RES/MSCHAPV2 ]",
		"◀ IKE_AUTH response 3 [ EAP/SUCC ]",
		"▶ IKE_AUTH request 4 [ AUTH ]",
		"◀ IKE_AUTH response 4 [ AUTH SA TSi TSr ]",
	}, "\n"))
	tc.end()

	tc = newTest(t, sim.Faults{}, p.byEAP(eap.TypeTLS), only)
	tc.up()
	ladder := tc.left.Ladder()
	tc.want("the responder shows nothing before EAP", ladder[2] == "▶ IKE_AUTH request 1 [ IDi N(INIT_CONTACT) N(EAP_ONLY) IDr SA TSi TSr ]" &&
		ladder[3] == "◀ IKE_AUTH response 1 [ IDr EAP/REQ/TLS ]")
	tc.end()
}

// TestRounds is several authentication rounds (RFC 4739): of the initiator, of the responder, of both.
func TestRounds(t *testing.T) {
	p := newPKI(t)
	psk := &core.Secret{Name: "ike-both", Kind: core.SecretIKE, Key: secret.Bytes("also of no value")}
	withPSK := func(l, r *core.Catalog) { l.Secrets, r.Secrets = append(l.Secrets, psk), append(r.Secrets, psk) }
	another := func(rounds *[]core.Auth, method core.AuthMethod) {
		next := (*rounds)[0]
		next.Method, next.Round, next.EAP.Method = method, 1, eap.TypeMSCHAPv2
		*rounds = append(*rounds, next)
	}
	for _, test := range []struct {
		name   string
		change pairOption
		ladder []string
	}{
		{"certificate, then EAP", func(l, r *core.Catalog) {
			another(&l.Connections[0].Local, core.AuthEAP)
			another(&r.Connections[0].Remote, core.AuthEAP)
			l.Secrets, r.Secrets = []*core.Secret{user(alice, "of no value")}, []*core.Secret{user(alice, "of no value")}
		}, []string{
			"▶ IKE_AUTH request 1 [ IDi CERT N(INIT_CONTACT) CERTREQ N(MULT_AUTH) IDr AUTH N(AUTH_FOLLOWS) SA TSi TSr ]",
			"◀ IKE_AUTH response 1 [ IDr CERT AUTH ]",
			"▶ IKE_AUTH request 2 [ IDi ]",
			"◀ IKE_AUTH response 2 [ EAP/REQ/MSCHAPV2 ]",
			"▶ IKE_AUTH request 3 [ EAP/RES/MSCHAPV2 ]",
			"◀ IKE_AUTH response 3 [ EAP/REQ/MSCHAPV2 ]",
			"▶ IKE_AUTH request 4 [ EAP/RES/MSCHAPV2 ]",
			"◀ IKE_AUTH response 4 [ EAP/SUCC ]",
			"▶ IKE_AUTH request 5 [ AUTH ]",
			"◀ IKE_AUTH response 5 [ AUTH SA TSi TSr ]",
		}},
		{"EAP, then a pre-shared key", func(l, r *core.Catalog) {
			withPSK(l, r)
			l.Connections[0].Local[0].Method, r.Connections[0].Remote[0].Method = core.AuthEAP, core.AuthEAP
			another(&l.Connections[0].Local, core.AuthPSK)
			another(&r.Connections[0].Remote, core.AuthPSK)
			l.Connections[0].Local[0].EAP.Method = eap.TypeMSCHAPv2
			l.Secrets, r.Secrets = append(l.Secrets, user(alice, "of no value")), append(r.Secrets, user(alice, "of no value"))
		}, nil},
		{"two of the responder", func(l, r *core.Catalog) {
			withPSK(l, r)
			another(&l.Connections[0].Remote, core.AuthPSK)
			another(&r.Connections[0].Local, core.AuthPSK)
		}, []string{
			"▶ IKE_AUTH request 1 [ IDi CERT N(INIT_CONTACT) CERTREQ N(MULT_AUTH) IDr AUTH SA TSi TSr ]",
			"◀ IKE_AUTH response 1 [ IDr CERT AUTH N(AUTH_FOLLOWS) ]",
			"▶ IKE_AUTH request 2 [ ]",
			"◀ IKE_AUTH response 2 [ IDr AUTH SA TSi TSr ]",
		}},
		{"two of both", func(l, r *core.Catalog) {
			withPSK(l, r)
			for _, c := range []*core.Connection{l.Connections[0], r.Connections[0]} {
				another(&c.Local, core.AuthPSK)
				another(&c.Remote, core.AuthPSK)
			}
		}, []string{
			"▶ IKE_AUTH request 1 [ IDi CERT N(INIT_CONTACT) CERTREQ N(MULT_AUTH) IDr AUTH N(AUTH_FOLLOWS) SA TSi TSr ]",
			"◀ IKE_AUTH response 1 [ IDr CERT AUTH N(AUTH_FOLLOWS) ]",
			"▶ IKE_AUTH request 2 [ IDi AUTH ]",
			"◀ IKE_AUTH response 2 [ IDr AUTH SA TSi TSr ]",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, p.both, test.change)
			tc.up()
			if got := strings.Join(tc.left.Ladder()[2:], "\n"); test.ladder != nil && got != strings.Join(test.ladder, "\n") {
				t.Errorf("the messages are\n%s\nwant\n%s", got, strings.Join(test.ladder, "\n"))
			}
			tc.want("the responder knows how many rounds may come", strings.Contains(tc.left.Ladder()[1], "N(MULT_AUTH)"))
			tc.end()
		})
	}
}

// TestRoundsDiffer has the two ends disagree about how many rounds there are.
func TestRoundsDiffer(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name    string
		change  pairOption
		at      string
		want    []string
		byRight bool
	}{
		{"the initiator has one more", func(l, r *core.Catalog) {
			l.Connections[0].Local = append(l.Connections[0].Local, l.Connections[0].Local[0])
			r.Connections[0].Local = append(r.Connections[0].Local, r.Connections[0].Local[0]) // so that it knows RFC 4739
		}, "right", []string{`the peer has more authentication rounds than connection "site", which has 1 for it`, "add a section `remote-…`"}, true},
		{"the responder wants one more", func(_, r *core.Catalog) {
			r.Connections[0].Remote = append(r.Connections[0].Remote, r.Connections[0].Remote[0])
		}, "right", []string{`the peer ends after authentication round 1, connection "site" requires another by a signature`}, true},
		{"the responder has one less", func(l, r *core.Catalog) {
			l.Connections[0].Remote = append(l.Connections[0].Remote, l.Connections[0].Remote[0])
		}, "left", []string{`the peer ends after authentication round 1, connection "site" requires another by a signature`}, false},
		{"the responder does not know several", func(l, r *core.Catalog) {
			l.Connections[0].Local = append(l.Connections[0].Local, l.Connections[0].Local[0])
		}, "left", []string{"the peer does not take several authentication rounds (RFC 4739)", "`local-…`"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, p.both, test.change)
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(3 * time.Second)
			reason := tc.done(tc.left, op)
			if test.byRight {
				tc.want("the initiator is told AUTHENTICATION_FAILED: "+reason.Error(), reason.ByPeer && reason.Kind == core.AuthenticationFailed)
				reason = sim.Told[core.Failed](tc.right)[0].Reason
			}
			tc.inOrder(reason.Error(), test.want)
			tc.w.Run(time.Minute)
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
		})
	}
}

// TestNoPasswordBeforeTheLastRound: a responder that has no second round, which it has to prove itself by, gets to see nothing of
// our own second one.
func TestNoPasswordBeforeTheLastRound(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
		next := core.Auth{Method: core.AuthEAP, Round: 1, ID: l.Connections[0].Local[0].ID, EAP: core.EAP{Method: eap.TypeGTC}}
		l.Connections[0].Local, r.Connections[0].Remote = append(l.Connections[0].Local, next), append(r.Connections[0].Remote, next)
		l.Connections[0].Remote = append(l.Connections[0].Remote, core.Auth{Method: core.AuthPSK, Round: 1, ID: l.Connections[0].Remote[0].ID})
		l.Secrets, r.Secrets = []*core.Secret{user(alice, "of no value")}, []*core.Secret{user(alice, "of no value")}
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(3 * time.Second)
	tc.inOrder(tc.done(tc.left, op).Error(), []string{`the peer ends after authentication round 1, connection "site" requires another by a pre-shared key`})
	tc.want("there was no EAP", !strings.Contains(strings.Join(tc.left.Ladder(), "\n"), "EAP"))
	tc.w.Run(time.Minute)
	tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
	tc.end()
}

// TestEAPRefused is why EAP fails, as the end knows it that refuses.
func TestEAPRefused(t *testing.T) {
	p := newPKI(t)
	stranger := issue(t, nil, "another root", ecKey(), nil)
	for _, test := range []struct {
		name   string
		method eap.Type
		change pairOption
		right  []string // of the responder; nil: it only hears of it
		left   []string
	}{
		{"a wrong password", eap.TypeMSCHAPv2, func(l, _ *core.Catalog) { l.Secrets[0].Key = secret.Bytes("another") },
			[]string{"AUTHENTICATION_FAILED", `EAP MSCHAPv2: BAD_CREDENTIALS: the password of "left.example" is wrong`, "compare the user's secret in `secrets` with the peer's"},
			[]string{"AUTHENTICATION_FAILED", "EAP MSCHAPv2: BAD_CREDENTIALS: the server refused", "compare the name and the secret `eap…`"}},
		{"an unknown user", eap.TypeMSCHAPv2, func(_, r *core.Catalog) { r.Secrets[0].Owners[0] = identity("bob") },
			[]string{"AUTHENTICATION_FAILED", `BAD_CREDENTIALS: there is no user "left.example"`}, []string{"AUTHENTICATION_FAILED", "EAP MSCHAPv2: BAD_CREDENTIALS: the server refused", "compare the name and the secret `eap…`"}},
		{"a secret that is nobody's", eap.TypeMSCHAPv2, func(_, r *core.Catalog) { r.Secrets[0].Owners = nil },
			[]string{`there is no user "left.example"`}, []string{"the server refused"}},
		{"another user", eap.TypeTLS, func(l, _ *core.Catalog) {
			c := *l.Credentials
			c.Own = []*auth.Credential{issue(t, p.root, "mallory.example", ecKey(), nil).credential(t, p.root.cert)}
			l.Credentials = &c
		}, []string{`the peer says it is "left.example", and EAP proved it to be "mallory.example"`, "set `eap_id = %any` in `remote`"}, []string{"the peer refused us"}},
		{"not the user that is wanted", eap.TypeMSCHAPv2, func(_, r *core.Catalog) {
			r.Connections[0].Remote[0].EAP.ID, r.Connections[0].Remote[0].EAP.IDSet = identity("*.other.example"), true
		}, []string{`EAP proved the peer to be "left.example", connection "site" requires "*.other.example"`, "set `eap_id` of `remote`"}, []string{"the peer refused us"}},
		{"no method in common", eap.TypeMSCHAPv2, func(l, _ *core.Catalog) { l.Connections[0].Local[0].EAP.Method = eap.TypeGTC },
			[]string{"NO_METHOD", "offered GTC; acceptable MSCHAPv2"}, []string{"NO_METHOD", "offered MSCHAPv2; acceptable GTC", "set `auth` to a method that both sides have"}},
		{"no password", eap.TypeMSCHAPv2, func(l, _ *core.Catalog) { l.Secrets = nil },
			nil, []string{"CONFIGURATION", `there is no password of "left.example"`, "add `eap-… { id = left.example; secret = … }` to `secrets`"}},
		{"a server with another name", eap.TypeTLS, func(l, _ *core.Catalog) {
			l.Connections[0].Local[0].EAP.ServerID = identity("aaa.example")
		}, nil, []string{"EAP TLS: BAD_CERTIFICATE", "peer presented SANs [right.example]", `requires id "aaa.example"`}},
		{"a server of another CA", eap.TypePEAP, func(l, r *core.Catalog) {
			only(l, r)
			c := *r.Credentials
			c.Own = []*auth.Credential{issue(t, stranger, "right.example", ecKey(), nil).credential(t)}
			r.Credentials = &c
		}, []string{"EAP PEAP: TLS_FAILED: the other side's alert"}, []string{"EAP PEAP: BAD_CERTIFICATE", `its issuer, "C=CH, CN=another root", is not known here`}},
		{"a client of another CA", eap.TypeTLS, func(l, _ *core.Catalog) {
			c := *l.Credentials
			c.Own = []*auth.Credential{issue(t, stranger, alice, ecKey(), nil).credential(t)}
			l.Credentials = &c
		}, []string{"EAP TLS: BAD_CERTIFICATE", `its issuer, "C=CH, CN=another root", is not known here`}, []string{"AUTHENTICATION_FAILED"}},
		{"a revoked client", eap.TypeTLS, func(_, r *core.Catalog) {
			c := *r.Credentials
			c.CRLs = []*auth.CRL{p.crl(p.left)}
			r.Credentials = &c
		}, []string{"EAP TLS: BAD_CERTIFICATE", "revoked at 2001-01-01"}, []string{"AUTHENTICATION_FAILED"}},
		{"EAP that proves nobody", eap.TypeMSCHAPv2, only, []string{"CONFIGURATION", "EAP-MSCHAPv2 does not prove who we are"}, []string{"the peer refused us"}},
		{"an initiator that wants AUTH", eap.TypeTLS, func(_, r *core.Catalog) { r.Connections[0].Local[0].Method = core.AuthEAP },
			[]string{"the peer wants another proof of who we are than EAP"}, []string{"the peer refused us"}},
		{"a responder that does not want EAP", eap.TypeTLS, func(_, r *core.Catalog) { r.Connections[0].Remote[0].Method = core.AuthPubkey },
			[]string{`the peer "left.example" wants to authenticate by EAP, connection "site" requires a signature`}, []string{"the peer refused us"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, p.byEAP(test.method), test.change)
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(3 * time.Second)
			tc.inOrder(tc.done(tc.left, op).Error(), test.left)
			if test.right != nil {
				tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), test.right)
			}
			last := tc.left.Ladder()[len(tc.left.Ladder())-1]
			if strings.HasPrefix(last, "◀") && test.right != nil {
				tc.want("the peer learns no reason: "+last, strings.Contains(last, "N(AUTH_FAILED) ]"))
			}
			tc.w.Run(time.Minute)
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
		})
	}
}

// TestEAPUnchanging: a wrong password and an unknown user take the same messages of the same sizes. In TLS it is the messages inside
// the tunnel that are compared: before them signatures differ in size.
func TestEAPUnchanging(t *testing.T) {
	p := newPKI(t)
	for _, method := range []eap.Type{eap.TypeMSCHAPv2, eap.TypeMD5, eap.TypeGTC, eap.TypeTTLS, eap.TypePEAP} {
		for _, inner := range []eap.Inner{eap.InnerEAP, eap.InnerPAP, eap.InnerMSCHAPv2} {
			var shapes []string
			for _, change := range []pairOption{
				func(l, _ *core.Catalog) { l.Secrets[0].Key = secret.Bytes("of no worth") },
				func(_, r *core.Catalog) { r.Secrets[0].Owners[0] = identity("bob") },
			} {
				tc := newTest(t, sim.Faults{}, p.byEAP(method), func(l, _ *core.Catalog) { l.Connections[0].Local[0].EAP.Inner = inner }, change)
				tc.left.Initiate("site", "net", rightAddr)
				tc.w.Run(3 * time.Second)
				var shape []string
				for _, m := range sim.Told[core.Message](tc.right) {
					if m.MessageID > 1 {
						shape = append(shape, fmt.Sprintf("%v %d %s", m.Outbound, m.Size, m.Payloads))
					}
				}
				if method == eap.TypeTTLS || method == eap.TypePEAP {
					shape = append(shape[len(shape)-2:], fmt.Sprint(len(shape), " messages"))
				}
				shapes = append(shapes, strings.Join(shape, "\n"))
			}
			if shapes[0] != shapes[1] {
				t.Errorf("with EAP-%s a wrong password looks like\n%s\nand an unknown user like\n%s", method, shapes[0], shapes[1])
			}
			if method != eap.TypeTTLS {
				break // there is nothing else inside
			}
		}
	}
}

// radius is an authentication server behind the right: EAP-MSCHAPv2 with what it grants.
type radius struct {
	server *eap.Server
	grant  eap.Grant
	asked  []core.EAPQuestion
	// keyless: it does not send the MSK.
	keyless bool
}

func (s *radius) answer(tc *test) func(core.Ask) (core.Answer, time.Duration) {
	return func(q core.Ask) (core.Answer, time.Duration) {
		question := q.Question.(core.EAPQuestion)
		s.asked = append(s.asked, question)
		var step eap.Step
		if s.server == nil {
			server, err := eap.NewServer(eap.ServerConfig{
				Identity: question.Identity, Rand: tc.right.Env.Rand,
				Methods: []eap.ServerMethod{eap.ServerMSCHAPv2{Users: func(string) (eap.Account, bool) { return eap.Account{Password: secret.Bytes("of no value")}, true }}},
			})
			if err != nil {
				tc.Fatal(err)
			}
			s.server = server
			step = server.Start()
		} else {
			step = s.server.Receive(tc.w.Now(), question.Packet)
		}
		a := eap.Answer{Verdict: eap.Challenge, Packet: step.Send, State: []byte("state")}
		if step.Done != nil && step.Done.Err == nil {
			a.Verdict, a.MSK, a.Grant = eap.Accept, step.Done.MSK, s.grant
			if s.keyless {
				a.MSK = nil
			}
		} else if step.Done != nil {
			a.Verdict, a.Text = eap.Reject, "not today"
		}
		return core.Answer{Value: a}, 300 * time.Millisecond
	}
}

func byRADIUS(_, r *core.Catalog) {
	r.Connections[0].Remote[0].EAP = core.EAP{RADIUS: true, IDSet: true}
	r.Secrets = nil
}

// TestEAPRADIUS has an authentication server decide, which grants an address, a group and a time.
func TestEAPRADIUS(t *testing.T) {
	p := newPKI(t)
	server := &radius{grant: eap.Grant{Identity: "alice", Classes: [][]byte{[]byte("staff")}, Groups: []string{"staff"}, SessionTimeout: time.Hour, Addresses: []netip.Addr{netip.MustParseAddr("10.3.0.77")}}}
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), byRADIUS, func(l, r *core.Catalog) {
		l.Connections[0].VIPs = []netip.Addr{netip.IPv4Unspecified()}
		l.Connections[0].Children[0].LocalTS, r.Connections[0].Children[0].RemoteTS = nil, nil
		first := *r.Connections[0]
		first.Name, first.Remote, first.Pools = "managers", append([]core.Auth{}, first.Remote...), []string{"radius"}
		first.Remote[0].Groups = []string{"managers"}
		r.Connections[0].Pools = []string{"radius"}
		r.Connections[0].Remote[0].Groups = []string{"guests", "staff"}
		r.Connections = []*core.Connection{&first, r.Connections[0]}
	})
	var leased core.LeaseRequest
	tc.right.Env.Lease = func(q core.LeaseRequest) (core.Lease, error) {
		leased = q
		return core.Lease{Pool: "radius", Addr: q.Granted[0], Peer: q.Peer}, nil
	}
	tc.right.Env.Release = func(core.Lease) {}
	tc.right.Answer = server.answer(tc)
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Second)
	if reason := tc.done(tc.left, op); reason != nil {
		t.Fatalf("it does not come up: %v", reason)
	}
	s := tc.right.IKESAs()[0]
	tc.want("the groups choose the connection", s.Conn == "site")
	tc.want("the user is whom the server names", s.RemoteEAPID == "alice" && leased.Peer == identity("alice") && s.RADIUS != nil && string(s.RADIUS.Classes[0]) == "staff")
	tc.want("the address is the granted one", tc.left.IKESAs()[0].Assigned.Addresses[0] == netip.MustParseAddr("10.3.0.77"))
	tc.want("the server was asked in the IKE SA's name, with its state", len(server.asked) > 2 && server.asked[0].IKE.UniqueID == s.UniqueID && string(server.asked[1].State) == "state")
	tc.want("the initiator is told when the session ends", strings.Contains(strings.Join(tc.left.Logs, "\n"), "received AUTH_LIFETIME of"))
	tc.w.Run(50 * time.Minute)
	tc.want("rekeying keeps the user", len(tc.right.IKESAs()) > 0 && tc.right.IKESAs()[0].RemoteEAPID == "alice")
	tc.end()
}

// TestSessionTimeout: the session ends when the authentication server says so, also after a rekeying.
func TestSessionTimeout(t *testing.T) {
	p := newPKI(t)
	server := &radius{grant: eap.Grant{SessionTimeout: 10 * time.Minute}}
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), byRADIUS, func(l, r *core.Catalog) { r.Connections[0].RekeyTime = 4 * time.Minute })
	tc.right.Answer = server.answer(tc)
	tc.left.Watch = nil
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	tc.w.Run(9 * time.Minute)
	tc.want("it was rekeyed", len(sim.Told[core.IKERekeyed](tc.right)) > 0 && len(tc.right.IKESAs()) == 1)
	tc.w.Run(2 * time.Minute)
	down := sim.Told[core.IKEDown](tc.right)
	tc.want("it has ended, and why is said", len(down) == 1 && down[0].Reason.Kind == core.Expired && strings.Contains(down[0].Reason.Text, "Session-Timeout"))
	tc.end()
}

// TestRADIUSRefuses is a server that refuses, that is silent, and that answers what makes no sense.
func TestRADIUSRefuses(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name   string
		answer func(tc *test) func(core.Ask) (core.Answer, time.Duration)
		change pairOption
		want   []string
	}{
		{"it refuses", (&radius{}).answer, func(l, _ *core.Catalog) { l.Secrets[0].Key = secret.Bytes("another") },
			[]string{"AUTHENTICATION_FAILED", "EAP: REFUSED: the authentication server refused the peer: not today"}},
		{"it is silent", func(*test) func(core.Ask) (core.Answer, time.Duration) {
			return func(core.Ask) (core.Answer, time.Duration) { return core.Answer{}, time.Hour }
		}, nil, []string{"AUTHENTICATION_FAILED", "BACKEND_FAILED: no answer within 30s"}},
		{"there is none", func(*test) func(core.Ask) (core.Answer, time.Duration) {
			return func(core.Ask) (core.Answer, time.Duration) {
				return core.Answer{Err: fmt.Errorf("no RADIUS server is configured")}, 0
			}
		}, nil, []string{"BACKEND_FAILED: no RADIUS server is configured"}},
		{"it says nothing that is known", func(*test) func(core.Ask) (core.Answer, time.Duration) {
			return func(core.Ask) (core.Answer, time.Duration) { return core.Answer{Value: eap.Answer{Verdict: 9}}, 0 }
		}, nil, []string{"BACKEND_FAILED: verdict 9"}},
		{"a group that the peer is not in", (&radius{}).answer, func(_, r *core.Catalog) { r.Connections[0].Remote[0].Groups = []string{"staff"} },
			[]string{`is in none of the groups staff that connection "site" requires`, "have the RADIUS server name one of them in Class"}},
		{"it sends no key", (&radius{keyless: true}).answer, nil, []string{"is made with a key of EAP that the RADIUS server has not sent", "MS-MPPE-Send-Key"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := []pairOption{p.byEAP(eap.TypeMSCHAPv2), byRADIUS}
			if test.change != nil {
				options = append(options, test.change)
			}
			tc := newTest(t, sim.Faults{}, options...)
			tc.right.Answer = test.answer(tc)
			tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(40 * time.Second)
			tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), test.want)
			tc.w.Run(4 * time.Minute)
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
		})
	}
}

// TestHostileEAP changes messages in the midst of EAP: authenticated nonsense ends the IKE SA, and costs nothing else.
func TestHostileEAP(t *testing.T) {
	p := newPKI(t)
	drop := func(types ...wire.PayloadType) func(*wire.Message) {
		return func(msg *wire.Message) {
			var kept []wire.Payload
			for _, payload := range msg.Payloads {
				for _, t := range types {
					if payload.Type() == t {
						payload = nil
						break
					}
				}
				if payload != nil {
					kept = append(kept, payload)
				}
			}
			msg.Payloads = kept
		}
	}
	for _, test := range []struct {
		name     string
		id       uint32
		response bool
		change   func(*wire.Message)
		left     string // what the initiator says, "" for what it hears
	}{
		{"a request without EAP", 2, false, drop(wire.TypeEAP), ""},
		{"a response without EAP", 2, true, drop(wire.TypeEAP), "the EAP payload is missing"},
		{"no EAP where it has to begin", 1, true, drop(wire.TypeEAP), "the peer did not begin EAP, which we asked for"},
		{"no AUTH of the responder", 1, true, drop(wire.TypeAUTH), "the AUTH payload is missing"},
		{"an AUTH with another key from the initiator", 4, false, func(msg *wire.Message) { wire.First[*wire.AUTH](msg).Data[0] ^= 1 }, ""},
		{"an AUTH with another key from the responder", 4, true, func(msg *wire.Message) { wire.First[*wire.AUTH](msg).Data[0] ^= 1 }, "does not fit the key that EAP made"},
		{"an AUTH with another method", 4, true, func(msg *wire.Message) { wire.First[*wire.AUTH](msg).Method = wire.AuthDigitalSignature }, "does not fit the key that EAP made"},
		{"no AUTH at the end", 4, false, drop(wire.TypeAUTH), ""},
		{"Success at once", 2, true, func(msg *wire.Message) {
			packet := wire.First[*wire.EAP](msg)
			packet.Packet = []byte{wire.EAPSuccess, packet.Packet[1], 0, 4}
		}, "BAD_PACKET"},
		{"a packet of another length", 2, true, func(msg *wire.Message) {
			packet := wire.First[*wire.EAP](msg)
			packet.Packet = append(packet.Packet, 0)
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2))
			tc.meddle(func(msg *wire.Message) bool {
				if msg.MessageID != test.id || msg.IsResponse() != test.response {
					return false
				}
				test.change(msg)
				return true
			})
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(5 * time.Second)
			reason := tc.done(tc.left, op)
			tc.want("it does not come up", reason != nil)
			tc.want("the initiator says "+test.left+": "+reason.Error(), strings.Contains(reason.Error(), test.left))
			tc.want("and neither end has an SA", len(tc.left.Children())+len(tc.right.Children()) == 0)
			tc.w.Run(time.Minute)
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
		})
	}
}

// TestEndlessEAP: a responder that never comes to an end is given up after as many packets as are allowed.
func TestEndlessEAP(t *testing.T) {
	p := newPKI(t)
	asks := 0
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), byRADIUS)
	tc.right.Env.Settings.HalfOpenTimeout, tc.right.Env.Settings.EAP.MaxRounds = time.Hour, 1000
	tc.left.Env.Settings.EAP.MaxRounds = 20
	tc.right.Answer = func(q core.Ask) (core.Answer, time.Duration) {
		asks++
		packet := eap.Packet{Code: eap.CodeRequest, Identifier: uint8(asks), Type: eap.TypeNotification, Data: []byte("wait")}.AppendTo(nil)
		return core.Answer{Value: eap.Answer{Verdict: eap.Challenge, Packet: packet}}, 0
	}
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(5 * time.Minute)
	reason := tc.done(tc.left, op)
	tc.want("it is given up: "+reason.Error(), strings.Contains(reason.Error(), "TOO_LONG: the server does not come to an end"))
	tc.want("after 20 packets", asks >= 18 && asks <= 21)
	tc.want("the user sees the notification", strings.Contains(strings.Join(tc.left.Logs, "\n"), `the peer has a message for the user: "wait"`))
	tc.end()
}

// TestEAPLoss loses and repeats messages: EAP goes on as if nothing had been.
func TestEAPLoss(t *testing.T) {
	p := newPKI(t)
	for seed := range uint64(8) {
		for _, method := range []eap.Type{eap.TypeMSCHAPv2, eap.TypeTLS} {
			tc := seeded(t, seed, sim.Faults{Loss: 0.2, Duplicate: 0.2, Min: 5 * time.Millisecond, Max: 500 * time.Millisecond}, p.byEAP(method))
			tc.left.Env.Settings.RetransmitTries = 12
			tc.right.Env.Settings.HalfOpenTimeout = time.Hour
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(5 * time.Minute)
			if reason := tc.done(tc.left, op); reason != nil {
				t.Fatalf("with seed %d and EAP-%s it does not come up: %v", seed, method, reason)
			}
			tc.same(1)
		}
	}
}

// FuzzEAP puts any octets in the place of one packet of EAP, as an authenticated peer may: whatever they are, there are Child SAs
// at both ends or at none.
func FuzzEAP(f *testing.F) {
	f.Add(uint8(1), true, uint8(eap.TypeMSCHAPv2), []byte{1, 1, 0, 5, 1})
	f.Add(uint8(2), false, uint8(eap.TypeTLS), []byte{2, 1, 0, 6, 3, 21})
	f.Add(uint8(2), true, uint8(eap.TypeTTLS), []byte{3, 1, 0, 4})
	f.Add(uint8(3), false, uint8(eap.TypePEAP), []byte{2, 9, 0, 10, 25, 0x80, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, id uint8, response bool, method uint8, packet []byte) {
		methods := []eap.Type{eap.TypeMSCHAPv2, eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP, eap.TypeMD5, eap.TypeGTC}
		tc := newTest(t, sim.Faults{}, fuzzPKI(t).byEAP(methods[int(method)%len(methods)]))
		tc.meddle(func(msg *wire.Message) bool {
			p := wire.First[*wire.EAP](msg)
			if p == nil || msg.MessageID != uint32(id%8) || msg.IsResponse() != response {
				return false
			}
			p.Packet = packet
			return true
		})
		op := tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(2 * time.Minute)
		if reason := tc.done(tc.left, op); reason == nil {
			tc.same(1)
			return
		}
		tc.w.Run(2 * time.Minute)
		tc.want("neither end has a Child SA", len(tc.left.Children())+len(tc.right.Children()) == 0)
	})
}

var onePKI *pki

// fuzzPKI is one PKI for all runs.
func fuzzPKI(t testing.TB) *pki {
	if onePKI == nil {
		onePKI = newPKI(t)
	}
	return onePKI
}

// TestEAPIsGivenUp: a peer that goes silent in the midst of TLS costs nothing in the end, not even a goroutine.
func TestEAPIsGivenUp(t *testing.T) {
	p := newPKI(t)
	before := runtime.NumGoroutine()
	for range 20 {
		tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeTLS))
		tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(75 * time.Millisecond)
		tc.want("TLS is under way", runtime.NumGoroutine() > before)
		tc.w.Faults.Drop = func(core.Datagram) bool { return true }
		tc.w.Run(10 * time.Minute)
		tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
	}
	goroutines(t, before)
}

// goroutines waits for there to be no more than before.
func goroutines(t *testing.T, before int) {
	t.Helper()
	for range 10000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond) // they end by themselves, which takes a moment
	}
	t.Errorf("there were %d goroutines, and there are %d", before, runtime.NumGoroutine())
}

// TestReloadedInTheMidst changes the number of rounds while they are under way: those that have begun go to their end, and the new
// configuration holds from then on.
func TestReloadedInTheMidst(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
		l.Connections[0].Local = append(l.Connections[0].Local, core.Auth{Method: core.AuthPubkey, Round: 1, ID: l.Connections[0].Local[0].ID})
		r.Connections[0].Remote = append(r.Connections[0].Remote, core.Auth{Method: core.AuthPubkey, Round: 1, ID: l.Connections[0].Local[0].ID})
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(75 * time.Millisecond)
	for _, n := range []*sim.Node{tc.left, tc.right} {
		changed := *n.Catalog.Connections[0]
		changed.Local, changed.Remote, changed.DPDDelay = changed.Local[:1], changed.Remote[:1], 7*time.Second
		n.Command(n.Lineages()[0], func(uint64) core.Command { return core.Reconfigure{Connection: &changed} })
	}
	tc.w.Run(5 * time.Second)
	if reason := tc.done(tc.left, op); reason != nil {
		t.Fatalf("it does not come up: %v", reason)
	}
	tc.same(1)
	tc.want("the new configuration holds", tc.left.IKESAs()[0].Config.DPDDelay == 7*time.Second && tc.right.IKESAs()[0].Config.DPDDelay == 7*time.Second)
	tc.end()
}
