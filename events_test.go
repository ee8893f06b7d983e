package goswan

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/goswan/goswan/ike/core"
)

func TestAReaderOfEventsThatDoesNotKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Endpoint{}
		ctx, cancel := context.WithCancel(t.Context())
		events, lost := e.Events(ctx)
		for i := range uint64(eventBuffer + 7) {
			e.subscribers.tell(Event{Lineage: i, What: core.Log{}})
		}
		want(t, "what does not fit is counted", lost() == 7)
		first := <-events
		e.subscribers.tell(Event{Lineage: 9999})
		want(t, "the oldest comes first, and there is room again", first.Lineage == 0 && lost() == 7)
		cancel()
		synctest.Wait()
		e.subscribers.tell(Event{})
		n := 0
		for range events {
			n++
		}
		want(t, "the channel is closed with the context, after what it holds", n == eventBuffer && len(e.subscribers.all) == 0)
	})
}

func TestSubscribersAreToldUntilTheyCancel(t *testing.T) {
	e := &Endpoint{}
	a, b := 0, 0
	cancel := e.Subscribe(func(Event) { a++ })
	e.Subscribe(func(Event) { b++ })
	e.subscribers.tell(Event{})
	cancel()
	cancel()
	e.subscribers.tell(Event{})
	if a != 1 || b != 2 {
		t.Errorf("the one who cancelled was told %d times and the other %d, want 1 and 2", a, b)
	}
}
