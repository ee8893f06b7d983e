package aesgcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

// refused opens what must not open, and sees that no octet of plaintext comes out: dst, up to its capacity, has the octets it
// had or zeros.
func refused(t *testing.T, what string, c cipher.AEAD, nonce, sealed, aad []byte, offset int) {
	t.Helper()
	n := max(len(sealed)-tagSize, 0)
	room := make([]byte, 64+63+n+tagSize+64)
	out := around(room, offset, n)
	if got, err := c.Open(out[:0], nonce, sealed, aad); err == nil || got != nil {
		t.Fatalf("%s opened", what)
	}
	for i, x := range room {
		if x != guard && (x != 0 || i < 64+offset || i >= 64+offset+n) {
			t.Fatalf("%s was refused, but octet %d became %#x", what, i-64-offset, x)
		}
	}
	inPlace := append([]byte{}, sealed...)
	if _, err := c.Open(inPlace[:0], nonce, inPlace, aad); err == nil {
		t.Fatalf("%s opened in place", what)
	}
	if !bytes.Equal(inPlace[n:], sealed[n:]) || !bytes.Equal(inPlace[:n], make([]byte, n)) && !bytes.Equal(inPlace[:n], sealed[:n]) {
		t.Fatalf("%s was refused in place, but left something else than zeros", what)
	}
}

func TestAnyBitOfTheTagFlippedIsRefused(t *testing.T) {
	for _, size := range keySizes {
		ours, theirs := pair(t, random(uint64(size), size))
		nonce, aad := random(4, nonceSize), random(5, 12)
		for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 128, 239, 240, 241, 255, 256, 257, 511, 512, 513, 767, 1420, 2000} {
			sealed := theirs.Seal(nil, nonce, random(6, n), aad)
			for bit := range 8 * tagSize {
				sealed[n+bit/8] ^= 1 << (bit % 8)
				refused(t, fmt.Sprintf("%d octets whose tag has bit %d flipped", n, bit), ours, nonce, sealed, aad, bit%64)
				sealed[n+bit/8] ^= 1 << (bit % 8)
			}
		}
	}
}

func TestAnyOctetChangedIsRefused(t *testing.T) {
	ours, theirs := pair(t, random(7, 16))
	for _, n := range []int{1, 16, 40, 64, 65, 200, 240, 250, 256, 300, 513, 1031} {
		nonce, aad := random(8, nonceSize), random(9, 20)
		sealed := theirs.Seal(nil, nonce, random(10, n), aad)
		for _, part := range [][]byte{sealed, nonce, aad} {
			for i := range part {
				part[i] ^= 1 << (i % 8)
				refused(t, fmt.Sprintf("%d octets with one bit changed", n), ours, nonce, sealed, aad, i%64)
				part[i] ^= 1 << (i % 8)
			}
		}
		refused(t, "a message cut by an octet", ours, nonce, sealed[:len(sealed)-1], aad, 0)
		refused(t, "a message longer by an octet", ours, nonce, append(sealed, 0), aad, 0)
		refused(t, "less AAD", ours, nonce, sealed, aad[:19], 0)
	}
	for n := range tagSize {
		refused(t, "less than a tag", ours, random(8, nonceSize), make([]byte, n), nil, 0)
	}
}

// Tags that a careless comparison takes: of one word only, of the words' sum, of fewer octets, of none, or of another message.
func TestForgedTagsAreRefused(t *testing.T) {
	each := func(tag []byte, f func(i int, x byte) byte) (out []byte) {
		for i, x := range tag {
			out = append(out, f(i, x))
		}
		return out
	}
	for _, size := range keySizes {
		ours, theirs := pair(t, random(uint64(size), size))
		nonce, aad := random(50, nonceSize), random(51, 12)
		for _, n := range []int{0, 16, 64, 65, 240, 241, 256, 512, 1420} {
			sealed := theirs.Seal(nil, nonce, random(52, n), aad)
			other := theirs.Seal(nil, nonce, nil, aad)
			tag := sealed[n:]
			for name, forged := range map[string][]byte{
				"zeros":                                 make([]byte, tagSize),
				"ones":                                  bytes.Repeat([]byte{0xff}, tagSize),
				"all bits flipped":                      each(tag, func(_ int, x byte) byte { return ^x }),
				"the highest bit of each octet flipped": each(tag, func(_ int, x byte) byte { return x ^ 0x80 }),
				"the first half only":                   each(tag, func(i int, x byte) byte { return x ^ byte(i/8) }),
				"the second half only":                  each(tag, func(i int, x byte) byte { return x ^ byte(1-i/8) }),
				"both halves off by the same":           each(tag, func(i int, x byte) byte { return x ^ byte(1-i%8/7) }),
				"its octets reversed":                   each(tag, func(i int, _ byte) byte { return tag[tagSize-1-i] }),
				"its halves exchanged":                  append(append([]byte{}, tag[8:]...), tag[:8]...),
				"the tag of an empty message":           other,
				"no octet":                              nil,
				"the first octet only":                  tag[:1],
				"as RFC 4106 has it for 8 octets":       tag[:8],
				"as RFC 4106 has it for 12 octets":      tag[:12],
				"all but the last octet":                tag[:15],
				"itself and once more":                  append(append([]byte{}, tag...), tag...),
			} {
				if bytes.Equal(forged, tag) {
					continue // of no octets the tag of an empty message is the right one
				}
				message := append(append([]byte{}, sealed[:n]...), forged...)
				refused(t, fmt.Sprintf("%d octets whose tag is %s", n, name), ours, nonce, message, aad, n%64)
			}
		}
	}
}

