package ctr

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"testing"
)

// atOnce is a cipher that takes many blocks, and says whether it did.
type atOnce struct {
	cipher.Block
	used  bool
	wiped bool
}

func (a *atOnce) EncryptBlocks(dst, src []byte) {
	a.used = true
	for i := 0; i < len(src); i += BlockSize {
		a.Encrypt(dst[i:], src[i:])
	}
}

func (a *atOnce) Wipe() { a.wiped = true }

func newAES(t testing.TB, key []byte) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// simple is the counter mode of SP 800-38A §6.5 with the counter of its appendix B.1 of 32 bits, an octet at a time.
func simple(b cipher.Block, first [BlockSize]byte, data []byte) []byte {
	var out []byte
	for i, x := range data {
		block := first
		binary.BigEndian.PutUint32(block[12:], binary.BigEndian.Uint32(first[12:])+uint32(i/BlockSize))
		b.Encrypt(block[:], block[:])
		out = append(out, x^block[i%BlockSize])
	}
	return out
}

func compare(t *testing.T, key []byte, first [BlockSize]byte, data []byte) {
	t.Helper()
	b := newAES(t, key)
	want := simple(b, first, data)
	for _, s := range []Stream{New(b), New(&atOnce{Block: b})} {
		before, got := first, make([]byte, len(data)+1)
		got[len(data)] = 0xa5
		s.XORKeyStream(got, data, &first)
		if !bytes.Equal(got[:len(data)], want) || got[len(data)] != 0xa5 || first != before {
			t.Fatalf("%d octets from %x on become %x, want %x", len(data), first, got, want)
		}
		if s.XORKeyStream(got, got[:len(data)], &first); !bytes.Equal(got[:len(data)], data) {
			t.Fatalf("%d octets do not become themselves in place", len(data))
		}
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * 5)
	}
	for n := range data {
		for _, last := range []uint32{0, 1, 0xfffffffe, 0xffffffff} {
			first := [BlockSize]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xff, 0xff}
			binary.BigEndian.PutUint32(first[12:], last)
			compare(t, []byte("sixteen octets.."), first, data[:n])
		}
	}
}

func FuzzAgainstTheSpecification(f *testing.F) {
	f.Add([]byte("key"), []byte("first"), []byte("data"))
	f.Add(make([]byte, 16), bytes.Repeat([]byte{0xff}, 16), make([]byte, 200))
	f.Fuzz(func(t *testing.T, key, first, data []byte) {
		compare(t, append(key, make([]byte, 16)...)[:16], [BlockSize]byte(append(first, make([]byte, 16)...)), data)
	})
}

// The first block is of the nonce, the IV and one, RFC 3686 §4.
func TestMode(t *testing.T) {
	b, nonce := newAES(t, make([]byte, 32)), []byte{0xa, 0xb, 0xc, 0xd}
	m := NewMode(New(b), nonce)
	if m.BlockSize() != 1 {
		t.Errorf("the mode has blocks of %d octets, want 1", m.BlockSize())
	}
	for i := range byte(3) {
		iv := []byte{i, 1, 2, 3, 4, 5, 6, 7}
		m.SetIV(iv)
		data, got := bytes.Repeat([]byte{i}, 100), make([]byte, 100)
		want := simple(b, [BlockSize]byte(append(append(bytes.Clone(nonce), iv...), 0, 0, 0, 1)), data)
		if m.CryptBlocks(got, data); !bytes.Equal(got, want) {
			t.Errorf("message %d becomes %x, want %x", i, got, want)
		}
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s: it goes on", what)
		}
	}()
	f()
}

func TestCallersBugsPanic(t *testing.T) {
	b, _ := des.NewCipher(make([]byte, 8))
	m := NewMode(New(newAES(t, make([]byte, 16))), make([]byte, NonceSize))
	mustPanic(t, "blocks of 8 octets", func() { New(b) })
	mustPanic(t, "a short nonce", func() { NewMode(New(newAES(t, make([]byte, 16))), make([]byte, 3)) })
	mustPanic(t, "an IV of a block", func() { m.SetIV(make([]byte, 16)) })
	m.SetIV(make([]byte, IVSize))
	mustPanic(t, "no room", func() { m.CryptBlocks(make([]byte, 9), make([]byte, 10)) })
}

func TestWipe(t *testing.T) {
	b := &atOnce{Block: newAES(t, make([]byte, 16))}
	s := New(b).(*stream)
	m := NewMode(s, []byte{1, 2, 3, 4})
	m.CryptBlocks(make([]byte, 40), make([]byte, 40))
	m.Wipe()
	m.Wipe() // both directions are one Mode, which is wiped twice
	if !b.used || !b.wiped || m.first != [BlockSize]byte{} || s.blocks != [batch * BlockSize]byte{} {
		t.Error("Wipe leaves the key, the nonce or the key stream")
	}
	mustPanic(t, "after Wipe", func() { m.CryptBlocks(make([]byte, 16), make([]byte, 16)) })
}

func TestNothingIsAllocated(t *testing.T) {
	m := NewMode(New(newAES(t, make([]byte, 16))), make([]byte, NonceSize))
	iv, buf := make([]byte, IVSize), make([]byte, 1421)
	if n := testing.AllocsPerRun(20, func() {
		m.SetIV(iv)
		m.CryptBlocks(buf, buf)
	}); n != 0 {
		t.Errorf("a message costs %v allocations, want none", n)
	}
}
