package clock

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// IsCPU tells that Thread is CPU time.
const IsCPU = true

func thread() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("clock: the thread's clock: " + err.Error()) // Linux has it since 2.6.12
	}
	return time.Duration(t.Nano())
}

// Cycles counts the cycles of one thread in user mode.
type Cycles struct{ fd int }

// OpenCycles begins to count the cycles of the calling thread, to which the goroutine has to be locked. The error is
// ErrCycles, wrapped.
func OpenCycles() (*Cycles, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES,
		Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	attr.Size = uint32(unsafe.Sizeof(attr))
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("%w: perf_event_open: %w", ErrCycles, err)
	}
	return &Cycles{fd}, nil
}

// Read returns the cycles so far.
func (c *Cycles) Read() (uint64, error) {
	var b [8]byte
	if n, err := unix.Read(c.fd, b[:]); err != nil || n != len(b) {
		return 0, fmt.Errorf("%w: %d octets and %v", ErrCycles, n, err)
	}
	return binary.NativeEndian.Uint64(b[:]), nil
}

// Close ends the counting.
func (c *Cycles) Close() error { return unix.Close(c.fd) }