// What stands in the additional data and what in the ciphertext, and how long each is, the tag tells apart.
func TestOctetsDoNotMoveBetweenAADAndCiphertext(t *testing.T) {
	ours, theirs := pair(t, random(53, 16))
	nonce := random(54, nonceSize)
	for _, n := range []int{16, 48, 64, 256, 272, 512} {
		sealed := theirs.Seal(nil, nonce, random(55, n), nil)
		for moved := 16; moved <= n; moved += 16 {
			refused(t, "a message whose beginning became additional data", ours, nonce, sealed[moved:], sealed[:moved], 0)
		}
		aad := random(56, n)
		sealed = theirs.Seal(nil, nonce, nil, aad)
		refused(t, "additional data that became ciphertext", ours, nonce, append(aad, sealed...), nil, 0)
		refused(t, "additional data filled with zeros", ours, nonce, sealed, append(aad, 0), 0)
	}
}

// The test cases of the specification submitted to NIST: McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)",
// Appendix B, all whose IV has 96 bits.
func TestSpecificationVectors(t *testing.T) {
	const (
		zeros  = "00000000000000000000000000000000"
		key    = "feffe9928665731c6d6a8f9467308308"
		nonce  = "cafebabefacedbaddecaf888"
		aad    = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		plain  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
		plain4 = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
		c128   = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		c192   = "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710"
		c256   = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	)
	for _, v := range []struct{ name, key, nonce, aad, plain, sealed string }{
		{"1", zeros, zeros[:24], "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{"2", zeros, zeros[:24], "", zeros, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
		{"3", key, nonce, "", plain, c128 + "473f5985" + "4d5c2af327cd64a62cf35abd2ba6fab4"},
		{"4", key, nonce, aad, plain4, c128 + "5bc94fbc3221a5db94fae95ae7121a47"},
		{"7", zeros + zeros[:16], zeros[:24], "", "", "cd33b28ac773f74ba00ed1f312572435"},
		{"8", zeros + zeros[:16], zeros[:24], "", zeros, "98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb"},
		{"9", key + key[:16], nonce, "", plain, c192 + "acade256" + "9924a7c8587336bfb118024db8674a14"},
		{"10", key + key[:16], nonce, aad, plain4, c192 + "2519498e80f1478f37ba55bd6d27618c"},
		{"13", zeros + zeros, zeros[:24], "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{"14", zeros + zeros, zeros[:24], "", zeros, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
		{"15", key + key, nonce, "", plain, c256 + "898015ad" + "b094dac5d93471bdec1a502270e3cc6c"},
		{"16", key + key, nonce, aad, plain4, c256 + "76fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		ours, _ := pair(t, unhex(t, v.key))
		nonce, plain, aad, sealed := unhex(t, v.nonce), unhex(t, v.plain), unhex(t, v.aad), unhex(t, v.sealed)
		if got := ours.Seal(nil, nonce, plain, aad); !bytes.Equal(got, sealed) {
			t.Errorf("test case %s seals to\n%x, the specification has\n%x", v.name, got, sealed)
		}
		if got, err := ours.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("test case %s opens to %x, %v", v.name, got, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func TestOverlapAsTheStandardLibrary(t *testing.T) {
	ours, theirs := pair(t, random(11, 16))
	nonce := random(12, nonceSize)
	sealed := theirs.Seal(nil, nonce, random(13, 100), nil)
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	for shift := -120; shift <= 120; shift++ {
		run := func(c cipher.AEAD, op string) bool {
			room := make([]byte, 600)
			out, in := room[200:200:600], room[200+shift:][:100]
			switch op {
			case "Seal":
				return panics(func() { c.Seal(out, nonce, in, nil) })
			case "Open":
				return panics(func() {
					copy(room[200+shift:], sealed)
					_, _ = c.Open(out, nonce, room[200+shift:][:len(sealed)], nil)
				})
			case "Seal with AAD":
				return panics(func() { c.Seal(out, nonce, sealed, in) })
			default:
				return panics(func() { _, _ = c.Open(out, nonce, sealed, in) })
			}
		}
		for _, op := range []string{"Seal", "Open", "Seal with AAD", "Open with AAD"} {
			if got, want := run(ours, op), run(theirs, op); got != want {
				t.Errorf("%s with buffers %d octets apart: panics %v, the standard library's %v", op, shift, got, want)
			}
		}
	}
	for _, n := range []int{0, 8, 11, 13, 16} {
		if !panics(func() { ours.Seal(nil, make([]byte, n), nil, nil) }) || !panics(func() { _, _ = ours.Open(nil, make([]byte, n), sealed, nil) }) {
			t.Errorf("a nonce of %d octets is taken", n)
		}
	}
}

func TestSealAndOpenAppend(t *testing.T) {
	ours, theirs := pair(t, random(14, 32))
	nonce, plain := random(15, nonceSize), random(16, 700)
	sealed := theirs.Seal([]byte("head"), nonce, plain, nil)
	for _, spare := range []int{0, 1, 2000} {
		head := append(make([]byte, 0, 4+spare), "head"...)
		if got := ours.Seal(head, nonce, plain, nil); !bytes.Equal(got, sealed) {
			t.Errorf("Seal behind 4 octets with room for %d differs from the standard library's", spare)
		}
		if got, err := ours.Open(head, nonce, sealed[4:], nil); err != nil || !bytes.Equal(got, append([]byte("head"), plain...)) {
			t.Errorf("Open behind 4 octets with room for %d: %v", spare, err)
		}
	}
}

func TestKeyLengths(t *testing.T) {
	for n := range 65 {
		c, err := New(make([]byte, n))
		var size aes.KeySizeError
		if taken := n == 16 || n == 24 || n == 32; taken != (err == nil) || !taken && (c != nil || !errors.As(err, &size)) {
			t.Errorf("a key of %d octets: %v", n, err)
		}
	}
	c, _ := New(make([]byte, 16))
	if c.NonceSize() != nonceSize || c.Overhead() != tagSize {
		t.Errorf("nonces have %d octets and tags %d, want 12 and 16", c.NonceSize(), c.Overhead())
	}
}

func TestSealAndOpenDoNotAllocate(t *testing.T) {
	for _, size := range keySizes {
		c, _ := pair(t, random(17, size))
		for _, n := range []int{0, 64, 200, 1420} {
			buf, nonce, aad := make([]byte, n+tagSize), make([]byte, nonceSize), make([]byte, 12)
			if allocs := testing.AllocsPerRun(100, func() {
				c.Seal(buf[:0], nonce, buf[:n], aad)
				if _, err := c.Open(buf[:0], nonce, buf, aad); err != nil {
					t.Fatal(err)
				}
			}); allocs != 0 {
				t.Errorf("Seal and Open of %d octets allocate %v times", n, allocs)
			}
			forged := make([]byte, n+tagSize)
			if allocs := testing.AllocsPerRun(100, func() {
				if _, err := c.Open(buf[:0], nonce, forged, aad); err == nil {
					t.Fatal("a forged message opened")
				}
			}); allocs != 0 {
				t.Errorf("Open allocates %v times to refuse %d octets", allocs, n)
			}
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	ours, theirs := pair(t, random(18, 16))
	nonce, plain := random(19, nonceSize), random(20, 900)
	want := theirs.Seal(nil, nonce, plain, nil)
	done := make(chan bool)
	for range 4 {
		go func() {
			ok := true
			for range 500 {
				got := ours.Seal(nil, nonce, plain, nil)
				back, err := ours.Open(nil, nonce, got, nil)
				ok = ok && bytes.Equal(got, want) && err == nil && bytes.Equal(back, plain)
			}
			done <- ok
		}()
	}
	for range 4 {
		if !<-done {
			t.Error("a cipher used by several goroutines gives other octets")
		}
	}
}

func FuzzAsTheStandardLibrary(f *testing.F) {
	f.Add(uint8(0), random(21, 16), random(22, nonceSize), []byte("aad"), []byte("plaintext"), uint8(3))
	f.Add(uint8(1), random(23, 24), random(24, nonceSize), random(25, 20), random(26, 300), uint8(0))
	f.Add(uint8(2), random(27, 32), random(28, nonceSize), []byte{}, random(29, 1420), uint8(63))
	f.Fuzz(func(t *testing.T, size uint8, key, nonce, aad, text []byte, offset uint8) {
		key = append(key, make([]byte, 32)...)[:keySizes[size%3]]
		nonce = append(nonce, make([]byte, nonceSize)...)[:nonceSize]
		ours, theirs := pair(t, key)
		same(t, ours, theirs, make([]byte, len(text)+1024), nonce, text, aad, int(offset%64))
		// The text as a ciphertext too, which is as good as never right.
		if _, err := theirs.Open(nil, nonce, text, aad); err != nil {
			refused(t, "a message that the standard library refuses", ours, nonce, text, aad, int(offset%64))
		}
	})
}
