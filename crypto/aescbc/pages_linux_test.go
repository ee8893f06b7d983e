package aescbc

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns memory between two pages whose use is a fault.
func fenced(t *testing.T) []byte {
	t.Helper()
	page := unix.Getpagesize()
	b, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	for _, fence := range [][]byte{b[:page], b[2*page:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return b[page : 2*page : 2*page]
}

// Both buffers end, and then begin, where the next octet cannot be read.
func TestNoOctetOutsideTheBuffersIsUsed(t *testing.T) {
	in, out, iv := fenced(t), fenced(t), random(20, blockSize)
	for _, size := range keySizes {
		ours, _, theirs := keyed(t, random(21, size))
		for n := blockSize; n <= 1600; n += blockSize {
			want := make([]byte, n)
			theirs.SetIV(iv)
			theirs.CryptBlocks(want, random(22, n))
			for _, b := range [][2][]byte{{in[:n], out[:n]}, {in[len(in)-n:], out[len(out)-n:]}, {in[:n], in[:n]}, {in[len(in)-n:], in[len(in)-n:]}} {
				copy(b[0], random(22, n))
				ours.SetIV(iv)
				if ours.CryptBlocks(b[1], b[0]); !bytes.Equal(b[1], want) {
					t.Fatalf("%d octets at a page's border decipher to other octets", n)
				}
			}
		}
	}
}
