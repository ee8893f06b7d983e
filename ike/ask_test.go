package ike

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// asker is a machine that asks what it is told to ask, keeps the answers, and ends when it is deleted.
type asker struct {
	questions []any
	out       []core.Output
	answers   chan core.Answer
}

func (a *asker) Receive(time.Time, core.Datagram) {}
func (a *asker) Advance(time.Time)                {}
func (a *asker) Deadline() time.Time              { return time.Time{} }
func (a *asker) Status() []core.IKEStatus         { return nil }

func (a *asker) Command(_ time.Time, c core.Command) {
	switch c := c.(type) {
	case core.Initiate:
		for i, q := range a.questions {
			a.out = append(a.out, core.Ask{ID: uint64(i + 1), Question: q})
		}
	case core.Answer:
		a.answers <- c
	case core.Delete:
		a.out = append(a.out, core.Closed{})
	}
}

func (a *asker) Next() (o core.Output, ok bool) {
	if len(a.out) == 0 {
		return nil, false
	}
	o, a.out = a.out[0], a.out[1:]
	return o, true
}

// backend answers when it is let to.
type backend struct {
	asked  chan core.EAPQuestion
	answer chan eap.Answer
	ended  chan error // a question whose context ended
}

func newBackend() *backend {
	return &backend{make(chan core.EAPQuestion, 8), make(chan eap.Answer, 8), make(chan error, 8)}
}

func (b *backend) Ask(ctx context.Context, q core.EAPQuestion) (eap.Answer, error) {
	b.asked <- q
	select {
	case a := <-b.answer:
		if a.Verdict == 0 {
			return a, errors.New("no server answers")
		}
		return a, nil
	case <-ctx.Done():
		b.ended <- ctx.Err()
		return eap.Answer{}, ctx.Err()
	}
}

// asking runs a machine that asks, at an endpoint with this backend.
func asking(t *testing.T, b Backend, questions ...any) (*lineage, *asker) {
	t.Helper()
	right := newNetwork(t).host(rightAddr, &core.Catalog{}, func(c *Config) { c.Backend = b })
	m := &asker{questions: questions, answers: make(chan core.Answer, 8)}
	l := right.newLineage(m)
	if _, err := right.start(l); err != nil {
		t.Fatal(err)
	}
	l.command(core.Initiate{})
	return l, m
}

func TestQuestionsAboutEAP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		q := core.EAPQuestion{Question: eap.Question{Identity: "alice"}, IKE: core.IKEStatus{UniqueID: 7}}
		l, m := asking(t, b, q, q)
		got := <-b.asked
		want(t, "the backend gets the question", got.Identity == "alice" && got.IKE.UniqueID == 7)
		b.answer <- eap.Answer{Verdict: eap.Accept, MSK: secret.Bytes("the keys")}
		b.answer <- eap.Answer{}
		first, second := <-m.answers, <-m.answers
		if first.Err != nil {
			first, second = second, first
		}
		a, ok := first.Value.(eap.Answer)
		want(t, "the machine gets the answer with its keys", ok && a.MSK.Equal(secret.Bytes("the keys")))
		want(t, "an answer that failed is an error", second.Err != nil && second.Value == nil)
		l.command(core.Delete{})
	})
}

func TestQuestionsThatNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, m := asking(t, nil, core.EAPQuestion{}, auth.Fetch{}, "?")
		for _, text := range []string{
			"no RADIUS server is configured (plugins.eap-radius in strongswan.conf)", "nothing is fetched by this endpoint",
			"ike: a question of type string has no answer",
		} {
			if a := <-m.answers; a.Err == nil || a.Err.Error() != text {
				t.Errorf("the answer is %v, want %s", a.Err, text)
			}
		}
		l.command(core.Delete{})
	})
}

// TestKeysThatNobodyWaitsFor has lineages end before and after their answers come.
func TestKeysThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend()
		l, _ := asking(t, b, core.EAPQuestion{})
		<-b.asked
		l.command(core.Delete{})
		want(t, "the question ends with the lineage", errors.Is(<-b.ended, context.Canceled))
		synctest.Wait()
		late, queued := secret.Bytes("the keys"), secret.Bytes("the keys")
		l.command(core.Answer{ID: 1, Value: eap.Answer{MSK: late}})
		want(t, "keys that come after the end are wiped", late.Equal(make(secret.Bytes, len(late))))
		other := l.e.newLineage(&asker{})
		other.command(core.Answer{ID: 1, Value: eap.Answer{MSK: queued}})
		other.end(nil)
		want(t, "and so are those that the machine has not taken yet", queued.Equal(make(secret.Bytes, len(queued))))
	})
}
