package ike

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2"
)

// The roles.
const (
	Initiator = "initiator"
	Responder = "responder"
)

// The rest of a handshake's proposals: the key exchange is what its time depends on.
const (
	ikeProposal = "aes256gcm16-prfsha384-"
	espProposal = "aes256gcm16"
)

var initiatorAddr, responderAddr = netip.MustParseAddrPort("192.0.2.1:500"), netip.MustParseAddrPort("192.0.2.2:500")

// handshakeJob measures whole handshakes of a pair, under the name of a suite. It is an error when none can succeed.
func handshakeJob(rec *report.Recorder, suite string, pair *pair) (turns.Job, error) {
	if _, _, err := pair.handshake(); err != nil {
		return turns.Job{}, err
	}
	measure := func(round int, d time.Duration) error {
		var spent [2]time.Duration
		n := 0
		for begin := time.Now(); n == 0 || time.Since(begin) < d; n++ {
			i, r, err := pair.handshake()
			if err != nil {
				return err
			}
			spent[0], spent[1] = spent[0]+i, spent[1]+r
		}
		for i, role := range []string{Initiator, Responder} {
			key := report.Key{Subject: Goswan, Suite: suite, Operation: role}
			per(rec, round, key, report.HandshakeTime, report.HandshakeRate, max(spent[i]/time.Duration(n), 1))
		}
		return nil
	}
	return turns.Job{Name: "handshake, " + suite, Measure: measure}, nil
}

// sharedKeyJob measures handshakes with a key exchange and a pre-shared key.
func sharedKeyJob(rec *report.Recorder, word string) (turns.Job, error) {
	p, err := newPair(word)
	if err != nil {
		return turns.Job{}, err
	}
	return handshakeJob(rec, ikeProposal+word, p)
}

// pair is two configurations that fit each other.
type pair struct{ initiator, responder *core.Catalog }

func newPair(word string) (*pair, error) {
	ike, err := suite.Parse(suite.IKE, ikeProposal+word)
	if err != nil {
		return nil, err
	}
	child, err := suite.Parse(suite.ESP, espProposal)
	if err != nil {
		return nil, err
	}
	left, right := site{"a.example.org", "10.1.0.0/16"}, site{"b.example.org", "10.2.0.0/16"}
	return &pair{catalog(left, right, ike, child), catalog(right, left, ike, child)}, nil
}

// site is one end as its peer sees it.
type site struct{ id, network string }

// catalog is the configuration of a site with one peer and one child, in which nothing happens by itself.
func catalog(local, remote site, ike, child []suite.Proposal) *core.Catalog {
	psk := func(s site) []core.Auth {
		return []core.Auth{{Method: core.AuthPSK, ID: auth.Identity{Type: auth.IDFQDN, Data: s.id}}}
	}
	selector := func(s site) []core.Selector { return []core.Selector{{TS: spd.MustParse(s.network)}} }
	return &core.Catalog{
		Connections: []*core.Connection{{
			Name: "bench", Version: 2, Proposals: ike, KeyingTries: 1, Encap: true, Local: psk(local), Remote: psk(remote),
			Children: []*core.Child{{Name: "net", Proposals: child, LocalTS: selector(local), RemoteTS: selector(remote), ReplayWindow: 32}},
		}},
		Secrets: []*core.Secret{{Name: "ike-bench", Kind: core.SecretIKE, Key: secret.Bytes("of no value")}},
	}
}

// end is one end of a handshake.
type end struct {
	machine core.Machine
	spent   time.Duration // CPU time within the machine
	sent    []core.Datagram
	child   bool // the Child SA is installed both ways
	err     error
}

// environment is what a machine asks of a daemon that has nothing else to do.
func environment(c *core.Catalog) core.Environment {
	number := uint32(0)
	next := func() uint32 { number++; return number }
	return core.Environment{
		Rand: rand.Reader, NewSPI: func() (esp.SPI, error) { return esp.SPI(0x10000 + next()), nil }, UniqueID: next, Reqid: next,
		Catalog: func() *core.Catalog { return c }, NATTPort: 4500, Settings: core.DefaultSettings(),
	}
}

// errStuck says that neither end has anything to say and the Child SA is not up.
var errStuck = errors.New("the handshake does not end")

// maxFlights is more than a handshake ever takes, with cookies, other groups and additional key exchanges.
const maxFlights = 64

// handshake lets two fresh machines negotiate, and returns what CPU time each took.
func (p *pair) handshake() (initiator, responder time.Duration, err error) {
	conn := p.initiator.Connections[0]
	i, r := &end{machine: ikev2.NewInitiator(environment(p.initiator), conn)}, &end{machine: ikev2.NewResponder(environment(p.responder))}
	now := time.Now()
	i.do(func() {
		i.machine.Command(now, core.Initiate{Op: 1, Child: conn.Children[0], Local: initiatorAddr, Remote: responderAddr})
	})
	from, to := i, r
	for n := 0; !i.child || !r.child; n++ {
		if err := errors.Join(i.err, r.err); err != nil {
			return 0, 0, err
		}
		if len(from.sent) == 0 || n == maxFlights {
			return 0, 0, errStuck
		}
		sent := from.sent
		from.sent = nil
		for _, d := range sent {
			to.do(func() { to.machine.Receive(now, core.Datagram{Local: d.Remote, Remote: d.Local, Data: d.Data}) })
		}
		from, to = to, from
	}
	return i.spent, r.spent, nil
}

// do calls the machine and takes its outputs as a daemon does.
func (e *end) do(call func()) {
	start := clock.Thread()
	call()
	for o, ok := e.machine.Next(); ok; o, ok = e.machine.Next() {
		e.take(o)
	}
	e.spent += clock.Thread() - start
}

func (e *end) take(o core.Output) {
	switch o := o.(type) {
	case core.Send:
		e.sent = append(e.sent, o.Datagram)
	case core.InstallSA:
		o.Params.EncrKey.Wipe()
		o.Params.IntegKey.Wipe()
	case core.ChildUp:
		e.child = true
	case core.Failed:
		e.err = failure(o.Reason)
	case core.Closed:
		e.err = failure(o.Reason)
	}
}

// failure is a reason as an error.
func failure(r *core.Reason) error {
	if r == nil {
		return errors.New("the IKE SA was closed")
	}
	return fmt.Errorf("the handshake fails: %w", r)
}
