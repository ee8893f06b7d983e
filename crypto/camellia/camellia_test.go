package camellia

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

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

// vectors are published known answers of one block.
var vectors = []struct{ source, key, plain, ciphered string }{
	{"RFC 3713 Appendix A, 128 bits", "0123456789abcdeffedcba9876543210", "0123456789abcdeffedcba9876543210", "67673138549669730857065648eabe43"},
	{"RFC 3713 Appendix A, 192 bits", "0123456789abcdeffedcba98765432100011223344556677", "0123456789abcdeffedcba9876543210", "b4993401b3e996f84ee5cee7d79b09b9"},
	{"RFC 3713 Appendix A, 256 bits", "0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff", "0123456789abcdeffedcba9876543210", "9acc237dff16d76c20ef7c919e3a7509"},
	{"OpenSSL, evpciph_camellia.txt, CAMELLIA-128-ECB", "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "77cf412067af8270613529149919546f"},
	{"OpenSSL, evpciph_camellia.txt, CAMELLIA-192-ECB", "000102030405060708090a0b0c0d0e0f1011121314151617", "00112233445566778899aabbccddeeff", "b22f3c36b72d31329eee8addc2906c68"},
	{"OpenSSL, evpciph_camellia.txt, CAMELLIA-256-ECB", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "00112233445566778899aabbccddeeff", "2edf1f3418d53b88841fc8985fb1ecf2"},
}

func newCipher(t testing.TB, key []byte) *Cipher {
	t.Helper()
	c, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors {
		c := newCipher(t, unhex(t, v.key))
		plain, want := unhex(t, v.plain), unhex(t, v.ciphered)
		got := make([]byte, BlockSize)
		if c.Encrypt(got, plain); !bytes.Equal(got, want) {
			t.Errorf("%s: enciphered it is %x, the source has %x", v.source, got, want)
		}
		if c.Decrypt(got, want); !bytes.Equal(got, plain) {
			t.Errorf("%s: deciphered it is %x, the source has %x", v.source, got, plain)
		}
	}
}

// The circuit is the table that RFC 3713 §2.4.1 prints, for which this is an independent way to it: the affine maps and the
// inversion of the specification's appendix A.3, bit by bit, in GF(2^8) as it is.
func TestSBox(t *testing.T) {
	for x := range 256 {
		var p planes
		for i := range p {
			p[i] = uint64(x) >> i & 1
		}
		p.sbox1()
		got := byte(0)
		for i := range p {
			got |= byte(p[i]&1) << i
		}
		if want := simpleSBox1[x]; got != want {
			t.Errorf("SBOX1[%#x] is %#x, want %#x", x, got, want)
		}
	}
	if first := unhex(t, "70822cecb327c0e5e4855735ea0cae41"); !bytes.Equal(simpleSBox1[:16], first) {
		t.Errorf("the test's own SBOX1 begins with %x, RFC 3713 has %x", simpleSBox1[:16], first)
	}
}

func TestTranspose(t *testing.T) {
	for b := range 8 {
		for i := range 8 {
			for octet := range 8 {
				var w planes
				w[b] = 1 << (8*octet + i)
				transpose(&w)
				var want planes
				if want[i] = 1 << (8*octet + b); w != want {
					t.Fatalf("bit %d of octet %d of word %d goes to %x", i, octet, b, w)
				}
			}
			if got, want := transposeOne(1<<(8*b+i)), uint64(1)<<(8*i+b); got != want {
				t.Fatalf("bit %d of octet %d goes to %x, want %x", i, b, got, want)
			}
		}
	}
}

func TestKeySizes(t *testing.T) {
	for n := range 40 {
		_, err := New(make([]byte, n))
		if ok := n == 16 || n == 24 || n == 32; ok != (err == nil) {
			t.Errorf("a key of %d octets gives the error %v", n, err)
		} else if size := KeySizeError(0); !ok && (!errors.As(err, &size) || int(size) != n) {
			t.Errorf("a key of %d octets is refused with %v", n, err)
		}
	}
}

func TestWipe(t *testing.T) {
	c := newCipher(t, make([]byte, 32))
	rounds := c.encrypt.round
	if s := fmt.Sprintf("%v %x", c, c); s != "[redacted] [redacted]" {
		t.Errorf("a Cipher prints as %q", s)
	}
	c.Wipe()
	for _, k := range rounds {
		if k != 0 {
			t.Fatal("the subkeys outlive Wipe")
		}
	}
	block := make([]byte, 8*BlockSize)
	for what, f := range map[string]func(){
		"Encrypt":       func() { c.Encrypt(block, block) },
		"Decrypt":       func() { c.Decrypt(block, block) },
		"EncryptBlocks": func() { c.EncryptBlocks(block, block) },
		"DecryptBlocks": func() { c.DecryptBlocks(block, block) },
	} {
		mustPanic(t, what+" after Wipe", f)
	}
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s goes on", what)
		}
	}()
	f()
}

