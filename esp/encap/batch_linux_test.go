package encap

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

// TestWriteBatch: each train of a batch arrives whole and in order, and one that cannot be sent says why and stops no other.
func TestWriteBatch(t *testing.T) {
	a, b := listenFor(t, Config{Lanes: 2}, openSocket), listenFor(t, Config{}, openSocket)
	to := netip.AddrPortFrom(loopback(false), b.portNATT)
	foreign := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.99"), 4500)
	tooLong := train(netip.AddrPort{}, to, packet.MaxTrain, 1)
	tooLong.Len, tooLong.Seg = packet.MaxTrain+1, packet.MaxTrain+1
	var trains []*packet.Train
	sizes := []int{}
	for i := range 20 { // more than one call takes
		trains = append(trains, train(netip.AddrPort{}, to, 100+i, 1+i%5))
		sizes = append(sizes, 1+i%5)
	}
	trains[3] = train(foreign, to, 10, 2)
	trains[7] = tooLong
	trains[11] = train(netip.AddrPort{}, netip.AddrPort{}, 10, 1)
	trains[12] = packet.NewTrain() // an empty one
	for _, i := range []int{3, 7, 11, 12} {
		sizes[i] = 0
	}
	errs := make([]error, len(trains))
	for i := range errs {
		errs[i] = errors.New("not set")
	}
	a.WriteBatch(trains, errs)
	for i, err := range errs {
		var want error
		switch i {
		case 3:
			want = ErrNoAddress
		case 7:
			want = ErrTooBig
		}
		if i == 11 && err != nil {
			continue // no destination: any error
		}
		if !errors.Is(err, want) {
			t.Errorf("train %d: %v, want %v", i, err, want)
		}
	}
	conn := b.conn(t, false, true)
	for i, n := range sizes {
		if n == 0 {
			continue
		}
		got, _ := readAll(t, conn, n)
		for _, d := range got {
			if len(d) != 100+i {
				t.Fatalf("a datagram of %d octets came where one of train %d, of %d, was to come", len(d), i, 100+i)
			}
		}
	}
	if n := testing.AllocsPerRun(20, func() { a.WriteBatch(trains[:3], errs[:3]) }); n != 0 {
		t.Errorf("a batch allocates %v times", n)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	a.WriteBatch(trains[:3], errs[:3])
	for i, err := range errs[:3] {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("train %d after Close: %v", i, err)
		}
	}
}
