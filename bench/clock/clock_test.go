package clock

import (
	"errors"
	"runtime"
	"testing"
)

// TestThread shows that work takes time on the clock and that the clock does not go back.
func TestThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sum := 0
	spent := Timed(func() {
		for start := Thread(); Thread() == start; {
			sum++
		}
	})
	if spent <= 0 {
		t.Errorf("%d readings of the clock took %v", sum, spent)
	}
}

// TestCycles takes either answer: cycles that grow, or the error that says there are none.
func TestCycles(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := OpenCycles()
	if err != nil {
		if !errors.Is(err, ErrCycles) {
			t.Errorf("%v is not ErrCycles", err)
		}
		return
	}
	defer c.Close()
	before, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	if after, err := c.Read(); err != nil || after <= before {
		t.Errorf("from %d the cycles went on to %d (%v)", before, after, err)
	}
}
