package suite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/secret"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func parse(t testing.TB, p Protocol, text string) []Proposal {
	t.Helper()
	out, err := Parse(p, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// octets returns n octets that differ with the seed.
func octets(seed byte, n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(out)
	return out
}

// sets returns every encryption algorithm with every key length and, where it takes one, every integrity algorithm.
func sets(t testing.TB) []Set {
	t.Helper()
	var out []Set
	resolve := func(transforms ...Transform) {
		s, err := Resolve(Proposal{ESP, append(transforms, Transform{Type: ESN, ID: noESN})})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	for _, r := range encr.Transforms {
		bits := r.KeyBits
		if len(bits) == 0 {
			bits = []uint16{0}
		}
		for _, b := range bits {
			e := Transform{ENCR, r.ID, b}
			if s, _ := e.Status(); !s.Usable() {
				continue
			}
			if r.AEAD {
				resolve(e)
				continue
			}
			for _, i := range integ.Transforms {
				if i.Status.Usable() {
					resolve(e, Transform{Type: INTEG, ID: i.ID})
				}
			}
		}
	}
	return out
}

func newCipher(t testing.TB, s Set, seed byte) Cipher {
	t.Helper()
	c, err := s.NewCipher(octets(seed, s.EncrKeyLen()), octets(seed+1, s.IntegKeyLen()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ivLen is how many octets of IV Seal and Open take: those in the packet, or of the sequence number.
func ivLen(s Set) int { return s.Encr.NonceIV() }

// encrypts tells whether the plaintext is hidden.
func encrypts(s Set) bool { return s.Encr.Log != "NULL" && s.Encr.Log != "NULL_AES_GMAC" }

// trailFor returns the high half of an extended sequence number where the method takes it.
func trailFor(s Set) []byte {
	if s.Encr.AEAD {
		return nil
	}
	return []byte{0, 0, 0, 7}
}

// TestCiphers holds every set to the contract of Cipher.
func TestCiphers(t *testing.T) {
	for _, s := range sets(t) {
		t.Run(s.Proposal.algorithms(), func(t *testing.T) {
			out, in := newCipher(t, s, 1), newCipher(t, s, 1)
			if out.IVLen() != s.Encr.IVLen || out.Align() != s.Encr.Block || out.RandomIV() != s.Encr.RandomIV {
				t.Errorf("IVLen %d, Align %d, RandomIV %v do not fit the row", out.IVLen(), out.Align(), out.RandomIV())
			}
			// Of 8 and, with an extended sequence number, 12 octets.
			aad, trail := octets(3, 8+4*(len(s.Encr.Log)%2)), trailFor(s)
			for _, n := range lengths(s) {
				if n%out.Align() != 0 {
					continue
				}
				plain, iv := octets(byte(n), n), octets(byte(n+1), ivLen(s))
				sealed := sealApart(t, out, iv, plain, aad, trail)
				if encrypts(s) && n >= 16 && bytes.Contains(sealed, plain[:16]) {
					t.Fatal("the plaintext stands in the ciphertext")
				}
				sealInPlace(t, out, iv, plain, aad, trail, sealed)
				openApart(t, in, iv, plain, aad, trail, sealed)
				openInPlace(t, in, iv, plain, aad, trail, sealed)
				if n == 32 || n == 33 || n == 272 {
					refuseChanged(t, in, iv, aad, trail, sealed, plain)
				}
			}
		})
	}
}

// lengths are those of the plaintexts: each up to 300, and what a packet, a large one and the largest have. Where both algorithms are
// held to all of them beside another one, a few do.
func lengths(s Set) (list []int) {
	if s.Integ != nil && s.Integ.Log != "HMAC_SHA2_256_128" && s.Encr.Log != "AES_CBC" {
		return []int{0, 1, 8, 16, 24, 32, 33, 272, 1408}
	}
	for n := range 301 {
		list = append(list, n)
	}
	return append(list, 511, 512, 513, 1408, 1419, 8992, 65504)
}

const fence = 0xee

func sealApart(t *testing.T, c Cipher, iv, plain, aad, trail []byte) []byte {
	t.Helper()
	before := bytes.Clone(plain)
	n := len(plain) + c.ICVLen()
	room := bytes.Repeat([]byte{fence}, n+8)
	c.Seal(room, iv, plain, aad, trail)
	if !bytes.Equal(plain, before) {
		t.Fatal("Seal to another place changes the plaintext")
	}
	if !bytes.Equal(room[n:], bytes.Repeat([]byte{fence}, 8)) {
		t.Fatal("Seal writes behind ciphertext and ICV")
	}
	return room[:n]
}

func sealInPlace(t *testing.T, c Cipher, iv, plain, aad, trail, want []byte) {
	t.Helper()
	buf := append(bytes.Clone(plain), make([]byte, c.ICVLen())...)
	c.Seal(buf, iv, buf[:len(plain)], aad, trail)
	if !bytes.Equal(buf, want) {
		t.Fatalf("Seal of %d octets in place differs from Seal to another place", len(plain))
	}
}

func openApart(t *testing.T, c Cipher, iv, plain, aad, trail, sealed []byte) {
	t.Helper()
	before := bytes.Clone(sealed)
	room := bytes.Repeat([]byte{fence}, len(plain)+8)
	n, err := c.Open(room, iv, sealed, aad, trail)
	if err != nil || n != len(plain) || !bytes.Equal(room[:n], plain) {
		t.Fatalf("Open of %d octets returns %d octets and %v", len(plain), n, err)
	}
	if !bytes.Equal(sealed, before) || !bytes.Equal(room[n:], bytes.Repeat([]byte{fence}, 8)) {
		t.Fatal("Open to another place writes where it should not")
	}
	// Room for the plaintext is enough.
	exact := make([]byte, len(plain))
	if _, err := c.Open(exact, iv, sealed, aad, trail); err != nil || !bytes.Equal(exact, plain) {
		t.Fatalf("Open into exactly the room it needs: %v", err)
	}
}

func openInPlace(t *testing.T, c Cipher, iv, plain, aad, trail, sealed []byte) {
	t.Helper()
	buf := bytes.Clone(sealed)
	n, err := c.Open(buf, iv, buf, aad, trail)
	if err != nil || !bytes.Equal(buf[:n], plain) {
		t.Fatalf("Open of %d octets in place: %v", len(plain), err)
	}
}

// refuseChanged flips every bit of everything that the ICV covers.
func refuseChanged(t *testing.T, c Cipher, iv, aad, trail, sealed, plain []byte) {
	t.Helper()
	for what, part := range map[string][]byte{"IV": iv, "associated data": aad, "trail": trail, "ciphertext and ICV": sealed} {
		for bit := range 8 * len(part) {
			part[bit/8] ^= 1 << (bit % 8)
			room := bytes.Repeat([]byte{fence}, len(sealed))
			n, err := c.Open(room, iv, sealed, aad, trail)
			if !errors.Is(err, ErrAuth) || n != 0 {
				t.Errorf("with bit %d of the %s flipped, Open returns %d octets and %v", bit, what, n, err)
			}
			if bytes.Contains(room, plain[:16]) || bytes.Contains(room, plain[16:32]) {
				t.Errorf("with bit %d of the %s flipped, plaintext is released", bit, what)
			}
			part[bit/8] ^= 1 << (bit % 8)
		}
	}
	if _, err := c.Open(make([]byte, len(sealed)), iv, sealed, aad, trail); err != nil {
		t.Errorf("after the refusals the true packet is refused too: %v", err)
	}
}

func TestOpenRefusesImpossibleLengths(t *testing.T) {
	for _, s := range sets(t) {
		c := newCipher(t, s, 1)
		iv, aad := make([]byte, ivLen(s)), make([]byte, 8)
		for n := range 3*16 + c.ICVLen() {
			_, err := c.Open(make([]byte, 256), iv, make([]byte, n), aad, trailFor(s))
			want := ErrAuth
			if n < c.ICVLen() || (n-c.ICVLen())%c.Align() != 0 {
				want = ErrLength
			}
			if !errors.Is(err, want) {
				t.Errorf("%s opens %d octets with %v, want %v", s.Proposal, n, err, want)
			}
		}
	}
}

func TestKeysOfTheTwoDirectionsDiffer(t *testing.T) {
	for _, s := range sets(t) {
		a, b := newCipher(t, s, 1), newCipher(t, s, 5)
		iv, plain := octets(1, ivLen(s)), octets(2, 32)
		sealed := make([]byte, 32+a.ICVLen())
		a.Seal(sealed, iv, plain, nil, trailFor(s))
		if _, err := b.Open(make([]byte, 64), iv, sealed, nil, trailFor(s)); !errors.Is(err, ErrAuth) {
			t.Errorf("%s: another key opens the packet: %v", s.Proposal, err)
		}
	}
}

func TestNewCipherKeepsNoSliceOfTheCaller(t *testing.T) {
	for _, s := range sets(t) {
		encrKey, integKey := secret.Bytes(octets(1, s.EncrKeyLen())), secret.Bytes(octets(2, s.IntegKeyLen()))
		c, err := s.NewCipher(encrKey, integKey)
		if err != nil {
			t.Fatal(err)
		}
		same := newCipher(t, s, 1)
		encrKey.Wipe()
		integKey.Wipe()
		iv, plain := octets(3, ivLen(s)), octets(4, 48)
		one, two := make([]byte, 48+c.ICVLen()), make([]byte, 48+c.ICVLen())
		c.Seal(one, iv, plain, nil, trailFor(s))
		same.Seal(two, iv, plain, nil, trailFor(s))
		if !bytes.Equal(one, two) {
			t.Errorf("%s: wiping the caller's keys changes the Cipher", s.Proposal)
		}
	}
}

func TestNewCipherRefusesKeysOfTheWrongLength(t *testing.T) {
	for _, s := range sets(t) {
		for _, d := range []struct{ encr, integ int }{{-1, 0}, {1, 0}, {0, 1}} {
			if s.EncrKeyLen()+d.encr < 0 {
				continue
			}
			if _, err := s.NewCipher(make([]byte, s.EncrKeyLen()+d.encr), make([]byte, s.IntegKeyLen()+d.integ)); err == nil {
				t.Errorf("%s takes keys that are %d and %d octets too long", s.Proposal, d.encr, d.integ)
			}
		}
	}
	if _, err := (Set{}).NewCipher(nil, nil); err == nil {
		t.Error("the empty set makes a cipher")
	}
}

func TestWipeClearsTheSalt(t *testing.T) {
	c := newCipher(t, resolveOne(t, ESP, "aes128gcm16"), 1).(*combined)
	nonce := c.nonce
	c.Wipe()
	if !bytes.Equal(nonce, make([]byte, len(nonce))) || c.aead != nil {
		t.Error("after Wipe the salt or the cipher is still there")
	}
	b := newCipher(t, sets(t)[0], 1).(*apart)
	b.Seal(make([]byte, 16+b.ICVLen()), make([]byte, 16), make([]byte, 16), nil, nil)
	b.Wipe()
	if b.sum != [64]byte{} || b.mac != nil || b.encrypt != nil || b.decrypt != nil {
		t.Error("after Wipe the last ICV or the cipher is still there")
	}
}

func TestCallersBugsPanic(t *testing.T) {
	gcm := newCipher(t, resolveOne(t, ESP, "aes128gcm16"), 1)
	apart := newCipher(t, resolveOne(t, ESP, "aes128-sha256"), 1)
	iiv := newCipher(t, resolveOne(t, ESP, "aes128gcm16iiv"), 1)
	null := newCipher(t, resolveOne(t, ESP, "null-sha256"), 1)
	for what, f := range map[string]func(){
		"combined mode seals with a trail":      func() { gcm.Seal(make([]byte, 32), make([]byte, 8), make([]byte, 16), nil, []byte{1}) },
		"combined mode seals with a short IV":   func() { gcm.Seal(make([]byte, 32), make([]byte, 7), make([]byte, 16), nil, nil) },
		"combined mode seals into no room":      func() { gcm.Seal(make([]byte, 31), make([]byte, 8), make([]byte, 16), nil, nil) },
		"CBC seals half a block":                func() { apart.Seal(make([]byte, 64), make([]byte, 16), make([]byte, 8), nil, nil) },
		"an implicit IV is not given":           func() { iiv.Seal(make([]byte, 32), nil, make([]byte, 16), nil, nil) },
		"NULL seals with an IV":                 func() { null.Seal(make([]byte, 64), make([]byte, 8), make([]byte, 16), nil, nil) },
		"CBC seals with the IV of another mode": func() { apart.Seal(make([]byte, 64), make([]byte, 8), make([]byte, 16), nil, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s without a panic", what)
				}
			}()
			f()
		}()
	}
}

func resolveOne(t testing.TB, p Protocol, words string) Set {
	t.Helper()
	s, err := Resolve(parse(t, p, words)[0])
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// RFC 7634 Appendix A, a whole ESP packet: the keys as KEYMAT has them, the salt last.
func TestESPPacketOfRFC7634(t *testing.T) {
	key := unhex(t, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3")
	iv := unhex(t, "1011121314151617")
	aad := unhex(t, "0102030400000005")
	plain := unhex(t, "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f10111213"+
		"1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204")
	want := unhex(t, "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f72aa71e7c4c4f64c9"+
		"befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43")
	c, err := resolveOne(t, ESP, "chacha20poly1305").NewCipher(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	c.Seal(got, iv, plain, aad, nil)
	if !bytes.Equal(got, want) {
		t.Errorf("the packet is\n%x, RFC 7634 has\n%x", got, want)
	}
}

// What the ICV covers, and in which order, against the standard library alone: RFC 4303 §2.8 and §2.2.1.
func TestEncryptThenAuthenticateAgainstTheStandardLibrary(t *testing.T) {
	encrKey, integKey := octets(1, 32), octets(2, 32)
	iv, plain, aad, trail := octets(3, 16), octets(4, 64), octets(5, 8), octets(6, 4)
	c, err := resolveOne(t, ESP, "aes256-sha256-esn").NewCipher(encrKey, integKey)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(encrKey)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain)
	mac := hmac.New(sha256.New, integKey)
	mac.Write(slices.Concat(aad, iv, want, trail))
	want = append(want, mac.Sum(nil)[:16]...)
	got := make([]byte, len(want))
	c.Seal(got, iv, plain, aad, trail)
	if !bytes.Equal(got, want) {
		t.Errorf("the packet is\n%x, want\n%x", got, want)
	}
}

func TestKeyLengths(t *testing.T) {
	for _, c := range []struct {
		words       string
		encr, integ int
	}{
		// "the KEYMAT requested for each AES-GCM key is 20 octets. The first 16 octets are the 128-bit AES key, and the
		// remaining four octets are used as the salt value in the nonce."  RFC 4106 §8.1
		{"aes128gcm16", 20, 0}, {"aes192gcm16", 28, 0}, {"aes256gcm16", 36, 0},
		{"chacha20poly1305", 36, 0}, // RFC 7634 §2
		// The salt of 3 octets of RFC 4309 §7.1, and the nonce of RFC 3686 §5.1.
		{"aes128ccm8", 19, 0}, {"aes192ccm12", 27, 0}, {"aes256ccm16", 35, 0}, {"camellia128ccm8", 19, 0},
		{"aes128ctr-sha256", 20, 32}, {"camellia256ctr-sha256", 36, 32}, {"aes256gmac", 36, 0}, {"chacha20poly1305iiv", 36, 0},
		{"3des-md5", 24, 16}, {"null-sha1_160", 0, 20}, {"aes128-aesxcbc", 16, 16}, {"aes128-aescmac", 16, 16}, {"aes128-sha256_96", 16, 32},
		{"aes128-sha1", 16, 20}, {"aes192-sha256", 24, 32}, {"aes256-sha384", 32, 48}, {"aes256-sha512", 32, 64},
	} {
		s := resolveOne(t, ESP, c.words)
		if s.EncrKeyLen() != c.encr || s.IntegKeyLen() != c.integ {
			t.Errorf("%s has keys of %d and %d octets, want %d and %d", c.words, s.EncrKeyLen(), s.IntegKeyLen(), c.encr, c.integ)
		}
	}
}

func TestSealAndOpenAllocateNothing(t *testing.T) {
	for _, s := range sets(t) {
		c := newCipher(t, s, 1)
		iv, aad, trail := make([]byte, ivLen(s)), make([]byte, 8), trailFor(s)
		plain, sealed, room := make([]byte, 1408), make([]byte, 1408+c.ICVLen()), make([]byte, 1408)
		if n := testing.AllocsPerRun(100, func() { c.Seal(sealed, iv, plain, aad, trail) }); n != 0 {
			t.Errorf("%s: Seal costs %v allocations, want none", s.Proposal, n)
		}
		failed := false
		if n := testing.AllocsPerRun(100, func() {
			_, err := c.Open(room, iv, sealed, aad, trail)
			failed = failed || err != nil
		}); n != 0 || failed {
			t.Errorf("%s: Open costs %v allocations, want none (failed: %v)", s.Proposal, n, failed)
		}
		sealed[0] ^= 1
		if n := testing.AllocsPerRun(100, func() { _, _ = c.Open(room, iv, sealed, aad, trail) }); n != 0 {
			t.Errorf("%s: refusing a packet costs %v allocations, want none", s.Proposal, n)
		}
	}
}

func TestTheFirstPacketAllocatesNothing(t *testing.T) {
	for _, s := range sets(t) {
		ciphers := make([]Cipher, 12)
		for i := range ciphers {
			ciphers[i] = newCipher(t, s, 1)
		}
		iv, aad, trail := make([]byte, ivLen(s)), make([]byte, 8), trailFor(s)
		plain, sealed := make([]byte, 64), make([]byte, 64+ciphers[0].ICVLen())
		next := 0
		if n := testing.AllocsPerRun(len(ciphers)-2, func() {
			ciphers[next].Seal(sealed, iv, plain, aad, trail)
			next++
		}); n != 0 {
			t.Errorf("%s: the first Seal of a Cipher costs %v allocations, want none", s.Proposal, n)
		}
	}
}

func BenchmarkCipher(b *testing.B) {
	for _, s := range sets(b) {
		c := newCipher(b, s, 1)
		iv, aad, trail := make([]byte, ivLen(s)), make([]byte, 8), trailFor(s)
		for _, size := range []int{64, 576, 1408, 8992} {
			size -= size % c.Align()
			plain, sealed, room := make([]byte, size), make([]byte, size+c.ICVLen()), make([]byte, size)
			c.Seal(sealed, iv, plain, aad, trail)
			b.Run(fmt.Sprintf("%s/seal/%d", s.Proposal.algorithms(), size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					c.Seal(sealed, iv, plain, aad, trail)
				}
			})
			b.Run(fmt.Sprintf("%s/open/%d", s.Proposal.algorithms(), size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Open(room, iv, sealed, aad, trail); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkNewCipher(b *testing.B) {
	for _, s := range sets(b) {
		encrKey, integKey := octets(1, s.EncrKeyLen()), octets(2, s.IntegKeyLen())
		b.Run(s.Proposal.algorithms(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.NewCipher(encrKey, integKey); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
