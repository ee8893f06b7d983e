package ikev2_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// tried has the left initiate, and tells how that went.
func (tc *test) tried() *core.Reason {
	tc.Helper()
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(10 * time.Second)
	return tc.done(tc.left, op)
}

// TestAUTHOfNoMethod has a responder without a certificate answer with an AUTH payload of method 0, which is nothing: it proves
// nobody, also to an initiator that relies on EAP.
func TestAUTHOfNoMethod(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, _ *core.Catalog) {
		l.Connections[0].Remote[0].Method, l.Connections[0].Local[0].EAP.Method = core.AuthEAP, 0
	})
	tc.meddle(func(msg *wire.Message) bool {
		proof := wire.First[*wire.AUTH](msg)
		if msg.MessageID != 1 || !msg.IsResponse() || proof == nil {
			return false
		}
		proof.Method = 0
		return true
	})
	reason := tc.tried()
	tc.want("it does not come up", reason != nil)
	tc.inOrder(reason.Error(), []string{"AUTHENTICATION_FAILED", "the peer authenticates by method 0", `connection "site" requires EAP`})
	tc.w.Run(time.Minute)
	tc.end()
}

// TestEndsInTheMidstOfTLS: TLS inside EAP ends with the IKE SA, whoever ends it and why.
func TestEndsInTheMidstOfTLS(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name string
		end  func(*test)
		want string
	}{
		{"by command", func(tc *test) {
			tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		}, "CANCELLED"},
		{"by force", func(tc *test) {
			tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true, Force: true} })
		}, "CANCELLED"},
		{"by the responder's command", func(tc *test) {
			tc.right.Command(tc.right.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
		}, "TIMEOUT"},
		{"by a notify", nil, "AUTHENTICATION_FAILED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeTLS))
			if test.end == nil {
				tc.meddle(func(msg *wire.Message) bool {
					if !msg.IsResponse() || msg.MessageID != 3 {
						return false
					}
					msg.Payloads = []wire.Payload{&wire.Notify{NotifyType: wire.AuthenticationFailed}}
					return true
				})
			}
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(75 * time.Millisecond)
			tc.want("TLS is under way", runtime.NumGoroutine() > before)
			if test.end != nil {
				test.end(tc)
			}
			tc.w.Run(10 * time.Minute)
			reason := tc.done(tc.left, op)
			tc.want("who waits is told", reason != nil && strings.Contains(reason.Error(), test.want))
			tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
			tc.end()
			goroutines(t, before)
		})
	}
}

// TestRoundWithoutSecret: an initiator that has nothing for its second round tells who waits, and the responder.
func TestRoundWithoutSecret(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
		psk := core.Auth{Method: core.AuthPSK, Round: 1, ID: l.Connections[0].Local[0].ID}
		l.Connections[0].Local = append(l.Connections[0].Local, psk)
		r.Connections[0].Remote = append(r.Connections[0].Remote, psk)
	})
	reason := tc.tried()
	tc.want("it does not come up", reason != nil)
	tc.inOrder(reason.Error(), []string{"NO_SECRET", `no pre-shared key for "left.example" (myself)`})
	tc.want("so is the responder", len(sim.Told[core.Failed](tc.right)) == 1 && sim.Told[core.Failed](tc.right)[0].Reason.ByPeer)
	tc.w.Run(time.Minute)
	tc.end()
}

