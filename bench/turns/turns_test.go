package turns

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// plan has jobs that write down when they are called.
func plan(log *[]string, rounds int, names ...string) Plan {
	p := Plan{Rounds: rounds, Time: 60 * time.Second}
	for _, name := range names {
		p.Jobs = append(p.Jobs, Job{Name: name, Measure: func(round int, _ time.Duration) error {
			*log = append(*log, fmt.Sprint(round, name))
			return nil
		}})
	}
	return p
}

// TestRunInterleaves: everything is measured once a round, and every round begins with something else.
func TestRunInterleaves(t *testing.T) {
	var log []string
	p := plan(&log, 3, "a", "b", "c")
	var told []int
	p.Progress = func(done, total int, _ string) {
		if total != 9 {
			t.Errorf("of %d turns, want 9", total)
		}
		told = append(told, done)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(log, " "), "0a 0b 0c 1b 1c 1a 2c 2a 2b"; got != want {
		t.Errorf("the turns are %s, want %s", got, want)
	}
	if len(told) != 10 || told[0] != 0 || told[9] != 9 {
		t.Errorf("the progress was %v, want 0 to 9", told)
	}
}

// TestRunDividesTheBudget: a turn gets its part of what is left, and a job with a time of its own takes nothing of it.
func TestRunDividesTheBudget(t *testing.T) {
	var given []time.Duration
	measure := func(_ int, d time.Duration) error { given = append(given, d); return nil }
	p := Plan{Rounds: 2, Time: time.Hour, Jobs: []Job{{Measure: measure}, {Measure: measure, Fixed: time.Second}, {Measure: measure}}}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Every round begins with another job, the second with the second. Jobs that take no time leave theirs to those behind them.
	for i, least := range []time.Duration{14 * time.Minute, time.Second, 19 * time.Minute, time.Second, 29 * time.Minute, 59 * time.Minute} {
		if given[i] < least || given[i] > least+time.Minute {
			t.Errorf("turn %d has %v, want about %v", i, given[i], least)
		}
	}
	given, p.Time = nil, 1
	if err := p.Run(t.Context()); err != nil || given[0] != least {
		t.Errorf("of nothing a turn has %v (%v), want %v", given[0], err, least)
	}
}

func TestRunEnds(t *testing.T) {
	var log []string
	p := plan(&log, 2, "a", "b")
	broken := errors.New("broken")
	p.Jobs[1].Measure = func(int, time.Duration) error { return broken }
	if err := p.Run(t.Context()); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "b: ") {
		t.Errorf("a job that fails ends the run with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.Jobs[1].Measure = func(int, time.Duration) error { cancel(); return nil }
	log = nil
	if err := p.Run(ctx); !errors.Is(err, context.Canceled) || len(log) != 1 {
		t.Errorf("interrupted, the run ends with %v after %v", err, log)
	}
}
