package ike

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Library gets what machines ask for about certificates, within bounds of its own, and keeps what proved useful; fetch.Client is
// one. Environment.Evidence should know what was learned.
type Library interface {
	Do(ctx context.Context, f auth.Fetch) ([]byte, error)
	Learn(now time.Time, e auth.Evidence)
}

var errNoLibrary = errors.New("nothing is fetched by this endpoint")

// ask has a question answered on another goroutine, which ends with the lineage.
func (l *lineage) ask(q core.Ask) {
	f, ok := q.Question.(auth.Fetch)
	switch {
	case !ok:
		l.command(core.Answer{ID: q.ID, Err: fmt.Errorf("ike: a question of type %T has no answer", q.Question)})
		return
	case l.e.cfg.Library == nil:
		l.command(core.Answer{ID: q.ID, Err: errNoLibrary})
		return
	}
	if l.asking == nil {
		l.asking, l.stopAsking = context.WithCancel(context.Background())
	}
	ctx := l.asking
	l.e.wg.Go(func() {
		octets, err := l.e.cfg.Library.Do(ctx, f)
		if err != nil {
			l.command(core.Answer{ID: q.ID, Err: err})
			return
		}
		l.command(core.Answer{ID: q.ID, Value: octets})
	})
}
