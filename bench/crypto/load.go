package crypto

import (
	"crypto/rand"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
)

// The directions.
const (
	Seal = "seal"
	Open = "open"
)

// aadLen is the SPI and the sequence number, which the ICV covers. RFC 4303 §2
const aadLen = 8

// trailerLen is the Pad Length and the Next Header. RFC 4303 §2
const trailerLen = 2

// load is what one core does: packets of a suite in one direction, over and over.
type load struct {
	cipher    suite.Cipher
	open      bool
	plain     []byte
	into      []byte
	iv, aad   []byte
	packets   []int    // lengths of what is encrypted
	sealed    [][]byte // of each, with the ICV
	octets    int      // of the inner packets of one lap
	perPacket float64  // mean octets of an inner packet
}

// newLoad keys a cipher and seals what is to be opened.
func newLoad(set suite.Set, size Size, open bool) (*load, error) {
	encrKey, integKey := make(secret.Bytes, set.EncrKeyLen()), make(secret.Bytes, set.IntegKeyLen())
	_, _ = rand.Read(encrKey) // never fails
	_, _ = rand.Read(integKey)
	c, err := set.NewCipher(encrKey, integKey)
	if err != nil {
		return nil, err
	}
	l := &load{cipher: c, open: open, iv: make([]byte, set.Encr.NonceIV()), aad: make([]byte, aadLen)}
	longest := 0
	for _, n := range size.packets() {
		// "…the Pad Length and Next Header fields must be right aligned within a 4-byte word"  RFC 4303 §2.4
		align := max(c.Align(), 4)
		l.packets = append(l.packets, (n+trailerLen+align-1)/align*align)
		l.octets += n
		longest = max(longest, l.packets[len(l.packets)-1])
	}
	l.perPacket = float64(l.octets) / float64(len(l.packets))
	l.plain, l.into = make([]byte, longest), make([]byte, longest+c.ICVLen())
	l.sealAll(longest)
	return l, nil
}

// sealAll seals a packet of each length; those of equal length are one.
func (l *load) sealAll(longest int) {
	byLength := map[int][]byte{}
	for _, n := range l.packets {
		if byLength[n] == nil {
			byLength[n] = make([]byte, n+l.cipher.ICVLen(), longest+l.cipher.ICVLen())
			l.cipher.Seal(byLength[n], l.iv, l.plain[:n], l.aad, nil)
		}
		l.sealed = append(l.sealed, byLength[n])
	}
}

// lap does each packet once.
func (l *load) lap() {
	if !l.open {
		for _, n := range l.packets {
			l.cipher.Seal(l.into, l.iv, l.plain[:n], l.aad, nil)
		}
		return
	}
	for i, sealed := range l.sealed {
		if n, err := l.cipher.Open(l.into, l.iv, sealed, l.aad, nil); err != nil || n != l.packets[i] {
			panic("crypto: what was sealed does not open")
		}
	}
}

// laps does n laps.
func (l *load) laps(n int) {
	for range n {
		l.lap()
	}
}
