package inside

import (
	"math"
	"slices"
	"testing"
	"time"
)

// TestRound measures everything as shortly as it can: what goes wrong inside, a packet that is lost or does not open, panics.
func TestRound(t *testing.T) {
	b, err := New()
	if err != nil {
		t.Fatal(err)
	}
	results := b.Round(0)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range Figures {
		for _, subject := range f.Subjects {
			i := slices.IndexFunc(results, func(r Result) bool { return r.Figure == f.Figure && r.Subject == subject })
			if i < 0 {
				t.Errorf("%s has no %s", subject, f.Name)
			} else if v := results[i].Value; !(v > 0) || math.IsInf(v, 0) {
				t.Errorf("%s, %s: %v", subject, f.Name, v)
			}
		}
	}
	if want := 2 * len(Figures); len(results) != want {
		t.Errorf("%d results, want %d", len(results), want)
	}
}

// TestInterleave shows that a disturbed turn does not count, and that laps of different sizes compare by the packet.
func TestInterleave(t *testing.T) {
	calls := 0
	disturbed := func() (int, time.Duration) {
		if calls++; calls == 3 {
			return 10, time.Second
		}
		return 10, turn
	}
	even := func() (int, time.Duration) { return 40, turn }
	got := interleave([]lap{disturbed, even}, 0)
	if want := []float64{float64(turn) / 10, float64(turn) / 40}; !slices.Equal(got, want) {
		t.Errorf("the medians are %v, want %v", got, want)
	}
}

// TestLapsAllocateNothing: a collector at work would be measured too.
func TestLapsAllocateNothing(t *testing.T) {
	b := &Bench{}
	if err := b.addPackets(); err != nil {
		t.Fatal(err)
	}
	p, err := NewPath(PathConfig{SAs: 3, Flows: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	laps := []lap{p.superLap, p.singleLap}
	for _, c := range b.comparisons {
		laps = append(laps, c.laps...)
	}
	for i, l := range laps {
		l() // grows what is used again
		if n := testing.AllocsPerRun(3, func() { l() }); n != 0 {
			t.Errorf("lap %d allocates %v times, want 0", i, n)
		}
	}
}
