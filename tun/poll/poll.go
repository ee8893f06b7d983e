// Package poll waits for a TUN queue and sockets at once, so that one goroutine can carry packets both ways.
//
// Wait sleeps in one of two ways. For a while after traffic, Linger, it keeps the processor that Go's scheduler gave it: waking up
// then costs no scheduling, which is a quarter of a tunnel's CPU time otherwise. After that it parks: the processor is given
// back, and an idle set holds nothing but a sleeping thread, costs nothing and wakes nobody.
//
// A goroutine that keeps its processor while it sleeps must leave others to the rest of the program: it does so only where there
// are more processors (GOMAXPROCS) than such sets. Who wants to stop the world, as the garbage collector does, interrupts the
// sleep by a signal; at the worst the sleep ends after Linger.
package poll

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Linger is how long after the last packet Wait keeps its processor. It covers what comes at the pace of speech, a packet in
// 20 ms.
const Linger = 25 * time.Millisecond

// MaxSources is the most sources that a set may have: each has a bit, and one bit is the set's own.
const MaxSources = 63

// sets is how many sets there are in the process: each may hold a processor.
var sets atomic.Int32

// spare says that a processor is left when every set holds one.
func spare() bool { return runtime.GOMAXPROCS(0) > int(sets.Load()) }