// TestSwitchedConnections: a user is let in by another connection than the first one only as far as that demands nothing that was
// not fulfilled.
func TestSwitchedConnections(t *testing.T) {
	p := newPKI(t)
	other := issue(t, nil, "another root", ecKey(), asCA)
	member := issue(t, p.root, "member.example", ecKey(), nil)
	// like makes a copy of the right's connection before the one that there is, which does not take the left.
	like := func(r *core.Catalog) (*core.Connection, *core.Connection) {
		first := *r.Connections[0]
		first.Name, first.Remote = "first", slices.Clone(first.Remote)
		r.Connections = []*core.Connection{&first, r.Connections[0]}
		return &first, r.Connections[1]
	}
	trustBoth := func(r *core.Catalog) {
		c := *r.Credentials
		c.Trust = auth.NewTrust([]auth.Authority{{Certificate: p.root.cert}, {Certificate: other.cert}}, nil)
		r.Credentials = &c
	}
	twoRounds := func(l, r *core.Catalog) {
		p.both(l, r)
		mine := core.Auth{Method: core.AuthEAP, Round: 1, ID: identity(alice), EAP: core.EAP{Method: eap.TypeMSCHAPv2}}
		l.Connections[0].Local = append(l.Connections[0].Local, mine)
		mine.ID = auth.Identity{}
		r.Connections[0].Remote = append(r.Connections[0].Remote, mine)
		l.Secrets, r.Secrets = []*core.Secret{user(alice, "of no value")}, []*core.Secret{user(alice, "of no value")}
	}
	for _, test := range []struct {
		name   string
		change pairOption
		ok     bool
		want   string // of the right: the connection, or the refusal
	}{
		{"of another CA", func(l, r *core.Catalog) {
			p.byEAP(eap.TypeTLS)(l, r)
			trustBoth(r)
			first, second := like(r)
			first.Remote[0].EAP.ID, first.Remote[0].EAP.IDSet = identity("*.nobody.example"), true
			second.Remote[0].CACerts = []*auth.Certificate{other.cert}
		}, false, `connection "first" requires "*.nobody.example"`},
		{"of the CA that the second has", func(l, r *core.Catalog) {
			p.byEAP(eap.TypeTLS)(l, r)
			trustBoth(r)
			first, _ := like(r)
			first.Remote[0].CACerts = []*auth.Certificate{other.cert}
		}, true, "site"},
		{"of no CA that any has", func(l, r *core.Catalog) {
			p.byEAP(eap.TypeTLS)(l, r)
			trustBoth(r)
			first, second := like(r)
			first.Remote[0].CACerts, second.Remote[0].CACerts = []*auth.Certificate{other.cert}, []*auth.Certificate{other.cert}
		}, false, "BAD_CERTIFICATE"},
		{"of another certificate in the round before", func(l, r *core.Catalog) {
			twoRounds(l, r)
			first, second := like(r)
			first.Remote[1].EAP.ID, first.Remote[1].EAP.IDSet = identity("*.nobody.example"), true
			second.Remote = slices.Clone(second.Remote)
			second.Remote[0].Certs = []*auth.Certificate{member.cert}
		}, false, `connection "first" requires "*.nobody.example"`},
		{"of a signature in this round", func(l, r *core.Catalog) {
			twoRounds(l, r)
			first, second := like(r)
			first.Remote[1].EAP.ID, first.Remote[1].EAP.IDSet = identity("*.nobody.example"), true
			second.Remote = slices.Clone(second.Remote)
			second.Remote[1].Method, second.Remote[1].EAP = core.AuthPubkey, core.EAP{}
		}, false, `connection "first" requires "*.nobody.example"`},
		{"of another identity in this round", func(l, r *core.Catalog) {
			twoRounds(l, r)
			first, second := like(r)
			first.Remote[1].EAP.ID, first.Remote[1].EAP.IDSet = identity("*.nobody.example"), true
			second.Remote = slices.Clone(second.Remote)
			second.Remote[1].ID = identity("member.example")
		}, false, `connection "first" requires "*.nobody.example"`},
		{"of the same in the round before", func(l, r *core.Catalog) {
			twoRounds(l, r)
			first, second := like(r)
			first.Remote[1].EAP.ID, first.Remote[1].EAP.IDSet = identity("*.nobody.example"), true
			second.Remote = slices.Clone(second.Remote)
			second.Remote[0].Source.Line = 7
		}, true, "site"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, test.change)
			if reason := tc.tried(); (reason == nil) != test.ok {
				t.Fatalf("it comes up: %v, want %v (%v)", reason == nil, test.ok, reason)
			}
			if test.ok {
				tc.want("by connection "+test.want, tc.right.IKESAs()[0].Conn == test.want)
			} else {
				tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{test.want})
			}
			tc.w.Run(time.Minute)
			tc.end()
		})
	}
}

