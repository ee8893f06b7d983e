package tuntest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

func TestInjectedPacketIsReadAndWrittenPacketIsTaken(t *testing.T) {
	d := New(Config{Queues: 2, Offload: true})
	gso := packet.GSO{Type: packet.GSOTCP4, Size: 1000, HdrLen: 40, NeedsCsum: true, CsumStart: 20, CsumOffset: 16}
	if err := d.InjectSuper(1, []byte("super"), gso); err != nil {
		t.Fatal(err)
	}
	q := d.Queues()[1]
	s := packet.NewSuper()
	if err := q.Read(s, func() { t.Error("idle was called though a packet waited") }); err != nil {
		t.Fatal(err)
	}
	if string(s.Bytes()) != "super" || s.GSO != gso {
		t.Fatalf("read %q %+v, want what was injected", s.Bytes(), s.GSO)
	}
	for range 2 {
		if err := q.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		p, err := d.Next(context.Background())
		if err != nil || string(p.Data) != "super" || p.GSO != gso {
			t.Fatalf("written packet %d came out as %q %+v %v", i, p.Data, p.GSO, err)
		}
	}
	if got := d.Written(); len(got) != 0 {
		t.Fatalf("%d packets left after both were taken", len(got))
	}
}

func TestReadCallsIdleOnceBeforeItBlocks(t *testing.T) {
	d := New(Config{})
	calls := 0
	s := packet.NewSuper()
	err := d.Queues()[0].Read(s, func() {
		calls++
		if err := d.Inject([]byte("late")); err != nil {
			t.Error(err)
		}
	})
	if err != nil || calls != 1 || string(s.Bytes()) != "late" {
		t.Fatalf("Read: %v, idle called %d times, packet %q; want one call and the packet", err, calls, s.Bytes())
	}
}

func TestCloseEndsReadsWritesAndWaits(t *testing.T) {
	d := New(Config{})
	q := d.Queues()[0]
	s := packet.NewSuper()
	err := q.Read(s, func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read blocked during Close returned %v, want os.ErrClosed", err)
	}
	s.Len = 1
	if err := q.Write(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close returned %v, want os.ErrClosed", err)
	}
	if err := d.Inject([]byte{1}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Inject after Close returned %v, want os.ErrClosed", err)
	}
	if _, err := d.Next(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close returned %v, want os.ErrClosed", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("the second Close returned %v", err)
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(Config{}).Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Next returned %v, want context.Canceled", err)
	}
}

func TestWithoutOffloadSuperPacketsAreRefused(t *testing.T) {
	d := New(Config{})
	gso := packet.GSO{Type: packet.GSOTCP4, Size: 10}
	if err := d.InjectSuper(0, []byte{1}, gso); err == nil {
		t.Error("a device without offload gave a super-packet")
	}
	s := packet.NewSuper()
	s.Len, s.GSO = 1, gso
	if err := d.Queues()[0].Write(s); err == nil {
		t.Error("a device without offload took a super-packet")
	}
	s.GSO = packet.GSO{}
	full := errors.New("full")
	d.Refuse(full)
	if err := d.Queues()[0].Write(s); !errors.Is(err, full) {
		t.Errorf("Write to a refusing device returned %v, want its error", err)
	}
	d.Refuse(nil)
	if err := d.Queues()[0].Write(s); err != nil || d.Count() != 1 {
		t.Errorf("Write after Refuse(nil) returned %v with %d packets written, want 1", err, d.Count())
	}
}

func TestRunningDeviceDoesNotAllocate(t *testing.T) {
	d := New(Config{Discard: true})
	q := d.Queues()[0]
	s := packet.NewSuper()
	ip := bytes.Repeat([]byte{0x45}, 1400)
	n := testing.AllocsPerRun(100, func() {
		if d.Inject(ip) != nil || q.Read(s, nil) != nil || q.Write(s) != nil {
			t.Fatal("a packet was refused")
		}
	})
	if n != 0 {
		t.Fatalf("inject, read and write allocate %v times a packet, want 0", n)
	}
}
