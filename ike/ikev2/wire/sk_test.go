package wire

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// stdGCM and stdCBC are the two kinds of suite.Cipher straight from the standard library, so that what is sealed here is
// not judged by the code that the endpoint seals with.
type stdGCM struct {
	aead cipher.AEAD
	salt []byte
}

func newStdGCM(t testing.TB) suite.Cipher {
	block, err := aes.NewCipher(bytes.Repeat([]byte{0x42}, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return &stdGCM{aead, []byte{1, 2, 3, 4}}
}

func (c *stdGCM) IVLen() int     { return 8 }
func (c *stdGCM) ICVLen() int    { return 16 }
func (c *stdGCM) Align() int     { return 1 }
func (c *stdGCM) RandomIV() bool { return false }
func (c *stdGCM) Wipe()          {}

func (c *stdGCM) Seal(dst, iv, plaintext, aad, trail []byte) {
	if len(trail) != 0 {
		panic("trail for an AEAD")
	}
	c.aead.Seal(dst[:0], append(c.salt[:4:4], iv...), plaintext, aad)
}

func (c *stdGCM) Open(dst, iv, text, aad, trail []byte) (int, error) {
	p, err := c.aead.Open(dst[:0], append(c.salt[:4:4], iv...), text, aad)
	if err != nil {
		return 0, suite.ErrAuth
	}
	return len(p), nil
}

type stdCBC struct {
	block cipher.Block
	key   []byte
}

func newStdCBC(t testing.TB) suite.Cipher {
	block, err := aes.NewCipher(bytes.Repeat([]byte{0x24}, 16))
	if err != nil {
		t.Fatal(err)
	}
	return &stdCBC{block, []byte("integrity key")}
}

func (c *stdCBC) IVLen() int     { return 16 }
func (c *stdCBC) ICVLen() int    { return 16 }
func (c *stdCBC) Align() int     { return 16 }
func (c *stdCBC) RandomIV() bool { return true }
func (c *stdCBC) Wipe()          {}

func (c *stdCBC) icv(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, c.key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)[:16]
}

func (c *stdCBC) Seal(dst, iv, plaintext, aad, trail []byte) {
	n := len(plaintext)
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(dst[:n], plaintext)
	copy(dst[n:], c.icv(aad, iv, dst[:n], trail))
}

func (c *stdCBC) Open(dst, iv, text, aad, trail []byte) (int, error) {
	n := len(text) - 16
	if !hmac.Equal(text[n:], c.icv(aad, iv, text[:n], trail)) {
		return 0, suite.ErrAuth
	}
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(dst[:n], text[:n])
	return n, nil
}

type testCipher struct {
	name string
	make func() suite.Cipher
}

func testCiphers(t testing.TB) []testCipher {
	return []testCipher{
		{"AEAD", func() suite.Cipher { return newStdGCM(t) }},
		{"encr+integ", func() suite.Cipher { return newStdCBC(t) }},
	}
}

// counted gives 1, 2, 3 … as octets.
type counted struct{ n byte }

func (r *counted) Read(p []byte) (int, error) {
	for i := range p {
		r.n++
		p[i] = r.n
	}
	return len(p), nil
}

func authRequest() *Message {
	return &Message{
		Header: header.Header{Initiator: header.SPI{1, 2, 3, 4, 5, 6, 7, 8}, Responder: header.SPI{0xa1}, Major: 2,
			Exchange: header.IKEAuth, Flags: header.Initiator, MessageID: 1},
		Payloads: []Payload{
			&IDi{ID{IDType: 2, Data: []byte("moon.example.org")}},
			&AUTH{Method: AuthSharedKeyMIC, Data: bytes.Repeat([]byte{0x55}, 32)},
			NewSA([]suite.Proposal{{Protocol: suite.ESP, Transforms: []suite.Transform{encr(20, 256), esn(0)}}}, AppendSPI(nil, 0xc0000001)),
			NewTSi(ts(0, 0, 65535, "10.1.0.0", "10.1.255.255")),
			NewTSr(ts(0, 0, 65535, "10.2.0.0", "10.2.255.255")),
			&Notify{NotifyType: InitialContact},
		},
	}
}

func mustSeal(t testing.TB, m *Message, c suite.Cipher) []byte {
	t.Helper()
	b, err := Seal(m, c, NewIVs(c, rand.NewChaCha8([32]byte{1})), nil)
	if err != nil {
		t.Fatalf("the message was not sealed: %v", err)
	}
	return b
}

func TestSealOpen(t *testing.T) {
	for _, tc := range testCiphers(t) {
		t.Run(tc.name, func(t *testing.T) {
			for name, m := range map[string]*Message{
				"IKE_AUTH": authRequest(),
				"empty":    {Header: header.Header{Major: 2, Exchange: header.Informational, Flags: header.Response, MessageID: 9}},
			} {
				c := tc.make()
				b := mustSeal(t, m, c)
				before := bytes.Clone(b)
				got, err := Open(b, tc.make())
				if err != nil {
					t.Fatalf("%s: what was sealed does not open: %v", name, err)
				}
				if got.String() != m.String() || !bytes.Equal(got.AppendTo(nil), m.AppendTo(nil)) {
					t.Errorf("%s: what was opened is another message:\n%v\n%v", name, got, m)
				}
				if !bytes.Equal(b, before) {
					t.Errorf("%s: Open wrote to the datagram", name)
				}
				closed, err := Parse(b)
				if err != nil || closed.Summary() != "E" {
					t.Errorf("%s: closed, the message is %v, %v", name, closed, err)
				}
			}
		})
	}
}

// TestSealedOctets builds a protected message by hand (RFC 7296 §3.14, RFC 5282 §5.1) and wants Seal to make the same.
func TestSealedOctets(t *testing.T) {
	m := &Message{
		Header:   header.Header{Initiator: header.SPI{1}, Responder: header.SPI{2}, Major: 2, Exchange: header.Informational, Flags: header.Initiator, MessageID: 3},
		Payloads: []Payload{&Delete{Protocol: suite.ESP, SPIs: []uint32{0xc0000001}}},
	}
	inner := "00 00 00 0c 03 04 00 01 c0 00 00 01"
	for _, tc := range []struct {
		name        string
		c           suite.Cipher
		head, iv    string
		plain, icvs string
	}{
		{
			name: "AEAD", c: newStdGCM(t),
			head:  "0100000000000000 0200000000000000 2e 20 25 08 00000003 00000045   2a 00 00 29",
			iv:    "0102030405060708",
			plain: inner + "00", // no padding
		},
		{
			name: "encr+integ", c: newStdCBC(t),
			head:  "0100000000000000 0200000000000000 2e 20 25 08 00000003 00000050   2a 00 00 34",
			iv:    "0102030405060708090a0b0c0d0e0f10",
			plain: inner + "000000 03",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			head, iv, plain := unhex(t, tc.head), unhex(t, tc.iv), unhex(t, tc.plain)
			text := make([]byte, len(plain)+tc.c.ICVLen())
			tc.c.Seal(text, iv, plain, head, nil)
			want := append(append([]byte("before"), head...), append(iv, text...)...)
			got, err := Seal(m, tc.c, &counted{}, []byte("before"))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("sealed, the message is %v\n%x\nwant\n%x", err, got, want)
			}
		})
	}
}