// compare holds the cipher, in all the ways it can be used, to the simple one.
func compare(t *testing.T, key, data []byte) {
	c, simple := newCipher(t, key), newSimple(key)
	data = data[:len(data)/BlockSize*BlockSize]
	want := make([]byte, len(data))
	for i := 0; i < len(data); i += BlockSize {
		simple.encrypt(want[i:], data[i:])
	}
	got := make([]byte, len(data))
	for i := 0; i < len(data); i += BlockSize {
		c.Encrypt(got[i:], data[i:])
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("block by block %x, the specification has %x", got, want)
	}
	if c.EncryptBlocks(got, data); !bytes.Equal(got, want) {
		t.Fatalf("all at once %x, the specification has %x", got, want)
	}
	if c.DecryptBlocks(got, got); !bytes.Equal(got, data) {
		t.Fatalf("%x is deciphered to %x", data, got)
	}
	compareCBC(t, c, key, data)
}

func compareCBC(t *testing.T, c *Cipher, key, data []byte) {
	encrypt, decrypt, err := NewCBC(key)
	if err != nil {
		t.Fatal(err)
	}
	iv := bytes.Repeat([]byte{7}, BlockSize)
	want, got := make([]byte, len(data)), bytes.Clone(data)
	cipher.NewCBCEncrypter(c, iv).CryptBlocks(want, data)
	encrypt.SetIV(iv)
	if encrypt.CryptBlocks(got, got); !bytes.Equal(got, want) {
		t.Fatalf("in CBC it is %x, want %x", got, want)
	}
	// In two calls: the second goes on where the first ended.
	cut := len(data) / 2 / BlockSize * BlockSize
	decrypt.SetIV(iv)
	decrypt.CryptBlocks(got[:cut], got[:cut])
	if decrypt.CryptBlocks(got[cut:], want[cut:]); !bytes.Equal(got, data) {
		t.Fatalf("from CBC it is deciphered to %x, want %x", got, data)
	}
}

func TestAgainstTheSpecification(t *testing.T) {
	for _, n := range []int{16, 24, 32} {
		for blocks := range 30 {
			key, data := make([]byte, n), make([]byte, blocks*BlockSize)
			for i := range key {
				key[i] = byte(i*31 + blocks)
			}
			for i := range data {
				data[i] = byte(i*7 + n)
			}
			compare(t, key, data)
		}
	}
}

func FuzzAgainstTheSpecification(f *testing.F) {
	f.Add(make([]byte, 32), make([]byte, 9*BlockSize))
	f.Add([]byte("0123456789abcdef"), bytes.Repeat([]byte{0xff}, 3*BlockSize))
	f.Fuzz(func(t *testing.T, key, data []byte) {
		for _, n := range []int{32, 24, 16} {
			if len(key) >= n {
				compare(t, key[:n], data)
				return
			}
		}
	})
}

func TestCallersBugsPanic(t *testing.T) {
	c := newCipher(t, make([]byte, 16))
	encrypt, decrypt, err := NewCBC(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func(){
		"half a block":          func() { c.EncryptBlocks(make([]byte, 24), make([]byte, 24)) },
		"no room":               func() { c.DecryptBlocks(make([]byte, 16), make([]byte, 32)) },
		"half a block of CBC":   func() { decrypt.CryptBlocks(make([]byte, 24), make([]byte, 24)) },
		"no room for CBC":       func() { decrypt.CryptBlocks(make([]byte, 16), make([]byte, 32)) },
		"a short IV":            func() { decrypt.SetIV(make([]byte, 8)) },
		"a short IV to encrypt": func() { encrypt.SetIV(make([]byte, 8)) },
	} {
		mustPanic(t, what, f)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	c := newCipher(t, make([]byte, 16))
	encrypt, decrypt, err := NewCBC(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	buf, iv := make([]byte, 27*BlockSize), make([]byte, BlockSize)
	if n := testing.AllocsPerRun(20, func() {
		c.EncryptBlocks(buf, buf)
		c.DecryptBlocks(buf, buf)
		c.Encrypt(buf, buf)
		encrypt.SetIV(iv)
		encrypt.CryptBlocks(buf, buf)
		decrypt.SetIV(iv)
		decrypt.CryptBlocks(buf, buf)
	}); n != 0 {
		t.Errorf("ciphering costs %v allocations, want none", n)
	}
}

func BenchmarkCamellia(b *testing.B) {
	buf := make([]byte, 1408)
	c := newCipher(b, make(secret.Bytes, 16))
	for name, f := range map[string]func(){
		"one by one": func() {
			for i := 0; i < len(buf); i += BlockSize {
				c.Encrypt(buf[i:], buf[i:])
			}
		},
		"at once": func() { c.EncryptBlocks(buf, buf) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				f()
			}
		})
	}
}
