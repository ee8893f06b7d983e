package ike

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// Library gets what machines ask for about certificates, within bounds of its own, and keeps what proved useful; fetch.Client is
// one. Environment.Evidence should know what was learned.
type Library interface {
	Do(ctx context.Context, f auth.Fetch) ([]byte, error)
	Learn(now time.Time, e auth.Evidence)
}

// Backend asks authentication servers about peers, within bounds of its own. The MSK of an answer is the caller's, who wipes it.
type Backend interface {
	Ask(ctx context.Context, q core.EAPQuestion) (eap.Answer, error)
}

// ErrNoBackend is the answer where there is no authentication server to ask.
var ErrNoBackend = errors.New("no RADIUS server is configured (plugins.eap-radius in strongswan.conf)")

var errNoLibrary = errors.New("nothing is fetched by this endpoint")

// ask has a question answered on another goroutine, which ends with the lineage. A machine has few questions open at a time, one
// of them about EAP, so that lineages bound the goroutines, and Limits.HalfOpen those of strangers.
func (l *lineage) ask(q core.Ask) {
	find, err := l.answerer(q.Question)
	if err != nil {
		l.command(core.Answer{ID: q.ID, Err: err})
		return
	}
	if l.asking == nil {
		l.asking, l.stopAsking = context.WithCancel(context.Background())
	}
	ctx := l.asking
	l.e.wg.Go(func() {
		value, err := find(ctx)
		if err != nil {
			l.command(core.Answer{ID: q.ID, Err: err})
			return
		}
		l.command(core.Answer{ID: q.ID, Value: value})
	})
}

// answerer is who finds the answer to a question.
func (l *lineage) answerer(question any) (func(context.Context) (any, error), error) {
	switch q := question.(type) {
	case auth.Fetch:
		if l.e.cfg.Library == nil {
			return nil, errNoLibrary
		}
		return func(ctx context.Context) (any, error) { return l.e.cfg.Library.Do(ctx, q) }, nil
	case core.EAPQuestion:
		if l.e.cfg.Backend == nil {
			return nil, ErrNoBackend
		}
		return func(ctx context.Context) (any, error) { return l.e.cfg.Backend.Ask(ctx, q) }, nil
	}
	return nil, fmt.Errorf("ike: a question of type %T has no answer", question)
}

// discard wipes the keys in a command that no machine will take.
func discard(c core.Command) {
	if a, ok := c.(core.Answer); ok {
		if about, ok := a.Value.(eap.Answer); ok {
			about.MSK.Wipe()
		}
	}
}