// TestTampering changes each octet of a protected message, and cuts it at each, and wants nothing of it believed.
func TestTampering(t *testing.T) {
	for _, tc := range testCiphers(t) {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.make()
			m := authRequest()
			m.Outer = []Payload{&VendorID{Data: []byte("outside")}}
			b := mustSeal(t, m, c)
			refused := func(what string, i int, b []byte) {
				got, err := Open(b, c)
				var e *Error
				if err == nil || got != nil || errors.As(err, &e) && (e.Protected || e.Notify() != nil && e.Reason != Version) {
					t.Errorf("%s at octet %d of %d was believed: %v, %v", what, i, len(b), got, err)
				}
			}
			for i := range b {
				refused("a cut", i, b[:i])
				for _, bit := range []byte{1, 0x80} {
					bad := bytes.Clone(b)
					bad[i] ^= bit
					refused("a changed bit", i, bad)
				}
				if i > header.Len {
					short := bytes.Clone(b[:i])
					binary.BigEndian.PutUint32(short[24:], uint32(i))
					refused("a cut with the right length", i, short)
				}
			}
			refused("an octet more", len(b), append(bytes.Clone(b), 0))
		})
	}
}

func TestOpenRefusesWhatIsNotClosed(t *testing.T) {
	c := newStdGCM(t)
	var e *Error
	for name, b := range map[string][]byte{
		"a message in the clear": firstRequest().AppendTo(nil),
		"an empty message":       (&Message{Header: header.Header{Major: 2}}).AppendTo(nil),
		"a fragment":             message(TypeSKF, unhex(t, "23 00 00 24 00010001"+strings.Repeat("00", 28))),
		"an SK without room":     message(TypeSK, unhex(t, "23 00 00 1c"+strings.Repeat("00", 24))),
		"an empty SK":            message(TypeSK, unhex(t, "23 00 00 04")),
	} {
		if m, err := Open(b, c); m != nil || !errors.As(err, &e) || e.Protected {
			t.Errorf("%s was opened as %v, %v", name, m, err)
		}
	}
	b := message(TypeSK, unhex(t, "23 00 00 34"+strings.Repeat("00", 48)))
	if m, err := Open(b, newStdCBC(t)); m != nil || err != ErrIntegrity {
		t.Errorf("an SK of zeros was opened as %v, %v", m, err)
	}
	b = message(TypeSK, unhex(t, "23 00 00 35"+strings.Repeat("00", 49)))
	if m, err := Open(b, newStdCBC(t)); m != nil || !errors.As(err, &e) || e.Reason != BadLength {
		t.Errorf("an SK that is not a whole number of blocks was opened as %v, %v", m, err)
	}
}

