package ke

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"filippo.io/bigmod"
)

// curveVectors are published known answers: both private keys, both public values, the shared secret.
var curveVectors = []struct {
	source                                               string
	id                                                   uint16
	privateI, publicI, privateR, publicR, sharedSecretIR string
}{
	{"RFC 7748 §6.1", 31,
		"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
		"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
		"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
		"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
		"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	{"RFC 5903 §8.1", 19,
		"C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
		"DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180" +
			"5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
		"C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
		"D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63" +
			"56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
		"D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"},
	{"RFC 5903 §8.2", 20,
		"099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
		"667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA" +
			"9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
		"41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
		"E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571" +
			"DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
		"11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746"},
	{"RFC 5903 §8.3", 21,
		"0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D4A52",
		"0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D107564941885942AF5A7F4601723C4195D176CED3E" +
			"017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F9582",
		"0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E9C677D600B343757A3BDBF2A3163E4C2F869CCA7458AA4A4EFFC311F5CB151685EB9",
		"00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6C2912D4EF2D0433CED2B6171640012D9460F" +
			"015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0FC56A",
		"01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA"},
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("the test's own hex %q: %v", s, err)
	}
	return b
}

func row(t *testing.T, id uint16) *Transform {
	t.Helper()
	r, ok := Lookup(id)
	if !ok {
		t.Fatalf("the table has no row %d", id)
	}
	return r
}

func initiate(t *testing.T, r *Transform, rand io.Reader) Initiator {
	t.Helper()
	i, err := r.Initiate(rand)
	if err != nil {
		t.Fatalf("%s: %v", r.Name, err)
	}
	return i
}

func TestPublishedVectorsOfCurves(t *testing.T) {
	for _, v := range curveVectors {
		r := row(t, v.id)
		i := initiate(t, r, bytes.NewReader(unhex(t, v.privateI)))
		if !bytes.Equal(i.Public(), unhex(t, v.publicI)) {
			t.Errorf("%s: the initiator of %s publishes %x", r.Name, v.source, i.Public())
		}
		public, k, err := r.Respond(bytes.NewReader(unhex(t, v.privateR)), i.Public())
		if err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		if !bytes.Equal(public, unhex(t, v.publicR)) {
			t.Errorf("%s: the responder of %s publishes %x", r.Name, v.source, public)
		}
		if want := unhex(t, v.sharedSecretIR); !bytes.Equal(k, want) {
			t.Errorf("%s: the responder's shared secret is not that of %s", r.Name, v.source)
		}
		if k, err := i.Finish(public); err != nil || !bytes.Equal(k, unhex(t, v.sharedSecretIR)) {
			t.Errorf("%s: the initiator's shared secret is not that of %s (%v)", r.Name, v.source, err)
		}
	}
}

var groups = map[string]modp{"MODP_2048": modp2048, "MODP_3072": modp3072, "MODP_4096": modp4096}

// modpVector is one block of testdata/modp.txt.
type modpVector struct {
	source, group string
	values        map[string]string
}

func modpVectors(t *testing.T) []modpVector {
	t.Helper()
	file, err := os.ReadFile("testdata/modp.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []modpVector
	name := ""
	for line := range strings.Lines(string(file)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] == "#":
		case f[0] == "source":
			out = append(out, modpVector{f[1], f[2], map[string]string{}})
		case strings.HasPrefix(line, " "):
			out[len(out)-1].values[name] += f[0]
		default:
			name = f[0]
		}
	}
	return out
}

