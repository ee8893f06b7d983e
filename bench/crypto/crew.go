package crypto

import (
	"runtime"
	"sync"
	"time"

	"github.com/goswan/goswan/bench/clock"
)

// crew are threads that work at once, each on a core of its own if there are as many.
type crew struct {
	members []*member
	cycles  error // why a member cannot count them
}

// member is one thread.
type member struct {
	work   chan func(*member)
	cycles *clock.Cycles // nil: not to be had
}

// newCrew starts the threads.
func newCrew(size int) *crew {
	c := &crew{}
	failed := make(chan error)
	for range size {
		m := &member{work: make(chan func(*member))}
		c.members = append(c.members, m)
		go m.run(failed)
		if err := <-failed; err != nil {
			c.cycles = err
		}
	}
	return c
}

// dismiss ends the threads.
func (c *crew) dismiss() {
	for _, m := range c.members {
		close(m.work)
	}
}

func (m *member) run(ready chan<- error) {
	runtime.LockOSThread() // the thread ends with the goroutine
	cycles, err := clock.OpenCycles()
	if err == nil {
		m.cycles = cycles
		defer cycles.Close()
	}
	ready <- err
	for work := range m.work {
		work(m)
	}
}

// shift is what one member did.
type shift struct {
	laps   int
	spent  time.Duration
	cycles float64 // 0: not counted
}

// perLap is nanoseconds.
func (s shift) perLap() float64 { return float64(s.spent) / float64(s.laps) }

// measure lets the first of the crew do their loads for d at once. What they do before all of them are warm does not count.
func (c *crew) measure(loads []*load, d time.Duration) []shift {
	shifts := make([]shift, len(loads))
	var warm, done sync.WaitGroup
	warm.Add(len(loads))
	done.Add(len(loads))
	for i, l := range loads {
		c.members[i].work <- func(m *member) {
			defer done.Done()
			calls := warmUp(l, d/4)
			warm.Done()
			warm.Wait()
			shifts[i] = m.shift(l, calls, d-d/4)
		}
	}
	done.Wait()
	return shifts
}

// grain is how long the clock is not looked at: long enough that looking is nothing beside it.
const grain = 50 * time.Microsecond

// warmUp works for d, and returns the laps of a grain.
func warmUp(l *load, d time.Duration) (calls int) {
	calls = 1
	for begin := time.Now(); time.Since(begin) < d; {
		start := time.Now()
		l.laps(calls)
		if time.Since(start) < grain {
			calls *= 2
		}
	}
	return calls
}

// shift works for d, calls laps at a time.
func (m *member) shift(l *load, calls int, d time.Duration) (s shift) {
	before := m.count()
	start := clock.Thread()
	for begin := time.Now(); s.laps == 0 || time.Since(begin) < d; {
		l.laps(calls)
		s.laps += calls
	}
	s.spent = max(clock.Thread()-start, 1) // a clock that stood still makes a figure too
	if m.cycles != nil {
		s.cycles = max(m.count()-before, 0)
	}
	return s
}

// count is the cycles so far, 0 where they are not to be had.
func (m *member) count() float64 {
	if m.cycles == nil {
		return 0
	}
	n, err := m.cycles.Read()
	if err != nil {
		return 0
	}
	return float64(n)
}