// sealRaw protects octets as they are, padding and Pad Length included.
func sealRaw(t testing.TB, c suite.Cipher, first PayloadType, plain []byte) []byte {
	body := make([]byte, c.IVLen()+len(plain)+c.ICVLen())
	b := message(TypeSK, append([]byte{uint8(first), 0, byte((len(body) + 4) >> 8), byte(len(body) + 4)}, body...))
	at := header.Len + 4
	if _, err := io.ReadFull(&counted{}, b[at:at+c.IVLen()]); err != nil {
		t.Fatal(err)
	}
	iv := b[at : at+c.IVLen()]
	c.Seal(b[at+c.IVLen():], iv, plain, b[:at:at], nil)
	return b
}

func TestPadding(t *testing.T) {
	notify := []byte{0, 0, 0, 8, 0, 0, 0x40, 0}
	for _, tc := range testCiphers(t) {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.make()
			for pad := range 256 {
				plain := append(bytes.Clone(notify), bytes.Repeat([]byte{0xee}, pad)...)
				plain = append(plain, byte(pad))
				if len(plain)%c.Align() != 0 {
					continue
				}
				m, err := Open(sealRaw(t, c, TypeNotify, plain), c)
				if err != nil || m.Summary() != "N(INIT_CONTACT)" {
					t.Errorf("padding of %d octets gave %v, %v; any length that aligns is to be taken", pad, m, err)
				}
			}
			// Pad Length beyond the content.
			plain := make([]byte, 16)
			plain[15] = 16
			_, err := Open(sealRaw(t, c, TypeNone, plain), c)
			var e *Error
			if !errors.As(err, &e) || !e.Protected || e.Reason != BadLength || e.Notify().NotifyType != InvalidSyntax {
				t.Errorf("Pad Length 16 in 16 octets gave %v, want a protected INVALID_SYNTAX", err)
			}
			plain[15] = 15
			if m, err := Open(sealRaw(t, c, TypeNone, plain), c); err != nil || len(m.Payloads) != 0 {
				t.Errorf("an empty message with 15 octets of padding gave %v, %v", m, err)
			}
		})
	}
}

