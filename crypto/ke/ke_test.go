package ke

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cloudflare/circl/dh/x448"

	"github.com/goswan/goswan/crypto/montgomery"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
)

func row(t *testing.T, id uint16) *Transform {
	t.Helper()
	r, ok := Lookup(id)
	if !ok {
		t.Fatalf("the table has no row %d", id)
	}
	return r
}

func initiateRow(t *testing.T, r *Transform, rand io.Reader) Initiator {
	t.Helper()
	i, err := r.Initiate(rand)
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return i
}

// seeded is a deterministic source for a test.
func seeded(seed uint64) io.Reader {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	return rand.NewChaCha8(key)
}

// TestConformance holds every usable row to what the table promises of it.
func TestConformance(t *testing.T) {
	for n := range Transforms {
		r := &Transforms[n]
		if !r.Status.Usable() {
			continue
		}
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			i := initiateRow(t, r, seeded(1))
			if len(i.Public()) != r.PublicLen {
				t.Errorf("the initiator's value has %d octets, the row says %d", len(i.Public()), r.PublicLen)
			}
			reply, k, err := r.Respond(seeded(2), i.Public())
			if err != nil {
				t.Fatal(err)
			}
			if len(reply) != r.ReplyLen || len(k) != r.SharedLen {
				t.Errorf("the reply has %d and the secret %d octets, the row says %d and %d", len(reply), len(k), r.ReplyLen, r.SharedLen)
			}
			if k2, err := i.Finish(reply); err != nil || !k2.Equal(k) {
				t.Errorf("the two sides do not agree on the secret (%v)", err)
			}
			sameOctetsSameKey(t, r, i, reply)
			differentOctetsDifferentKey(t, r, i)
			badLengths(t, r, i)
			badSources(t, r, i)
			i.Wipe()
			if _, err := i.Finish(reply); !errors.Is(err, ErrWiped) {
				t.Errorf("after Wipe the initiator still finishes: %v", err)
			}
			i.Wipe()
		})
	}
}

func sameOctetsSameKey(t *testing.T, r *Transform, i Initiator, reply []byte) {
	if again := initiateRow(t, r, seeded(1)); !bytes.Equal(again.Public(), i.Public()) {
		t.Error("the same octets of randomness make another initiator")
	}
	if again, _, err := r.Respond(seeded(2), i.Public()); err != nil || !bytes.Equal(again, reply) {
		t.Errorf("the same octets of randomness make another responder (%v)", err)
	}
}

func differentOctetsDifferentKey(t *testing.T, r *Transform, i Initiator) {
	if other := initiateRow(t, r, seeded(3)); bytes.Equal(other.Public(), i.Public()) {
		t.Error("other octets of randomness make the same initiator")
	}
}

func badLengths(t *testing.T, r *Transform, i Initiator) {
	for _, n := range []int{0, 1, r.PublicLen - 1, r.PublicLen + 1, 2 * r.PublicLen} {
		if _, _, err := r.Respond(seeded(4), make([]byte, n)); !errors.Is(err, ErrPublicValue) {
			t.Errorf("the responder takes a public value of %d octets: %v", n, err)
		}
	}
	for _, n := range []int{0, 1, r.ReplyLen - 1, r.ReplyLen + 1, 2 * r.ReplyLen} {
		if _, err := i.Finish(make([]byte, n)); !errors.Is(err, ErrPublicValue) {
			t.Errorf("the initiator takes a public value of %d octets: %v", n, err)
		}
	}
}

// stuck is a source of the one octet that it is.
type stuck byte

func (s stuck) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s)
	}
	return len(b), nil
}

// badSources are those that end, and those whose octets make no key however often they are drawn.
func badSources(t *testing.T, r *Transform, i Initiator) {
	if _, err := r.Initiate(bytes.NewReader([]byte{1})); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the initiator makes a key of one octet: %v", err)
	}
	if _, _, err := r.Respond(bytes.NewReader(nil), i.Public()); !errors.Is(err, io.EOF) {
		t.Errorf("the responder makes a key of nothing: %v", err)
	}
	if strings.HasPrefix(r.Name, "CURVE_") || strings.HasPrefix(r.Name, "ML_KEM_") {
		return // any octets are a key: RFC 7748 §5, FIPS 203
	}
	if _, err := r.Initiate(stuck(0)); !errors.Is(err, ErrRandom) {
		t.Errorf("the initiator makes a key of zeros: %v", err)
	}
	if _, _, err := r.Respond(stuck(0), i.Public()); !errors.Is(err, ErrRandom) {
		t.Errorf("the responder makes a key of zeros: %v", err)
	}
}

// RFC 6989 §2.3: the point is on the curve and its coordinates are below p.
func TestCurvesRefusePointsThatAreNone(t *testing.T) {
	for _, r := range Transforms {
		if !strings.HasPrefix(r.Name, "ECP_") {
			continue
		}
		i := initiateRow(t, &r, seeded(6))
		off := bytes.Clone(i.Public())
		off[len(off)-1] ^= 1
		for what, value := range map[string][]byte{
			"a point off the curve": off, "zeros": make([]byte, r.PublicLen), "all ones": bytes.Repeat([]byte{0xff}, r.PublicLen),
		} {
			if _, _, err := r.Respond(seeded(7), value); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the responder takes %s: %v", r.Name, what, err)
			}
			if _, err := i.Finish(value); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the initiator takes %s: %v", r.Name, what, err)
			}
		}
	}
}

