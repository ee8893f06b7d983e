package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// SA is the Security Association payload (RFC 7296 §3.3): proposals in order of preference, or the one that was chosen.
// One without any proposal is parsed, so that it can be answered.
type SA struct {
	Proposals []Proposal
}

// Proposal is one proposal with its number and the SPI of its sender (RFC 7296 §3.3.1).
type Proposal struct {
	Num uint8
	// SPI is empty in an IKE SA's first negotiation, 8 octets when an IKE SA is rekeyed, and 4 for ESP and AH.
	SPI []byte
	suite.Proposal
	// Attributes are those of transforms that have any besides one Key Length. Such a transform stands in Transforms with
	// UnmatchedKeyBits, so that it equals none of ours: "it MUST consider this transform unacceptable; other transforms with
	// the same Transform Type are processed as usual."  RFC 7296 §3.3.6
	Attributes []TransformAttributes
}

// UnmatchedKeyBits is the KeyBits of a transform with attributes that we do not know. No cipher has such a key.
const UnmatchedKeyBits = 0xffff

// TransformAttributes are all attributes of the proposal's transform with this index.
type TransformAttributes struct {
	Transform  int
	Attributes []Attribute
}

// Attribute is a transform's attribute (RFC 7296 §3.3.5).
type Attribute struct {
	Type uint16 // 15 bits
	// TV is the short form, whose value is two octets.
	TV    bool
	Value []byte
}

// attributeKeyLength is the Key Length attribute, the only one that IKEv2 has (RFC 7296 §3.3.5).
const attributeKeyLength = 14

// Type is TypeSA.
func (*SA) Type() PayloadType { return TypeSA }

// String is "SA".
func (*SA) String() string { return TypeSA.String() }

// Detail is a line for each proposal: "SA 1 ESP:AES_GCM_16_256/NO_EXT_SEQ c0000001".
func (p *SA) Detail() []string {
	if len(p.Proposals) == 0 {
		return []string{"SA without a proposal"}
	}
	var lines []string
	for i, prop := range p.Proposals {
		if i == maxListed {
			return append(lines, fmt.Sprintf("SA %d more proposals", len(p.Proposals)-i))
		}
		lines = append(lines, "SA "+prop.detail())
	}
	return lines
}

func (p Proposal) detail() string {
	s := fmt.Sprintf("%d %s", p.Num, p.String())
	if len(p.SPI) > 0 {
		s += " " + hexPrefix(p.SPI)
	}
	return s
}

// String is the proposal as charon logs it: "ESP:AES_GCM_16_256/NO_EXT_SEQ".
func (p Proposal) String() string {
	if len(p.Attributes) == 0 {
		return p.Proposal.String()
	}
	known := suite.Proposal{Protocol: p.Protocol}
	for _, t := range p.Transforms {
		if t.KeyBits != UnmatchedKeyBits {
			known.Transforms = append(known.Transforms, t)
		}
	}
	return fmt.Sprintf("%s and %d transforms with unknown attributes", known, len(p.Transforms)-len(known.Transforms))
}

// IKESPI is the SPI of a proposal that rekeys an IKE SA.
func (p Proposal) IKESPI() (header.SPI, bool) {
	if p.Protocol != suite.IKE || len(p.SPI) != 8 {
		return header.SPI{}, false
	}
	return header.SPI(p.SPI), true
}

// ChildSPI is the SPI of a proposal for ESP or AH.
func (p Proposal) ChildSPI() (uint32, bool) {
	if p.Protocol == suite.IKE || len(p.SPI) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(p.SPI), true
}

// AppendSPI appends the four octets of an ESP or AH SPI.
func AppendSPI(b []byte, spi uint32) []byte { return binary.BigEndian.AppendUint32(b, spi) }

// Offers are the proposals without their numbers and SPIs, for suite.Select; indices are those of Proposals.
func (p *SA) Offers() []suite.Proposal {
	offers := make([]suite.Proposal, len(p.Proposals))
	for i := range p.Proposals {
		offers[i] = p.Proposals[i].Proposal
	}
	return offers
}

// NewSA makes the payload that offers proposals, numbered from 1, all with the same SPI.
func NewSA(proposals []suite.Proposal, spi []byte) *SA {
	sa := &SA{}
	for i, p := range proposals {
		// "the first proposal in an SA payload MUST be 1, and subsequent proposals MUST be one more than the previous proposal"
		// RFC 7296 §3.3.1
		sa.Proposals = append(sa.Proposals, Proposal{Num: uint8(i + 1), SPI: spi, Proposal: p})
	}
	return sa
}

func (p *SA) check() error {
	if len(p.Proposals) > 255 {
		return fmt.Errorf("%d proposals", len(p.Proposals))
	}
	for i := range p.Proposals {
		if n := len(p.Proposals[i].Transforms); n > 255 {
			return fmt.Errorf("%d transforms in a proposal", n)
		}
		if n := len(p.Proposals[i].SPI); n > 255 {
			return fmt.Errorf("an SPI of %d octets", n)
		}
	}
	return nil
}

const (
	moreProposals  = 2 // Last Substruc, RFC 7296 §3.3.1
	moreTransforms = 3 // RFC 7296 §3.3.2
)

func (p *SA) appendBody(b []byte) []byte {
	for i := range p.Proposals {
		b = p.Proposals[i].append(b, more(i, len(p.Proposals), moreProposals))
	}
	return b
}

// more is the Last Substruc octet of part i out of n.
func more(i, n int, mark uint8) uint8 {
	if i == n-1 {
		return 0
	}
	return mark
}

