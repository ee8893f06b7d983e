//go:build !linux

package clock

import "time"

// IsCPU tells that Thread is CPU time.
const IsCPU = false

// started is where the clock counts from.
var started = time.Now()

func thread() time.Duration { return time.Since(started) }

// Cycles counts the cycles of one thread in user mode.
type Cycles struct{}

// OpenCycles returns ErrCycles.
func OpenCycles() (*Cycles, error) { return nil, ErrCycles }

// Read returns ErrCycles.
func (*Cycles) Read() (uint64, error) { return 0, ErrCycles }

// Close does nothing.
func (*Cycles) Close() error { return nil }
