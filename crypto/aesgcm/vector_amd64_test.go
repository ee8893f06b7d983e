package aesgcm

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// keyed is a schedule, or the test is skipped where the assembly cannot run.
func keyed(t *testing.T, key []byte) *schedule {
	t.Helper()
	if !accelerated {
		t.Skip("this processor lacks what the assembly needs, or GOSWAN_NOASM=1")
	}
	k := new(schedule)
	k.expand(key)
	return k
}

// product is the multiplication of SP 800-38D §6.3, Algorithm 1, bit by bit.
func product(x, y [blockSize]byte) (z [blockSize]byte) {
	v := y
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 == 1 {
			for j := range z {
				z[j] ^= v[j]
			}
		}
		fell := v[blockSize-1] & 1
		for j := blockSize - 1; j > 0; j-- {
			v[j] = v[j]>>1 | v[j-1]<<7
		}
		v[0] = v[0]>>1 ^ fell*0xe1
	}
	return z
}

func reversed(b [blockSize]byte) [blockSize]byte {
	slices.Reverse(b[:])
	return b
}

func TestMultiplicationByItsDefinition(t *testing.T) {
	keyed(t, make([]byte, 16))
	edges := [][blockSize]byte{{}, [blockSize]byte(bytes.Repeat([]byte{0xff}, blockSize)), [blockSize]byte(bytes.Repeat([]byte{0xaa}, blockSize)), {0xe1}, {0xc2}}
	for bit := range 128 {
		var b [blockSize]byte
		b[bit/8] = 1 << (bit % 8)
		edges = append(edges, b)
	}
	for i := range 20 {
		edges = append(edges, [blockSize]byte(random(uint64(40+i), blockSize)))
	}
	for _, x := range edges {
		for _, y := range edges {
			a, b, got := reversed(x), factor(&y), [blockSize]byte{}
			multiply(&got, &a, &b)
			if want := product(x, y); reversed(got) != want {
				t.Fatalf("%x times %x is %x, want %x", x, y, reversed(got), want)
			}
		}
	}
}

func TestPowersOfH(t *testing.T) {
	for _, size := range keySizes {
		key := random(60, size)
		k := keyed(t, key)
		block, _ := aes.NewCipher(key)
		var h [blockSize]byte
		block.Encrypt(h[:], h[:])
		power := h
		for i := 15; i >= 0; i-- {
			if k.power[i] != factor(&power) {
				t.Fatalf("power %d of H is wrong with a key of %d octets", 16-i, size)
			}
			power = product(power, h)
		}
	}
}

func TestPrintsNothingOfTheKey(t *testing.T) {
	keyed(t, make([]byte, 16))
	c, _ := New(random(61, 16))
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		if got := fmt.Sprintf(verb, c); got != "[redacted]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// A counter that begins shortly before 2³² wraps within its 32 bits and leaves the nonce alone, SP 800-38D §6.2.
func TestCounterWraps(t *testing.T) {
	for _, size := range keySizes {
		key := random(30, size)
		k := keyed(t, key)
		block, _ := aes.NewCipher(key)
		plain := random(31, 1000)
		for before := range uint32(50) {
			for _, n := range []int{16, 64, 65, 200, 256, 777, 1000} {
				nonce := bytes.Repeat([]byte{0xff}, nonceSize)
				counter := math.MaxUint32 - before
				want := make([]byte, n)
				for i := 0; i < n; i += blockSize {
					stream := binary.BigEndian.AppendUint32(nonce[:nonceSize:nonceSize], counter+1+uint32(i/blockSize))
					block.Encrypt(stream, stream)
					for j := i; j < min(i+blockSize, n); j++ {
						want[j] = plain[j] ^ stream[j-i]
					}
				}
				got := make([]byte, n+tagSize)
				seal(k, (*[nonceSize]byte)(nonce), counter, 1<<tagSize-1, nil, 0, &got[0], &plain[0], n)
				if !bytes.Equal(got[:n], want) {
					t.Fatalf("%d octets from counter %#x on are enciphered wrongly", n, counter)
				}
				if !open(k, (*[nonceSize]byte)(nonce), counter, 1<<tagSize-1, nil, 0, &got[0], &got[0], n) || !bytes.Equal(got[:n], plain[:n]) {
					t.Fatalf("%d octets from counter %#x on do not open to what was sealed", n, counter)
				}
			}
		}
	}
}

// What the assembly can hold it does not write before the tag was compared; of longer messages Open leaves zeros.
func TestNothingOfAWrongMessageIsLeft(t *testing.T) {
	k := keyed(t, random(32, 16))
	v := &vector{keys: *k, tagLen: tagSize, tagMask: 1<<tagSize - 1}
	nonce := [nonceSize]byte(random(33, nonceSize))
	plain := random(34, 1500)
	for n := 1; n <= len(plain); n++ {
		sealed := make([]byte, n+tagSize)
		seal(k, &nonce, 1, 1<<tagSize-1, nil, 0, &sealed[0], &plain[0], n)
		sealed[n+n%tagSize] ^= 1 << (n % 8)
		room := make([]byte, 64+n+64)
		out := around(room, 0, n)
		if open(k, &nonce, 1, 1<<tagSize-1, nil, 0, &out[0], &sealed[0], n) {
			t.Fatalf("%d octets with a wrong tag opened", n)
		}
		if touched(room, 0, n) || n <= heldLen && touched(room, 0, 0) {
			t.Fatalf("%d octets with a wrong tag were refused, but something was written", n)
		}
		if _, err := v.Open(out[:0], nonce[:], sealed, nil); err == nil || !bytes.Equal(out, make([]byte, n)) || touched(room, 0, n) {
			t.Fatalf("%d octets with a wrong tag were refused with %v, but something else than zeros is left", n, err)
		}
	}
}

func TestWipe(t *testing.T) {
	keyed(t, make([]byte, 16))
	v := newVector(random(35, 32), tagSize).(*vector)
	v.Wipe()
	if v.keys != (schedule{}) {
		t.Error("Wipe leaves something of the key schedule")
	}
	defer func() {
		if recover() == nil {
			t.Error("a wiped cipher seals, with a key that everybody knows")
		}
	}()
	v.Seal(nil, make([]byte, nonceSize), nil, nil)
}

// The switch is read at start, so a second process tells.
func TestNoAssemblyWhereTheEnvironmentSaysSo(t *testing.T) {
	if os.Getenv("GOSWAN_NOASM") == "1" {
		c, err := New(make([]byte, 16))
		if _, vectors := c.(*vector); accelerated || vectors || err != nil {
			t.Errorf("GOSWAN_NOASM=1 and yet the cipher is a %T: %v", c, err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoAssemblyWhereTheEnvironmentSaysSo$")
	cmd.Env = append(os.Environ(), "GOSWAN_NOASM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with GOSWAN_NOASM=1: %v\n%s", err, out)
	}
}