// TestNoPasswordForRevoked: a server whose certificate is revoked does not get the password, also where only the CRL tells that has
// to be fetched.
func TestNoPasswordForRevoked(t *testing.T) {
	p := newPKI(t)
	p.right = p.withCRL("right.example")
	for _, method := range []eap.Type{eap.TypeTTLS, eap.TypePEAP} {
		tc := newTest(t, sim.Faults{}, p.byEAP(method), only, func(l, _ *core.Catalog) { l.Connections[0].Local[0].EAP.Inner = eap.InnerPAP })
		tc.left.Answer = func(core.Ask) (core.Answer, time.Duration) {
			return core.Answer{Value: p.crl(p.right).List.Raw}, 100 * time.Millisecond
		}
		tc.inOrder(tc.tried().Error(), []string{"BAD_CERTIFICATE", "revoked at 2001-01-01"})
		tc.want("the server saw nothing inside the tunnel", !strings.Contains(strings.Join(tc.right.Logs, "\n"), "succeeded for"))
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestUserHasOneName: whoever proves to be a user is that one, however the name was written: with the same addresses, and for
// `unique`.
func TestUserHasOneName(t *testing.T) {
	p := newPKI(t)
	for _, name := range []string{"LEFT.example", `CORP\left.example`} {
		tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
			l.Connections[0].Local[0].EAP.ID, l.Connections[0].Local[0].EAP.IDSet = auth.FromUser(name), true
			l.Secrets[0].Owners, l.Secrets[0].Key = nil, secret.Bytes("of no value")
			r.Connections[0].Remote[0].EAP.IDSet = true
		})
		tc.up()
		tc.want(name+" is the user in `secrets`: "+tc.right.IKESAs()[0].RemoteEAPID, tc.right.IKESAs()[0].RemoteEAPID == alice)
		tc.end()
	}
}

// TestAccountWithDomain: an account with a Windows domain in its name and one without are two users.
func TestAccountWithDomain(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		name, password, want string
	}{
		{`CORP\alice`, "of no value", `CORP\alice`}, {`CORP\alice`, "another", ""}, {"alice", "another", "alice"}, {`OTHER\alice`, "another", "alice"},
		{"jürgen", "a third", "jürgen"}, {"A\n[IKE] line of a stranger\\alice", "another", "alice"},
	} {
		tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
			l.Connections[0].Local[0].EAP.ID, l.Connections[0].Local[0].EAP.IDSet = auth.FromUser(test.name), true
			l.Secrets = []*core.Secret{user(test.name, test.password)}
			r.Secrets = []*core.Secret{user(`CORP\alice`, "of no value"), user("alice", "another"), user("jürgen", "a third")}
			r.Connections[0].Remote[0].EAP.IDSet = true
		})
		got := ""
		if tc.tried() == nil {
			got = tc.right.IKESAs()[0].RemoteEAPID
		}
		tc.want(test.name+" with "+test.password+" is "+test.want+": "+got, got == test.want)
		tc.want("a name makes no lines in the log", !strings.Contains(strings.Join(tc.right.Logs, "\n"), "\n[IKE] line"))
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestAddressOfAUser: any user may say that it is an address, as many clients do, but not take the connection that is for one.
func TestAddressOfAUser(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		id   string
		want string
	}{{"%any", ""}, {"10.9.9.9", `the peer says it is "10.9.9.9", and EAP proved it to be "left.example"`}} {
		tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2), func(l, r *core.Catalog) {
			mine := &l.Connections[0].Local[0]
			mine.ID, mine.EAP.ID, mine.EAP.IDSet = identity("10.9.9.9"), identity(alice), true
			r.Connections[0].Remote[0].ID = identity(test.id)
		})
		tc.want("with id = "+test.id+" it comes up or not", (tc.tried() == nil) == (test.want == ""))
		if test.want != "" {
			tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{test.want, "set `eap_id = %any`"})
		}
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestSeveralRoundsOfAResponder: a responder has no second round for an initiator that has not said MULTIPLE_AUTH_SUPPORTED
// (RFC 4739 §2).
func TestSeveralRoundsOfAResponder(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
		l.Connections[0].Remote = append(l.Connections[0].Remote, l.Connections[0].Remote[0])
		r.Connections[0].Local = append(r.Connections[0].Local, r.Connections[0].Local[0])
	})
	tc.meddle(func(msg *wire.Message) bool {
		n := len(msg.Payloads)
		msg.Payloads = slices.DeleteFunc(msg.Payloads, func(p wire.Payload) bool {
			notify, ok := p.(*wire.Notify)
			return ok && notify.NotifyType == wire.MultipleAuthSupported
		})
		return len(msg.Payloads) < n
	})
	tc.want("the initiator is refused", tc.tried().ByPeer)
	tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{"IKE_AUTH: CONFIGURATION", "the peer does not take several authentication rounds (RFC 4739)", "keep one section `local-…`"})
	tc.w.Run(time.Minute)
	tc.end()
}

