// Package turns lets what is measured take turns: a budget of time is divided into rounds, in each of which everything is measured
// once and shortly, and every round begins with something else. What else the machine does then falls on all of it, and the
// values of the rounds show how much that was.
package turns

import (
	"context"
	"fmt"
	"time"
)

// Job is one thing to measure.
type Job struct {
	Name string // for the progress
	// Fixed is the time that a turn takes by itself; zero lets it have its share of the budget.
	Fixed time.Duration
	// Measure measures for about d and records the values of the round, counted from 0. Warming up is within d.
	Measure func(round int, d time.Duration) error
}

// Progress is told before each turn how many are done, and of how many.
type Progress func(done, total int, name string)

// Plan is what to measure and for how long.
type Plan struct {
	Jobs     []Job
	Rounds   int           // at least 1
	Time     time.Duration // of all rounds; jobs with a fixed time come on top
	Progress Progress      // may be nil
}

// least is the shortest share: what reading the clock does not disturb.
const least = 500 * time.Microsecond

// Run measures until it is done, a job fails, or ctx ends. Rounds are complete or, the last one, not. What is left of the budget is
// divided among the turns that are left, so that what jobs need besides is within it too; a plan of more jobs than the budget has
// room for takes longer.
func (p Plan) Run(ctx context.Context) error {
	left, turns := p.Time, p.Rounds*p.sharing()
	total := len(p.Jobs) * p.Rounds
	for round := range p.Rounds {
		for i := range p.Jobs {
			if err := context.Cause(ctx); err != nil {
				return fmt.Errorf("interrupted in round %d of %d: %w", round+1, p.Rounds, err)
			}
			// The rounds' first jobs are spread over all of them.
			j := p.Jobs[(i+round*len(p.Jobs)/p.Rounds)%len(p.Jobs)]
			if p.Progress != nil {
				p.Progress(round*len(p.Jobs)+i, total, j.Name)
			}
			d, begin := j.Fixed, time.Now()
			if j.Fixed == 0 {
				d = max(left/time.Duration(turns), least)
			}
			if err := j.Measure(round, d); err != nil {
				return fmt.Errorf("%s: %w", j.Name, err)
			}
			if j.Fixed == 0 {
				left -= time.Since(begin)
				turns--
			}
		}
	}
	if p.Progress != nil {
		p.Progress(total, total, "")
	}
	return nil
}

// sharing is how many jobs share the budget.
func (p Plan) sharing() (n int) {
	for _, j := range p.Jobs {
		if j.Fixed == 0 {
			n++
		}
	}
	return n
}
