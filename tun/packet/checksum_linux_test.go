package packet

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The octets summed end where the next one cannot be read, and begin where the one before cannot.
func TestSumReadsNoOctetOutside(t *testing.T) {
	size := unix.Getpagesize()
	room, err := unix.Mmap(-1, 0, 3*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(room) })
	for _, fence := range [][]byte{room[:size], room[2*size:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	page := room[size : 2*size]
	for i := range page {
		page[i] = byte(i * 7)
	}
	for n := range size + 1 {
		for _, b := range [][]byte{page[:n], page[size-n:]} {
			if got, want := fold(sum(b, 0)), fold(words(b, 0)); got != want {
				t.Fatalf("%d octets at a page's border: %#04x, want %#04x", n, got, want)
			}
			for _, a := range vectors() {
				if fold(sumVector(a, b, 0)) != fold(words(b, 0)) {
					t.Fatalf("%d octets at a page's border are summed wrongly by assembly %d", n, a)
				}
			}
		}
	}
}