func TestPaddingIsTheLeast(t *testing.T) {
	for _, tc := range []struct{ n, align, want int }{
		{0, 1, 0}, {5, 1, 0}, {5, 0, 0}, {0, 16, 15}, {15, 16, 0}, {16, 16, 15}, {14, 16, 1}, {3, 4, 0}, {4, 4, 3},
	} {
		if got := padding(tc.n, tc.align); got != tc.want || tc.align > 0 && (tc.n+got+1)%tc.align != 0 {
			t.Errorf("%d octets aligned to %d get %d octets of padding, want %d", tc.n, tc.align, got, tc.want)
		}
	}
}

func TestProtectedSyntaxErrors(t *testing.T) {
	c := newStdGCM(t)
	var e *Error
	for _, tc := range []struct {
		name   string
		first  PayloadType
		plain  string
		reason Reason
		notify NotifyType
	}{
		{"bad payload", TypeNonce, "00 00 00 05 01 00", BadLength, InvalidSyntax},
		{"octets behind the last payload", TypeNone, "01 02 03 00", BadLength, InvalidSyntax},
		{"SK within SK", TypeSK, "00 00 00 04 00", Misplaced, InvalidSyntax},
		{"SKF within SK", TypeSKF, "00 00 00 08 00010001 00", Misplaced, InvalidSyntax},
		{"critical payload", 99, "00 80 00 04 00", Critical, UnsupportedCriticalPayload},
	} {
		m, err := Open(sealRaw(t, c, tc.first, unhex(t, tc.plain)), c)
		if !errors.As(err, &e) || !e.Protected || e.Reason != tc.reason || e.Notify() == nil || e.Notify().NotifyType != tc.notify {
			t.Errorf("%s gave %v, want a protected error that is answered with %v", tc.name, err, tc.notify)
			continue
		}
		if e.Offset < header.Len+4+8 {
			t.Errorf("%s is reported at octet %d, before the content", tc.name, e.Offset)
		}
		if (m != nil) != (tc.reason == Critical) {
			t.Errorf("%s comes with the message %v", tc.name, m)
		}
	}
}

func TestOuterPayloads(t *testing.T) {
	for _, tc := range testCiphers(t) {
		t.Run(tc.name, func(t *testing.T) {
			m := authRequest()
			m.Outer = []Payload{&Notify{NotifyType: Cookie, Data: []byte{1, 2, 3}}, &Unknown{T: 99, Body: []byte{4}}}
			c := tc.make()
			b := mustSeal(t, m, c)
			got, err := Open(b, c)
			if err != nil {
				t.Fatalf("the message was refused: %v", err)
			}
			if got.Notify(Cookie) != nil {
				t.Error("a payload that was not encrypted is found among those that were")
			}
			if len(got.Outer) != 2 || len(got.Payloads) != len(m.Payloads) {
				t.Fatalf("%d outer and %d inner payloads, want 2 and %d", len(got.Outer), len(got.Payloads), len(m.Payloads))
			}
			if !strings.HasPrefix(got.Summary(), "N(COOKIE) UNKN(99) IDi ") || !strings.HasPrefix(got.Detail()[0], "N COOKIE") {
				t.Errorf("the outer payloads are not shown: %s", got.Summary())
			}
			want := got.AppendTo(nil)
			clear(b)
			if !bytes.Equal(got.AppendTo(nil), want) {
				t.Error("the message changed with the datagram's memory")
			}
			m.Outer = []Payload{&Unknown{T: 99, Critical: true}}
			var e *Error
			if got, err = Open(mustSeal(t, m, c), c); !errors.As(err, &e) || e.Reason != Critical || !e.Protected || got == nil {
				t.Errorf("a critical payload outside gave %v, %v", got, err)
			}
		})
	}
}

