package poll

import (
	"errors"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// pipe is a pipe, and what is waited for of it.
func pipe(t *testing.T) (r syscall.RawConn, read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(read.Close(), write.Close()) })
	if r, err = read.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	return r, read, write
}

func newSet(t *testing.T, direct bool, sources ...syscall.RawConn) *Set {
	t.Helper()
	s, err := New(sources...)
	if err != nil {
		t.Fatal(err)
	}
	s.direct = direct
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// both runs a test with a processor to keep and without.
func both(t *testing.T, f func(t *testing.T, direct bool)) {
	was := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(was)
	t.Run("direct", func(t *testing.T) { f(t, true) })
	t.Run("parked", func(t *testing.T) { f(t, false) })
}

func TestWaitTellsWhichSourceIsReady(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, readA, writeA := pipe(t)
		b, _, writeB := pipe(t)
		s := newSet(t, direct, a, b)
		want := func(sentence string, want uint64) {
			t.Helper()
			if got, err := s.Wait(); err != nil || got != want {
				t.Errorf("%s: got %b, %v, want %b", sentence, got, err, want)
			}
		}
		must(t, writeB)
		want("only the second has something", 2)
		want("it was not read, so it is still ready", 2)
		must(t, writeA)
		want("both have something", 3)
		if _, err := readA.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		want("the first was read", 2)
	})
}

func must(t *testing.T, w *os.File) {
	t.Helper()
	if _, err := w.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// waits is a Wait under way that has certainly begun to park or to linger, or is just about to: either has to be woken.
func waits(s *Set) chan error {
	done := make(chan error, 1)
	began := make(chan struct{})
	go func() {
		close(began)
		_, err := s.Wait()
		done <- err
	}()
	<-began
	return done
}

func TestWaitIsWokenByWhatComes(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, read, write := pipe(t)
		s := newSet(t, direct, a)
		for range 200 {
			done := waits(s)
			must(t, write)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if _, err := read.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestStop(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, _, write := pipe(t)
		s := newSet(t, direct, a)
		done := waits(s)
		s.Stop()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a Wait that Stop ended returned %v", err)
		}
		must(t, write)
		for range 2 {
			if _, err := s.Wait(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a Wait after Stop, with something to read, returned %v", err)
			}
		}
	})
}

// The garbage collector stops the world: a set that keeps its processor must not hold that up, and must go on waiting.
func TestCollectorPassesASleepingSet(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, _, write := pipe(t)
		s := newSet(t, direct, a)
		done := waits(s)
		for range 20 {
			runtime.GC()
		}
		must(t, write)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// With one processor a set must not keep it: the rest of the program would stand still.
func TestAProcessorIsLeft(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	a, _, _ := pipe(t)
	first := newSet(t, false, a)
	if !spare() {
		t.Error("one set of two processors may keep one")
	}
	newSet(t, false, a)
	if spare() {
		t.Error("two sets of two processors may not keep them all")
	}
	_ = first
}

// A set that nothing comes to gives its processor back after Linger; what it takes shows that it was in the kernel meanwhile.
func TestLingerEnds(t *testing.T) {
	a, _, _ := pipe(t)
	s := newSet(t, true, a)
	began := time.Now()
	ready, err := s.linger()
	if took := time.Since(began); took < Linger-time.Millisecond || ready != 0 || err != nil {
		t.Errorf("lingered for %v with the result %b, %v", took, ready, err)
	}
}

func TestWaitAllocatesNothing(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, _, write := pipe(t)
		s := newSet(t, direct, a)
		must(t, write)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := s.Wait(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestTooManySources(t *testing.T) {
	a, _, _ := pipe(t)
	many := make([]syscall.RawConn, MaxSources+1)
	for i := range many {
		many[i] = a
	}
	if _, err := New(many...); err == nil {
		t.Error("a set of more sources than it has bits was made")
	}
}

// What the garbage collector has to wait for when a set sleeps; the difference of the two is the price of keeping a processor.
func BenchmarkCollector(b *testing.B) {
	for _, direct := range []bool{false, true} {
		b.Run(map[bool]string{false: "parked", true: "direct"}[direct], func(b *testing.B) {
			read, write, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = errors.Join(read.Close(), write.Close()) }()
			rc, err := read.SyscallConn()
			if err != nil {
				b.Fatal(err)
			}
			s, err := New(rc)
			if err != nil {
				b.Fatal(err)
			}
			s.direct = direct
			done := make(chan struct{})
			go func() {
				defer close(done)
				for err := error(nil); err == nil; {
					if _, err = s.Wait(); err == nil {
						_, err = read.Read(make([]byte, 1))
					}
				}
			}()
			for b.Loop() {
				if _, err := write.Write([]byte{1}); err != nil { // so that it lingers
					b.Fatal(err)
				}
				runtime.GC()
			}
			s.Stop()
			<-done
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func TestSourcesComeAndGo(t *testing.T) {
	both(t, func(t *testing.T, direct bool) {
		a, _, writeA := pipe(t)
		b, _, writeB := pipe(t)
		c, _, writeC := pipe(t)
		s := newSet(t, direct, a, b)
		if err := s.Add(c); err != nil {
			t.Fatal(err)
		}
		want := func(sentence string, want uint64) {
			t.Helper()
			if got, err := s.Wait(); err != nil || got != want {
				t.Errorf("%s: got %b, %v, want %b", sentence, got, err, want)
			}
		}
		must(t, writeC)
		want("the one that was added is the third", 4)
		must(t, writeA)
		s.Remove(0)
		want("without the first the third is the second", 2)
		must(t, writeB)
		want("and the second is the first", 3)
		s.Stop()
		if _, err := s.Wait(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a set that has changed was stopped: %v", err)
		}
	})
}
