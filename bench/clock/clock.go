// Package clock is what benchmarks measure by: the CPU time of a thread, so that being put aside for another program does not
// count, and the cycles that its core took.
package clock

import (
	"errors"
	"time"
)

// ErrCycles says that the system does not tell a thread's cycles: not at all, not this user, or not in this virtual machine.
var ErrCycles = errors.New("the system does not tell the cycles of a thread")

// Thread is the time of the calling thread, to which the goroutine has to be locked. Only differences mean something. Where
// the system has no such clock it is what passed on the wall; IsCPU tells.
func Thread() time.Duration { return thread() }

// Timed is the time of the calling thread that f takes.
func Timed(f func()) time.Duration {
	start := thread()
	f()
	return thread() - start
}