func TestIVs(t *testing.T) {
	gcm := newStdGCM(t)
	ivs := NewIVs(gcm, nil) // a nil reader: an AEAD must not ask for randomness
	seen := map[string]bool{}
	for range 1000 {
		b, err := Seal(authRequest(), gcm, ivs, nil)
		if err != nil {
			t.Fatalf("no IV: %v", err)
		}
		iv := string(b[header.Len+4:][:8])
		if seen[iv] {
			t.Fatalf("the IV %x came twice", iv)
		}
		seen[iv] = true
	}
	last := &IVCounter{used: math.MaxUint64 - 1}
	if _, err := Seal(authRequest(), gcm, last, nil); err != nil {
		t.Errorf("the last IV was not given: %v", err)
	}
	if b, err := Seal(authRequest(), gcm, last, nil); !errors.Is(err, ErrIVs) || b != nil {
		t.Errorf("after the last IV came %x, %v", b, err)
	}
	if _, err := (&IVCounter{}).Read(make([]byte, 7)); err == nil {
		t.Error("an IV of 7 octets was made from a counter of 8")
	}
	wide := make([]byte, 12)
	if n, err := (&IVCounter{used: 0x0102}).Read(wide); n != 12 || err != nil || !bytes.Equal(wide, []byte{11: 3, 10: 1}) {
		t.Errorf("a wide IV is %x, %d, %v", wide, n, err)
	}
	random := &counted{}
	if got := NewIVs(newStdCBC(t), random); got != io.Reader(random) {
		t.Errorf("CBC takes its IVs from %T, not from the random source", got)
	}
	if _, err := Seal(authRequest(), newStdCBC(t), strings.NewReader("short"), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that runs dry gave %v", err)
	}
}

func TestSealWritesNoPlaintext(t *testing.T) {
	for _, tc := range testCiphers(t) {
		c := tc.make()
		if b := mustSeal(t, authRequest(), c); bytes.Contains(b, []byte("moon")) {
			t.Errorf("%s: the identity is to be read in the protected message", tc.name)
		}
	}
}

// TestFragments cuts a message into fragments of every size and puts them together in other orders.
func TestFragments(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, tc := range testCiphers(t) {
		t.Run(tc.name, func(t *testing.T) {
			m := authRequest()
			m.Payloads = append(m.Payloads, &CERT{Encoding: CertX509Signature, Data: bytes.Repeat([]byte("certificate "), 100)})
			c := tc.make()
			ivs := NewIVs(c, rand.NewChaCha8([32]byte{2}))
			for size := 80; size < 1700; size += 7 {
				frags, err := SealFragments(m, c, ivs, size)
				if err != nil {
					if size > 120 {
						t.Errorf("fragments of %d octets cannot be made: %v", size, err)
					}
					continue
				}
				rng.Shuffle(len(frags), func(i, j int) { frags[i], frags[j] = frags[j], frags[i] })
				checkFragments(t, c, m, frags, size)
			}
		})
	}
}

func checkFragments(t *testing.T, c suite.Cipher, m *Message, frags [][]byte, size int) {
	t.Helper()
	var r Reassembly
	for i, b := range frags {
		if len(b) > size {
			t.Errorf("a fragment has %d octets, more than %d", len(b), size)
		}
		if !IsFragment(b) {
			t.Fatalf("fragment %d is not recognised", i)
		}
		f, err := OpenFragment(b, c)
		if err != nil {
			t.Fatalf("fragment %d of size %d does not open: %v", i, size, err)
		}
		got, err := r.Add(f)
		if err != nil {
			t.Fatalf("fragment %d of size %d was refused: %v", i, size, err)
		}
		if i < len(frags)-1 {
			if got != nil || r.Missing() != len(frags)-1-i {
				t.Fatalf("after %d of %d fragments there is %v, with %d missing", i+1, len(frags), got, r.Missing())
			}
			if again, err := r.Add(f); again != nil || err != nil {
				t.Fatalf("a fragment that came twice gave %v, %v", again, err)
			}
			continue
		}
		if got == nil || !reflect.DeepEqual(got.Summary(), m.Summary()) || !bytes.Equal(got.AppendTo(nil), m.AppendTo(nil)) {
			t.Fatalf("put together, the message is %v, want %v", got, m)
		}
		if r.Missing() != 0 || r.parts != nil {
			t.Error("the reassembly is not empty afterwards")
		}
	}
}

