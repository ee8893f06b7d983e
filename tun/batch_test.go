package tun

import (
	"bytes"
	"errors"
	"os"
	"testing"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/goswan/goswan/tun/packet"
)

// batches is a device of wireguard's kind that gives what it is told to.
type batches struct {
	reads   []func(bufs [][]byte, sizes []int, offset int) (int, error)
	written [][]byte
	err     error
}

func (b *batches) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if len(b.reads) == 0 {
		return 0, os.ErrClosed
	}
	read := b.reads[0]
	b.reads = b.reads[1:]
	return read(bufs, sizes, offset)
}

func (b *batches) Write(bufs [][]byte, offset int) (int, error) {
	for _, buf := range bufs {
		b.written = append(b.written, bytes.Clone(buf[offset:]))
	}
	return len(bufs), b.err
}

func (b *batches) File() *os.File             { return nil }
func (b *batches) MTU() (int, error)          { return 1400, nil }
func (b *batches) Name() (string, error)      { return "batches", nil }
func (b *batches) Events() <-chan wgtun.Event { return nil }
func (b *batches) Close() error               { return nil }
func (b *batches) BatchSize() int             { return 4 }

// packets is a read that gives packets.
func packets(all ...string) func([][]byte, []int, int) (int, error) {
	return func(bufs [][]byte, sizes []int, offset int) (int, error) {
		for i, p := range all {
			sizes[i] = copy(bufs[i][offset:], p)
		}
		return len(all), nil
	}
}

func failure(err error) func([][]byte, []int, int) (int, error) {
	return func([][]byte, []int, int) (int, error) { return 0, err }
}

func TestBatchesAreHandedOutOneByOne(t *testing.T) {
	broken := errors.New("broken")
	q := newBatchQueue(&batches{reads: []func([][]byte, []int, int) (int, error){
		packets("one", "two"), packets(), failure(wgtun.ErrTooManySegments), packets("three"), failure(broken),
	}})
	s := packet.NewSuper()
	for _, c := range []struct {
		want  string
		idles int
	}{{"one", 1}, {"two", 0}, {"three", 1}} {
		idles := 0
		s.GSO.NeedsCsum = true
		if err := q.Read(s, func() { idles++ }); err != nil || string(s.Bytes()) != c.want || s.GSO != (packet.GSO{}) {
			t.Fatalf("read %q %+v (%v), want %q", s.Bytes(), s.GSO, err, c.want)
		}
		if idles != c.idles {
			t.Errorf("idle was called %d times for %q, want %d", idles, c.want, c.idles)
		}
	}
	if err := q.Read(s, nil); !errors.Is(err, broken) {
		t.Errorf("a broken device gave %v", err)
	}
	if err := q.Read(s, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed device gave %v, want os.ErrClosed", err)
	}
}

func TestBatchQueueWritesSinglePackets(t *testing.T) {
	d := new(batches)
	q := newBatchQueue(d)
	s := packet.NewSuper()
	s.Len = copy(s.Buf[s.Off:], "packet")
	if err := q.Write(s); err != nil || len(d.written) != 1 || string(d.written[0]) != "packet" {
		t.Fatalf("wrote %q (%v)", d.written, err)
	}
	d.err = os.ErrClosed
	if err := q.Write(s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed device gave %v, want os.ErrClosed", err)
	}
	d.err = errors.New("broken")
	if err := q.Write(s); !errors.Is(err, d.err) {
		t.Errorf("a broken device gave %v", err)
	}
	s.GSO.NeedsCsum = true
	if err := q.Write(s); !errors.Is(err, ErrRefused) {
		t.Errorf("an unfinished packet gave %v, want ErrRefused", err)
	}
	s.Len, s.GSO = 0, packet.GSO{}
	if err := q.Write(s); !errors.Is(err, ErrRefused) {
		t.Errorf("an empty packet gave %v, want ErrRefused", err)
	}
}