func (p *Proposal) append(b []byte, last uint8) []byte {
	start := len(b)
	b = append(b, last, 0, 0, 0, p.Num, uint8(p.Protocol), uint8(len(p.SPI)), uint8(len(p.Transforms)))
	b = append(b, p.SPI...)
	for i, t := range p.Transforms {
		at := len(b)
		b = append(b, more(i, len(p.Transforms), moreTransforms), 0, 0, 0, uint8(t.Type), 0)
		b = binary.BigEndian.AppendUint16(b, t.ID)
		b = p.appendAttributes(b, i)
		binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

func (p *Proposal) appendAttributes(b []byte, transform int) []byte {
	for _, a := range p.Attributes {
		if a.Transform == transform {
			for _, attr := range a.Attributes {
				b = attr.append(b)
			}
			return b
		}
	}
	if bits := p.Transforms[transform].KeyBits; bits != 0 {
		// Key Length has the TV format, with AF=1.  RFC 7296 §3.3.5
		b = binary.BigEndian.AppendUint16(b, 0x8000|attributeKeyLength)
		b = binary.BigEndian.AppendUint16(b, bits)
	}
	return b
}

func (a Attribute) append(b []byte) []byte {
	if a.TV {
		b = binary.BigEndian.AppendUint16(b, 0x8000|a.Type)
		return append(b, a.Value...)
	}
	b = binary.BigEndian.AppendUint16(b, a.Type)
	b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
	return append(b, a.Value...)
}

func (p *SA) decode(d *decoder) {
	for d.remaining() > 0 {
		if len(p.Proposals) == 255 {
			d.fail(TooMany, "more than 255 proposals")
			return
		}
		s := d.substructure(moreProposals)
		var prop Proposal
		prop.decode(s)
		s.end()
		p.Proposals = append(p.Proposals, prop)
	}
}

// substructure reads the four octets that open proposals and transforms, and returns a decoder of the rest. Last Substruc
// must agree with what follows.
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	| Last Substruc |   RESERVED    |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func (d *decoder) substructure(mark uint8) *decoder {
	last := d.uint8()
	d.skip(1)
	length := int(d.uint16())
	if length < 8 && !d.failed() {
		d.pos -= 2
		d.fail(BadLength, "substructure length %d", length)
	}
	s := d.sub(length - 4)
	switch {
	case d.failed():
	case last == 0 && d.remaining() > 0:
		d.fail(BadLength, "%d octets behind the last substructure", d.remaining())
	case last == mark && d.remaining() == 0:
		d.fail(Truncated, "the last substructure says that there are more")
	case last != 0 && last != mark:
		d.fail(BadValue, "Last Substruc %d", last)
	}
	return s
}

func (p *Proposal) decode(d *decoder) {
	p.Num = d.uint8()
	p.Protocol = suite.Protocol(d.uint8())
	spiSize := int(d.uint8())
	n := int(d.uint8())
	if !d.failed() && !validSPISize(p.Protocol, spiSize) {
		d.fail(BadValue, "SPI of %d octets for protocol %d", spiSize, uint8(p.Protocol))
	}
	p.SPI = d.take(spiSize)
	for d.remaining() > 0 {
		if len(p.Transforms) == n {
			d.fail(BadLength, "more transforms than the %d counted", n)
			return
		}
		s := d.substructure(moreTransforms)
		p.decodeTransform(s)
		s.end()
	}
	if len(p.Transforms) != n {
		d.fail(Truncated, "%d transforms counted, %d there", n, len(p.Transforms))
	}
}

// validSPISize follows RFC 7296 §3.3.1: "For an initial IKE SA negotiation, this field MUST be zero … During subsequent
// negotiations, it is equal to the size, in octets, of the SPI of the corresponding protocol (8 for IKE, 4 for ESP and AH)."
// Other protocols have what they like: their proposals are not chosen, but neither do they spoil the others.
func validSPISize(p suite.Protocol, n int) bool {
	switch p {
	case suite.IKE:
		return n == 0 || n == 8
	case suite.ESP, suite.AH:
		return n == 4
	}
	return true
}

func (p *Proposal) decodeTransform(d *decoder) {
	t := suite.Transform{Type: suite.TransformType(d.uint8())}
	d.skip(1)
	t.ID = d.uint16()
	var attrs []Attribute
	for d.remaining() > 0 {
		if len(attrs) == MaxTransformAttributes {
			d.fail(TooMany, "more than %d attributes of a transform", MaxTransformAttributes)
			return
		}
		attrs = append(attrs, d.attribute())
	}
	if d.failed() {
		return
	}
	switch {
	case len(attrs) == 0:
	case len(attrs) == 1 && attrs[0].TV && attrs[0].Type == attributeKeyLength:
		t.KeyBits = binary.BigEndian.Uint16(attrs[0].Value)
	default:
		t.KeyBits = UnmatchedKeyBits
		p.Attributes = append(p.Attributes, TransformAttributes{Transform: len(p.Transforms), Attributes: attrs})
	}
	p.Transforms = append(p.Transforms, t)
}

// attribute reads one attribute: TV with the top bit, else TLV (RFC 7296 §3.3.5).
func (d *decoder) attribute() Attribute {
	t := d.uint16()
	a := Attribute{Type: t &^ 0x8000, TV: t&0x8000 != 0}
	if a.TV {
		a.Value = d.take(2)
		return a
	}
	a.Value = d.take(int(d.uint16()))
	return a
}