func TestFragmentRules(t *testing.T) {
	c := newStdGCM(t)
	ivs := NewIVs(c, nil)
	m := authRequest()
	m.Outer = []Payload{&VendorID{Data: []byte("outside")}}
	coarse, err := SealFragments(m, c, ivs, 200)
	if err != nil {
		t.Fatalf("no fragments: %v", err)
	}
	fine, err := SealFragments(m, c, ivs, 120)
	if err != nil || len(fine) <= len(coarse) {
		t.Fatalf("%d and %d fragments, %v", len(coarse), len(fine), err)
	}
	for i, b := range fine {
		closed, err := Parse(b)
		if err != nil {
			t.Fatalf("closed, fragment %d is refused: %v", i, err)
		}
		skf := First[*SKF](closed)
		if skf == nil || int(skf.Number) != i+1 || int(skf.Total) != len(fine) || (skf.First == TypeIDi) != (i == 0) || (len(closed.Payloads) == 2) != (i == 0) {
			t.Errorf("fragment %d is %v with first payload %v", i, closed, skf.First)
		}
	}
	open := func(b []byte) *Fragment {
		f, err := OpenFragment(b, c)
		if err != nil {
			t.Fatalf("a fragment does not open: %v", err)
		}
		return f
	}
	// RFC 7383 §2.6: with smaller fragments of the same message it starts over, and larger ones are then too late.
	var r Reassembly
	steps := append([][]byte{coarse[0], fine[0], coarse[1]}, fine[1:]...)
	var got *Message
	for i, b := range steps {
		if got, err = r.Add(open(b)); err != nil || got != nil && i < len(steps)-1 {
			t.Fatalf("step %d gave %v, %v", i, got, err)
		}
	}
	if got == nil || got.Summary() != m.Summary() || len(got.Outer) != 1 {
		t.Errorf("put together, the message is %v", got)
	}
	for i := range fine[1] {
		bad := bytes.Clone(fine[1])
		bad[i] ^= 1
		var e *Error
		if f, err := OpenFragment(bad, c); err == nil || f != nil || errors.As(err, &e) && e.Protected {
			t.Errorf("a fragment with octet %d changed was believed: %v", i, err)
		}
	}
	for _, size := range []int{-1, 0, 28, 28 + 8 + 8 + 16, 28 + 8 + 8 + 16 + 1} {
		if frags, err := SealFragments(m, c, ivs, size); !errors.Is(err, ErrFragmentSize) {
			t.Errorf("fragments of %d octets: %d, %v", size, len(frags), err)
		}
	}
	if IsFragment(mustSeal(t, m, c)) || IsFragment(nil) || IsFragment(firstRequest().AppendTo(nil)) {
		t.Error("something is taken for a fragment that is none")
	}
}

func TestReassemblyIsBounded(t *testing.T) {
	var r Reassembly
	big := make([]byte, 60000)
	if m, err := r.Add(&Fragment{Number: 1, Total: 3, content: big}); m != nil || err != nil {
		t.Fatalf("the first fragment gave %v, %v", m, err)
	}
	var e *Error
	if m, err := r.Add(&Fragment{Number: 2, Total: 3, content: big}); m != nil || !errors.As(err, &e) || e.Reason != TooMany {
		t.Errorf("120 KB of fragments gave %v, %v", m, err)
	}
	if r.parts != nil {
		t.Error("the fragments are kept after that")
	}
	// What does not parse when it is whole is the peer's fault.
	if m, err := r.Add(&Fragment{Number: 1, Total: 1, first: TypeNonce, content: []byte{0, 0, 0, 5, 1}}); m != nil || !errors.As(err, &e) || !e.Protected {
		t.Errorf("a bad payload in fragments gave %v, %v", m, err)
	}
	if m, err := r.Add(&Fragment{Number: 1, Total: 1, first: 99, content: []byte{0, 0x80, 0, 4}}); m == nil || !errors.As(err, &e) || e.Reason != Critical || !e.Protected {
		t.Errorf("a critical payload in fragments gave %v, %v", m, err)
	}
}