// TestReloadedBeforeTheChoice loads the responder's connection anew before it is chosen: the new one holds once the IKE SA is up.
func TestReloadedBeforeTheChoice(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2))
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(25 * time.Millisecond)
	loaded, changed := *tc.right.Catalog, *tc.right.Catalog.Connections[0]
	changed.DPDDelay = 7 * time.Second
	loaded.Connections = []*core.Connection{&changed}
	tc.right.Catalog = &loaded
	tc.w.Run(5 * time.Second)
	tc.want("it comes up", tc.done(tc.left, op) == nil)
	tc.want("the new configuration holds", tc.right.IKESAs()[0].Config == &changed)
	tc.end()
}

// TestGivesUpInTheMidst: the initiator is told to end the IKE SA while it finds out about the responder's certificate. The responder
// hears of it, and does not take it for nonsense.
func TestGivesUpInTheMidst(t *testing.T) {
	p := newPKI(t)
	p.right = p.withCRL("right.example")
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeMSCHAPv2))
	tc.left.Answer = func(core.Ask) (core.Answer, time.Duration) { return core.Answer{}, time.Minute }
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.left.Command(tc.left.Lineages()[0], func(op uint64) core.Command { return core.Delete{Op: op, IKE: true} })
	tc.w.Run(time.Second)
	tc.want("who waits is told", tc.done(tc.left, op).Kind == core.Cancelled)
	tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{"DELETED", `the peer "left.example" gave up before it was authenticated`})
	tc.w.Run(time.Minute)
	tc.want("nothing is left", len(tc.left.Lineages())+len(tc.right.Lineages()) == 0)
	tc.end()
}

// TestLateIsNotForEver: a responder that did not find out in time about a certificate for one connection, and did for another, waits
// for the initiator no longer than for any.
func TestLateIsNotForEver(t *testing.T) {
	p := newPKI(t)
	p.left = p.withCRL(alice)
	tc := newTest(t, sim.Faults{}, p.byEAP(eap.TypeTLS), func(_, r *core.Catalog) {
		first := *r.Connections[0]
		first.Name = "first"
		r.Connections = []*core.Connection{&first, r.Connections[0]}
	})
	tc.right.Answer = func(core.Ask) (core.Answer, time.Duration) {
		tc.w.Faults.Drop = func(core.Datagram) bool { return true }
		return core.Answer{}, time.Hour
	}
	start := tc.w.Now()
	tc.right.Env.Evidence = func(now time.Time) (known auth.Evidence) {
		if now.Sub(start) > 25*time.Second {
			known.CRLs = []*auth.CRL{p.crl()} // another IKE SA has got it
		}
		return known
	}
	tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(40 * time.Second)
	tc.want("the second connection takes the user", strings.Contains(strings.Join(tc.right.Logs, "\n"), `switching to peer config "site"`))
	tc.w.Run(30 * time.Second)
	tc.want("the initiator is gone, and so is the IKE SA", len(tc.right.Lineages()) == 0)
	tc.w.Run(10 * time.Minute)
	tc.end()
}

