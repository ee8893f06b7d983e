package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/goswan/goswan/crypto/suite"
)

// Delete is the Delete payload (RFC 7296 §3.11): the IKE SA itself, or inbound SAs of its sender.
type Delete struct {
	Protocol suite.Protocol
	// SPIs are those of ESP or AH; none for the IKE SA.
	SPIs []uint32
}

// Type is TypeDelete.
func (*Delete) Type() PayloadType { return TypeDelete }

// String is "D".
func (*Delete) String() string { return TypeDelete.String() }

// Detail is "D ESP c0000001 c0000002", or "D IKE".
func (p *Delete) Detail() []string {
	items := []string{"D " + p.Protocol.String()}
	for _, spi := range p.SPIs {
		items = append(items, fmt.Sprintf("%08x", spi))
	}
	return []string{listed(items, " ")}
}

func (p *Delete) check() error {
	if len(p.SPIs) > MaxDeleteSPIs {
		return fmt.Errorf("%d SPIs", len(p.SPIs))
	}
	return nil
}

func (p *Delete) appendBody(b []byte) []byte {
	size := uint8(4)
	if p.Protocol == suite.IKE {
		size = 0
	}
	b = append(b, uint8(p.Protocol), size)
	b = binary.BigEndian.AppendUint16(b, uint16(len(p.SPIs)))
	for _, spi := range p.SPIs {
		b = binary.BigEndian.AppendUint32(b, spi)
	}
	return b
}

func (p *Delete) decode(d *decoder) {
	p.Protocol = suite.Protocol(d.uint8())
	size, n := d.uint8(), int(d.uint16())
	if d.failed() {
		return
	}
	switch p.Protocol {
	case suite.IKE:
		// "Deletion of the IKE SA is indicated by a protocol ID of 1 (IKE) but no SPIs."  RFC 7296 §3.11
		if size != 0 || n != 0 {
			d.fail(BadValue, "%d SPIs of %d octets for the IKE SA", n, size)
		}
		return
	case suite.ESP, suite.AH:
	default:
		d.fail(BadValue, "protocol %d", uint8(p.Protocol))
		return
	}
	// "It MUST be zero for IKE (SPI is in message header) or four for AH and ESP."  RFC 7296 §3.11
	if size != 4 {
		d.fail(BadValue, "SPIs of %d octets", size)
		return
	}
	if n > MaxDeleteSPIs {
		d.fail(TooMany, "%d SPIs", n)
		return
	}
	spis := d.take(4 * n)
	for ; len(spis) > 0; spis = spis[4:] {
		p.SPIs = append(p.SPIs, binary.BigEndian.Uint32(spis))
	}
}
