package eap

import (
	"crypto/hmac"
	"crypto/sha1"
	"fmt"
	"slices"

	"github.com/goswan/goswan/crypto/secret"
)

// Binding is what is asked of PEAP's cryptobinding, which proves that the tunnel's ends are the ends of the method inside.
type Binding uint8

// The choices. Optional offers it, answers it, and goes without where the other side has none.
const (
	BindingOptional Binding = iota
	BindingRequired
	BindingOff
)

// binding is the value of a Crypto-Binding TLV (MS-PEAP §2.2.8.1.1): Reserved, Version, RecvVersion, SubType, Nonce,
// Compound_MAC.
type binding struct {
	subType byte
	nonce   [32]byte
	mac     [sha1.Size]byte
}

const (
	bindingRequest  = 0
	bindingResponse = 1
	bindingSize     = 4 + 32 + sha1.Size
)

func parseBinding(b []byte) (*binding, error) {
	if len(b) != bindingSize {
		return nil, fmt.Errorf("%w: a Crypto-Binding of %d octets", errLength, len(b))
	}
	if b[1] != 0 || b[2] != 0 {
		return nil, fmt.Errorf("eap: a Crypto-Binding of version %d in %d", b[1], b[2])
	}
	p := &binding{subType: b[3]}
	copy(p.nonce[:], b[4:])
	copy(p.mac[:], b[4+len(p.nonce):])
	return p, nil
}

func (p *binding) tlv() tlv {
	value := append([]byte{0, 0, 0, p.subType}, p.nonce[:]...)
	return tlv{typ: tlvCryptoBinding, value: append(value, p.mac[:]...)}
}

// sum is the Compound_MAC: over the TLV with zeros in its place, then the EAP type of PEAP. MS-PEAP §3.1.5.5.1
func (p *binding) sum(cmk secret.Bytes) (mac [sha1.Size]byte) {
	zeroed := binding{subType: p.subType, nonce: p.nonce}
	h := hmac.New(sha1.New, cmk)
	h.Write(zeroed.tlv().appendTo(nil))
	h.Write([]byte{byte(TypePEAP)})
	copy(mac[:], h.Sum(nil))
	return mac
}

func (p *binding) genuine(cmk secret.Bytes) bool {
	mac := p.sum(cmk)
	return hmac.Equal(mac[:], p.mac[:])
}

// compound are the keys that are made of the tunnel's and of the inner method's. MS-PEAP §3.1.5.5.2.2
type compound struct{ ipmk, cmk secret.Bytes }

const (
	ipmkSize      = 40
	cmkSize       = 20
	innerKeySize  = 32
	cskSize       = 128
	tempKeySize   = 40
	labelCompound = "Inner Methods Compound Keys"
	labelCSK      = "Session Key Generating Function\x00"
)

// newCompound has the tunnel's key material, whose first 60 octets are the TK, and the MSK of the inner method, none of
// which stands for zeros.
func newCompound(material, inner secret.Bytes) compound {
	isk := make(secret.Bytes, innerKeySize)
	defer isk.Wipe()
	copy(isk, inner)
	imck := peapPRF(material[:tempKeySize], slices.Concat([]byte(labelCompound), isk), ipmkSize+cmkSize)
	return compound{imck[:ipmkSize], imck[ipmkSize:]}
}

// msk is the first half of the CSK (MS-PEAP §3.1.5.7).
func (c compound) msk() secret.Bytes {
	return peapPRF(c.ipmk, []byte(labelCSK), cskSize)[:mskSize:mskSize]
}

func (c compound) wipe() {
	c.ipmk.Wipe()
	c.cmk.Wipe()
}

// peapPRF is PRF+ (MS-PEAP §3.1.5.5.2.2) with HMAC-SHA-1: T1 = HMAC(K, S | 0x01 | 0x00 | 0x00), T2 = HMAC(K, T1 | S |
// 0x02 | 0x00 | 0x00), …
func peapPRF(key secret.Bytes, seed []byte, n int) secret.Bytes {
	h := hmac.New(sha1.New, key)
	var out, last []byte
	for i := byte(1); len(out) < n; i++ {
		h.Reset()
		h.Write(last)
		h.Write(seed)
		h.Write([]byte{i, 0, 0})
		last = h.Sum(nil)
		out = append(out, last...)
	}
	return out[:n]
}
