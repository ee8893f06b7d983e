package aeskey

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/sys/cpu"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func needAES(t *testing.T) {
	t.Helper()
	if !cpu.X86.HasAES {
		t.Skip("this processor has no AES-NI")
	}
}

// FIPS 197 Appendix A: the last word of each example's expansion, and the first that is made.
func TestKeyExpansion(t *testing.T) {
	needAES(t)
	for _, v := range []struct{ key, first, last string }{
		{"2b7e151628aed2a6abf7158809cf4f3c", "a0fafe17", "b6630ca6"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "fe0c91f7", "01002202"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "9ba35411", "706c631e"},
	} {
		key, s := unhex(t, v.key), Schedule{}
		rounds := s.Expand(key)
		if rounds != len(key)/4+6 {
			t.Errorf("a key of %d octets has %d rounds", len(key), rounds)
		}
		at := len(key)
		if got := s[at/16][at%16:][:4]; !bytes.Equal(got, unhex(t, v.first)) {
			t.Errorf("the expansion of a key of %d octets begins with %x, FIPS 197 has %s", len(key), got, v.first)
		}
		if got := s[rounds][12:]; !bytes.Equal(got, unhex(t, v.last)) {
			t.Errorf("the expansion of a key of %d octets ends with %x, FIPS 197 has %s", len(key), got, v.last)
		}
		for _, spare := range s[rounds+1:] {
			if spare != [blockSize]byte{} {
				t.Errorf("a key of %d octets has more than %d round keys", len(key), rounds+1)
			}
		}
	}
}

// times is the product in the field of FIPS 197 §4.2, bit by bit.
func times(a, b byte) (p byte) {
	for ; b != 0; b >>= 1 {
		p ^= a * (b & 1)
		a = a<<1 ^ a>>7*0x1b
	}
	return p
}

func TestInvMixColumnsByItsDefinition(t *testing.T) {
	needAES(t)
	for bit := range 8 * blockSize {
		var block, want [blockSize]byte
		block[bit/8] = 1 << (bit % 8)
		for i := range want {
			for j, factor := range []byte{0x0e, 0x0b, 0x0d, 0x09} {
				want[i] ^= times(block[i/4*4+(i+j)%4], factor)
			}
		}
		if InvMixColumns(&block); block != want {
			t.Fatalf("InvMixColumns of bit %d is %x, want %x", bit, block, want)
		}
	}
}

func TestExpandDoesNotAllocate(t *testing.T) {
	needAES(t)
	key, s := make([]byte, 32), new(Schedule)
	if allocs := testing.AllocsPerRun(100, func() { s.Expand(key) }); allocs != 0 {
		t.Errorf("Expand allocates %v times", allocs)
	}
}