func TestPublishedVectorsOfMODP(t *testing.T) {
	for _, v := range modpVectors(t) {
		g := groups[v.group]
		value := func(name string) []byte { return unhex(t, v.values[name]) }
		two := bigmod.NewNat().SetUint(2).ExpandFor(g.p())
		for _, side := range []string{"i", "r"} {
			if v.values["private_"+side] == "" {
				continue
			}
			if got := g.power(two, value("private_"+side)); !bytes.Equal(got, value("public_"+side)) {
				t.Errorf("%s: 2^%s is not what %s has", v.group, side, v.source)
			}
			if v.values["shared"] == "" {
				continue
			}
			peer := map[string]string{"i": "r", "r": "i"}[side]
			if k, err := g.shared(value("private_"+side), value("public_"+peer)); err != nil || !bytes.Equal(k, value("shared")) {
				t.Errorf("%s: the shared secret of side %s is not what %s has (%v)", v.group, side, v.source, err)
			}
		}
	}
}

func TestEveryUsableRowHasAVector(t *testing.T) {
	have := map[string]bool{}
	for _, v := range curveVectors {
		have[row(t, v.id).Name] = true
	}
	for _, v := range modpVectors(t) {
		have[v.group] = have[v.group] || v.values["shared"] != ""
	}
	for _, r := range Transforms {
		if r.Status.Usable() && !have[r.Name] {
			t.Errorf("%s has no published vector", r.Name)
		}
	}
}

// The primes come from pi, so that no digit of them rests on trust: RFC 3526 gives each as
// 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k), and says that (p-1)/2 is prime.
func TestPrimesOfRFC3526(t *testing.T) {
	for _, c := range []struct {
		group modp
		n     uint
		k     int64
	}{{modp2048, 2048, 124476}, {modp3072, 3072, 1690314}, {modp4096, 4096, 240904}} {
		one := big.NewInt(1)
		want := new(big.Int).Lsh(one, c.n)
		want.Sub(want, new(big.Int).Lsh(one, c.n-64))
		want.Sub(want, one)
		middle := new(big.Int).Add(pi(c.n-130), big.NewInt(c.k))
		want.Add(want, middle.Lsh(middle, 64))
		m := c.group.p()
		p := new(big.Int).SetBytes(m.Nat().Bytes(m))
		if p.Cmp(want) != 0 {
			t.Errorf("the prime of %s is not that of its formula", c.group.name)
		}
		if q := new(big.Int).Rsh(p, 1); !p.ProbablyPrime(2) || !q.ProbablyPrime(2) {
			t.Errorf("the prime of %s is not a safe prime", c.group.name)
		}
	}
}

// pi returns the integer part of 2^n pi, by Machin's formula: pi/4 = 4 arctan(1/5) - arctan(1/239).
func pi(n uint) *big.Int {
	const guard = 64
	unit := new(big.Int).Lsh(big.NewInt(1), n+guard)
	arctan := func(x int64) *big.Int {
		term := new(big.Int).Quo(unit, big.NewInt(x))
		sum := new(big.Int).Set(term)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Quo(term, big.NewInt(-x*x))
			sum.Add(sum, new(big.Int).Quo(term, big.NewInt(k)))
		}
		return sum
	}
	sum := arctan(5)
	sum.Lsh(sum, 2).Sub(sum, arctan(239)).Lsh(sum, 2)
	return sum.Rsh(sum, guard)
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
			i := initiate(t, r, seeded(1))
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
	if again := initiate(t, r, seeded(1)); !bytes.Equal(again.Public(), i.Public()) {
		t.Error("the same octets of randomness make another initiator")
	}
	if again, _, err := r.Respond(seeded(2), i.Public()); err != nil || !bytes.Equal(again, reply) {
		t.Errorf("the same octets of randomness make another responder (%v)", err)
	}
}