// The points of small order, whose shared secret is zero with every private key: RFC 7748 §6.1 and §6.2.
func TestMontgomeryCurvesRefusePointsOfSmallOrder(t *testing.T) {
	for id, points := range map[uint16][]string{
		31: {
			"0000000000000000000000000000000000000000000000000000000000000000",
			"0100000000000000000000000000000000000000000000000000000000000000",
			"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
			"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
			"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
			"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
			"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		},
		// 0, 1 and p-1, and the first two again as p and p+1, p being 2^448 - 2^224 - 1.
		32: {
			strings.Repeat("00", 56),
			"01" + strings.Repeat("00", 55),
			"fe" + strings.Repeat("ff", 27) + "fe" + strings.Repeat("ff", 27),
			"ff" + strings.Repeat("ff", 27) + "fe" + strings.Repeat("ff", 27),
			strings.Repeat("00", 28) + strings.Repeat("ff", 28),
		},
	} {
		r := row(t, id)
		i := initiateRow(t, r, seeded(8))
		for _, point := range points {
			if _, _, err := r.Respond(seeded(8), unhex(point)); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the responder takes %s: %v", r.Name, point, err)
			}
			if _, err := i.Finish(unhex(point)); !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the initiator takes %s: %v", r.Name, point, err)
			}
		}
	}
}

// The keys that we hold ourselves are overwritten when they are wiped.
func TestWipeOverwrites(t *testing.T) {
	overwritten := func(name string, key []byte, i Initiator) {
		if bytes.Equal(key, make([]byte, len(key))) {
			t.Fatalf("%s: the key is zero before it is wiped", name)
		}
		if i.Wipe(); !bytes.Equal(key, make([]byte, len(key))) {
			t.Errorf("%s: Wipe leaves the private key in memory", name)
		}
	}
	for _, r := range Transforms {
		if !r.Status.Usable() {
			continue
		}
		switch i := initiateRow(t, &r, seeded(11)).(type) {
		case *initiator[secret.Bytes, montgomery.Nat]:
			overwritten(r.Name, i.key, i)
		case *initiator[secret.Bytes, *point]:
			overwritten(r.Name, i.key, i)
		case *initiator[*x448.Key, *x448.Key]:
			overwritten(r.Name, i.key[:], i)
		case *initiator[*ecdh.PrivateKey, *ecdh.PublicKey], *mlkemInitiator: // the libraries' own
		default:
			t.Errorf("%s: nothing is known of the keys of a %T", r.Name, i)
		}
	}
}

func TestRowsAreUnique(t *testing.T) {
	ids, words := map[uint16]bool{}, map[string]bool{}
	for _, r := range Transforms {
		if ids[r.ID] {
			t.Errorf("two rows have the Transform ID %d", r.ID)
		}
		ids[r.ID] = true
		for _, w := range r.Keywords {
			if words[w] {
				t.Errorf("two rows have the keyword %q", w)
			}
			words[w] = true
		}
		if r.IKEv1 != 0 && r.IKEv1 != r.ID {
			t.Errorf("%s: IKEv1's Group Description %d is not the Transform ID %d", r.Name, r.IKEv1, r.ID)
		}
		if weak := r.Status == status.Legacy || r.Status == status.Refused; weak != (r.Why != "") {
			t.Errorf("%s is %s, and the reason is %q", r.Name, r.Status, r.Why)
		}
		if r.Named && r.Status != status.Default {
			t.Errorf("%s is %s, and Named is for sound rows", r.Name, r.Status)
		}
		if usable := r.Status.Usable(); usable != (r.Initiate != nil) || usable != (r.Respond != nil) {
			t.Errorf("%s is %s, which does not fit its functions", r.Name, r.Status)
		}
		if r.Status.Usable() && (r.RFC == "" || len(r.Keywords) == 0 || r.Strength == 0) {
			t.Errorf("%s lacks its RFC, keyword or strength", r.Name)
		}
	}
	if _, ok := Lookup(None); ok {
		t.Error("the Transform ID that stands for no key exchange has a row")
	}
}

func BenchmarkExchange(b *testing.B) {
	for n := range Transforms {
		r := &Transforms[n]
		if !r.Status.Usable() {
			continue
		}
		b.Run(r.Name+"/responder", func(b *testing.B) {
			i, err := r.Initiate(seeded(1))
			if err != nil {
				b.Fatal(err)
			}
			source := seeded(2)
			for b.Loop() {
				if _, _, err := r.Respond(source, i.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(r.Name+"/initiator", func(b *testing.B) {
			i, err := r.Initiate(seeded(1))
			if err != nil {
				b.Fatal(err)
			}
			reply, _, err := r.Respond(seeded(2), i.Public())
			if err != nil {
				b.Fatal(err)
			}
			source := seeded(3)
			for b.Loop() {
				i, err := r.Initiate(source)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := i.Finish(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
