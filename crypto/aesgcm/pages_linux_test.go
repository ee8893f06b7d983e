package aesgcm

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

// Every buffer ends, and then begins, where the next octet cannot be read.
func TestNoOctetOutsideTheBuffersIsRead(t *testing.T) {
	in, out, extra := fenced(t), fenced(t), fenced(t)
	for _, size := range keySizes {
		ours, theirs := pair(t, random(36, size))
		for n := range 1100 {
			for _, end := range []bool{true, false} {
				place := func(page []byte, n int) []byte {
					if end {
						return page[len(page)-n:]
					}
					return page[:n:n]
				}
				aad, nonce := place(extra, n%40), random(37, nonceSize)
				plain := place(in, n)
				copy(plain, random(38, n))
				sealed := ours.Seal(place(out, n+tagSize)[:0], nonce, plain, aad)
				if !bytes.Equal(sealed, theirs.Seal(nil, nonce, plain, aad)) {
					t.Fatalf("%d octets at a page's border seal to other octets", n)
				}
				clear(plain)
				if _, err := ours.Open(plain[:0], nonce, sealed, aad); err != nil || !bytes.Equal(plain, random(38, n)) {
					t.Fatalf("%d octets at a page's border do not open: %v", n, err)
				}
			}
		}
	}
	for _, page := range [][]byte{extra[:nonceSize:nonceSize], extra[len(extra)-nonceSize:]} {
		ours, theirs := pair(t, random(39, 16))
		if !bytes.Equal(ours.Seal(nil, page, nil, nil), theirs.Seal(nil, page, nil, nil)) {
			t.Error("a nonce at a page's border is read wrongly")
		}
	}
}