func differentOctetsDifferentKey(t *testing.T, r *Transform, i Initiator) {
	if other := initiate(t, r, seeded(3)); bytes.Equal(other.Public(), i.Public()) {
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

func badSources(t *testing.T, r *Transform, i Initiator) {
	if _, err := r.Initiate(bytes.NewReader([]byte{1})); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the initiator makes a key of one octet: %v", err)
	}
	if _, _, err := r.Respond(bytes.NewReader(nil), i.Public()); !errors.Is(err, io.EOF) {
		t.Errorf("the responder makes a key of nothing: %v", err)
	}
	if r.Name == "CURVE_25519" {
		return // every 32 octets are a key: RFC 7748 §5
	}
	if _, err := r.Initiate(stuck(0)); !errors.Is(err, ErrRandom) {
		t.Errorf("the initiator makes a key of zeros: %v", err)
	}
	if _, _, err := r.Respond(stuck(0), i.Public()); !errors.Is(err, ErrRandom) {
		t.Errorf("the responder makes a key of zeros: %v", err)
	}
}

// RFC 6989 §2.1: 1 < r < p-1.
func TestMODPRefusesPublicValuesOutOfRange(t *testing.T) {
	for _, r := range Transforms {
		g, ok := groups[r.Name]
		if !ok {
			continue
		}
		m := g.p()
		p := new(big.Int).SetBytes(m.Nat().Bytes(m))
		plus := func(d int64) []byte {
			return new(big.Int).Add(p, big.NewInt(d)).FillBytes(make([]byte, r.PublicLen))
		}
		at := func(v int64) []byte { return big.NewInt(v).FillBytes(make([]byte, r.PublicLen)) }
		for _, c := range []struct {
			what  string
			value []byte
			good  bool
		}{
			{"0", at(0), false}, {"1", at(1), false}, {"2", at(2), true}, {"p-2", plus(-2), true}, {"p-1", plus(-1), false},
			{"p", plus(0), false}, {"p+1", plus(1), false}, {"all ones", bytes.Repeat([]byte{0xff}, r.PublicLen), false},
		} {
			_, k, err := r.Respond(seeded(5), c.value)
			if c.good != (err == nil) || err != nil && !errors.Is(err, ErrPublicValue) {
				t.Errorf("%s: the public value %s gives the error %v, taken is to be %v", r.Name, c.what, err, c.good)
			}
			if err != nil && k != nil {
				t.Errorf("%s: the refused public value %s gives a secret", r.Name, c.what)
			}
		}
	}
}

// RFC 6989 §2.3: the point is on the curve and its coordinates are below p.
func TestCurvesRefusePointsThatAreNone(t *testing.T) {
	for _, id := range []uint16{19, 20, 21} {
		r := row(t, id)
		i := initiate(t, r, seeded(6))
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

// The points of small order of Curve25519, whose shared secret is zero with every private key: RFC 7748 §6.1.
func TestX25519RefusesPointsOfSmallOrder(t *testing.T) {
	r := row(t, 31)
	for _, point := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		if _, _, err := r.Respond(seeded(8), unhex(t, point)); !errors.Is(err, ErrPublicValue) {
			t.Errorf("the responder takes %s: %v", point, err)
		}
	}
}

// math/big is not constant time but it is another implementation.
func TestMODPAgainstMathBig(t *testing.T) {
	for _, r := range Transforms {
		g, ok := groups[r.Name]
		if !ok {
			continue
		}
		octets := make([]byte, g.expLen)
		_, _ = seeded(9).Read(octets)
		m := g.p()
		p := new(big.Int).SetBytes(m.Nat().Bytes(m))
		want := new(big.Int).Exp(big.NewInt(2), new(big.Int).SetBytes(octets), p).FillBytes(make([]byte, r.PublicLen))
		i := initiate(t, &r, seeded(9))
		if !bytes.Equal(i.Public(), want) {
			t.Errorf("%s: the public value differs from the one of math/big", r.Name)
		}
		// RFC 3526 §8, the larger estimate of the exponent's size.
		if bits := map[string]int{"MODP_2048": 320, "MODP_3072": 420, "MODP_4096": 480}[r.Name]; 8*g.expLen < bits {
			t.Errorf("%s: the private exponent has %d bits, want at least %d", r.Name, 8*g.expLen, bits)
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