// TestGroupsWithoutRADIUS: a connection for groups lets nobody in of whom no authentication server says that he is in one.
func TestGroupsWithoutRADIUS(t *testing.T) {
	p := newPKI(t)
	for name, change := range map[string]pairOption{"psk": func(_, _ *core.Catalog) {}, "pubkey": p.both, "eap": p.byEAP(eap.TypeTLS)} {
		tc := newTest(t, sim.Faults{}, change, func(_, r *core.Catalog) { r.Connections[0].Remote[0].Groups = []string{"staff"} })
		tc.want(name+" is refused", tc.tried() != nil)
		tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{`the peer "left`, `is in none of the groups staff that connection "site" requires`})
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestAnyButACertificate: where a peer may prove itself as it likes, but its certificate has to be of a CA, a pre-shared key is none.
func TestAnyButACertificate(t *testing.T) {
	p := newPKI(t)
	for _, demands := range []bool{false, true} {
		tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) {
			r.Connections[0].Remote[0].Method = core.AuthAny
			if demands {
				r.Connections[0].Remote[0].CACerts = []*auth.Certificate{p.root.cert}
			}
		})
		tc.want("a pre-shared key is refused, or not", (tc.tried() != nil) == demands)
		if demands {
			tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{"the peer authenticates by shared key MIC", `connection "site" requires a signature`})
		}
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestCertificateInsideTTLS: a connection that requires a certificate of a CA asks for it in TLS, and a password alone is not enough.
func TestCertificateInsideTTLS(t *testing.T) {
	p := newPKI(t)
	for _, test := range []struct {
		method eap.Type // of the left
		shows  bool
		want   string
	}{
		{eap.TypeTTLS, true, ""}, {eap.TypePEAP, true, ""}, {eap.TypeTLS, true, ""}, {eap.TypeTTLS, false, "TLS_FAILED"},
		{eap.TypeMSCHAPv2, true, `connection "site" requires a certificate, and EAP-MSCHAPv2 shows none of the peer`},
	} {
		tc := newTest(t, sim.Faults{}, p.byEAP(test.method), func(l, r *core.Catalog) {
			r.Connections[0].Remote[0].EAP.Method = 0
			r.Connections[0].Remote[0].CACerts = []*auth.Certificate{p.root.cert}
			if !test.shows {
				c := *l.Credentials
				c.Own = nil
				l.Credentials = &c
			}
		})
		reason := tc.tried()
		tc.want(fmt.Sprintf("EAP-%s comes up or not: %v", test.method, reason), (reason == nil) == (test.want == ""))
		if test.want != "" {
			tc.inOrder(sim.Told[core.Failed](tc.right)[0].Reason.Error(), []string{test.want})
		} else {
			tc.want("its certificate was judged", strings.Contains(strings.Join(tc.right.Logs, "\n"), `using certificate "C=CH, CN=left.example"`))
		}
		tc.w.Run(time.Minute)
		tc.end()
	}
}

// TestServerOfASecondRound: the server inside EAP is the responder as it has last proved itself.
func TestServerOfASecondRound(t *testing.T) {
	p := newPKI(t)
	tc := newTest(t, sim.Faults{}, p.both, func(l, r *core.Catalog) {
		second := core.Auth{Method: core.AuthPubkey, Round: 1, ID: identity("second.example")}
		r.Connections[0].Local, l.Connections[0].Remote = append(r.Connections[0].Local, second), append(l.Connections[0].Remote, second)
		user := core.Auth{Method: core.AuthEAP, Round: 1, ID: identity(alice), EAP: core.EAP{Method: eap.TypeTLS}}
		l.Connections[0].Local, r.Connections[0].Remote = append(l.Connections[0].Local, user), append(r.Connections[0].Remote, user)
		r.Credentials.Own = append(r.Credentials.Own, issue(t, p.root, "second.example", ecKey(), nil).credential(t, p.root.cert))
	})
	reason := tc.tried()
	tc.want(fmt.Sprintf("it comes up: %v", reason), reason == nil)
	tc.same(1)
	tc.end()
}
