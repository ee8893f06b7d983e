package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/goswan/goswan/crypto/suite"
)

// Notify is the Notify payload (RFC 7296 §3.10).
type Notify struct {
	NotifyType NotifyType
	// Protocol and SPI name the SA that the notification is about, for INVALID_SELECTORS, REKEY_SA and CHILD_SA_NOT_FOUND
	// (RFC 7296 §3.10). "If the SPI field is empty, this field MUST be sent as zero and MUST be ignored on receipt."
	Protocol suite.Protocol
	SPI      []byte
	Data     []byte
}

// Type is TypeNotify.
func (*Notify) Type() PayloadType { return TypeNotify }

// String is "N(NATD_S_IP)", with charon's short names.
func (p *Notify) String() string {
	if p.NotifyType == MSNotifyStatus && len(p.Data) == 4 {
		return fmt.Sprintf("N(%s(%d))", p.NotifyType.Short(), int32(binary.BigEndian.Uint32(p.Data)))
	}
	return "N(" + p.NotifyType.Short() + ")"
}

// Detail is "N REKEY_SA ESP c0000001": the full name, the SA it is about, and the value where it is one for the eye.
func (p *Notify) Detail() []string {
	s := "N " + p.NotifyType.String()
	if len(p.SPI) > 0 {
		s += fmt.Sprintf(" %s %s", p.Protocol, hexPrefix(p.SPI))
	}
	if v := p.value(); v != "" {
		s += " " + v
	} else if len(p.Data) > 0 {
		s += fmt.Sprintf(", %d octets", len(p.Data))
	}
	return []string{s}
}

// value is the Notification Data in words, "" when it has none or they do not fit its type.
func (p *Notify) value() string {
	n := len(p.Data)
	switch p.NotifyType {
	case InvalidKEPayload:
		if group, ok := p.Group(); ok {
			return groupName(group)
		}
	case UnsupportedCriticalPayload:
		if n == 1 {
			return PayloadType(p.Data[0]).String()
		}
	case SignatureHashAlgorithms:
		return p.hashNames()
	case SetWindowSize, InvalidMessageID:
		if n == 4 {
			return fmt.Sprint(binary.BigEndian.Uint32(p.Data))
		}
	case AuthLifetime:
		if n == 4 {
			return fmt.Sprintf("%d s", binary.BigEndian.Uint32(p.Data))
		}
	case AdditionalIP4Address, AdditionalIP6Address:
		if a, ok := netip.AddrFromSlice(p.Data); ok {
			return a.String()
		}
	}
	return ""
}

// Group is the group that an INVALID_KE_PAYLOAD wants instead: two octets of data, "the accepted Diffie-Hellman group
// number in big endian order"  RFC 7296 §1.3
func (p *Notify) Group() (uint16, bool) {
	if p.NotifyType != InvalidKEPayload || len(p.Data) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(p.Data), true
}

// NewInvalidKE makes the notification that asks for another group.
func NewInvalidKE(group uint16) *Notify {
	return &Notify{NotifyType: InvalidKEPayload, Data: binary.BigEndian.AppendUint16(nil, group)}
}

// ChildSPI is the SPI of the ESP or AH SA that the notification is about, as its sender would receive on it.
func (p *Notify) ChildSPI() (uint32, bool) {
	if (p.Protocol != suite.ESP && p.Protocol != suite.AH) || len(p.SPI) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(p.SPI), true
}

// NewChildNotify makes a notification about an ESP or AH SA, REKEY_SA or CHILD_SA_NOT_FOUND.
func NewChildNotify(t NotifyType, p suite.Protocol, spi uint32) *Notify {
	return &Notify{NotifyType: t, Protocol: p, SPI: AppendSPI(nil, spi)}
}

// HashAlgorithm is a hash algorithm of SIGNATURE_HASH_ALGORITHMS (RFC 7427 §7 and IANA).
type HashAlgorithm uint16

// The hash algorithms.
const (
	HashSHA1        HashAlgorithm = 1
	HashSHA2_256    HashAlgorithm = 2
	HashSHA2_384    HashAlgorithm = 3
	HashSHA2_512    HashAlgorithm = 4
	HashIdentity    HashAlgorithm = 5 // RFC 8420
	HashStreebog256 HashAlgorithm = 6 // RFC 9385
	HashStreebog512 HashAlgorithm = 7 // RFC 9385
)

var hashNames = map[HashAlgorithm]string{
	HashSHA1: "SHA1", HashSHA2_256: "SHA2_256", HashSHA2_384: "SHA2_384", HashSHA2_512: "SHA2_512",
	HashIdentity: "IDENTITY", HashStreebog256: "STREEBOG_256", HashStreebog512: "STREEBOG_512",
}

// String is the name, "SHA2_256", or the number in parentheses.
func (h HashAlgorithm) String() string {
	if name, ok := hashNames[h]; ok {
		return name
	}
	return fmt.Sprintf("(%d)", uint16(h))
}

// HashAlgorithms is what a SIGNATURE_HASH_ALGORITHMS lists; false when it is none or not a whole number of entries.
func (p *Notify) HashAlgorithms() ([]HashAlgorithm, bool) {
	if p.NotifyType != SignatureHashAlgorithms || len(p.Data)%2 != 0 {
		return nil, false
	}
	hashes := make([]HashAlgorithm, 0, len(p.Data)/2)
	for b := p.Data; len(b) > 0; b = b[2:] {
		hashes = append(hashes, HashAlgorithm(binary.BigEndian.Uint16(b)))
	}
	return hashes, true
}

// NewHashAlgorithms makes the SIGNATURE_HASH_ALGORITHMS notification.
func NewHashAlgorithms(hashes ...HashAlgorithm) *Notify {
	n := &Notify{NotifyType: SignatureHashAlgorithms}
	for _, h := range hashes {
		n.Data = binary.BigEndian.AppendUint16(n.Data, uint16(h))
	}
	return n
}

func (p *Notify) hashNames() string {
	hashes, ok := p.HashAlgorithms()
	if !ok {
		return ""
	}
	names := make([]string, len(hashes))
	for i, h := range hashes {
		names[i] = h.String()
	}
	return listed(names, " ")
}

func (p *Notify) check() error {
	if len(p.SPI) > 255 {
		return fmt.Errorf("an SPI of %d octets", len(p.SPI))
	}
	return nil
}

func (p *Notify) appendBody(b []byte) []byte {
	b = append(b, uint8(p.Protocol), uint8(len(p.SPI)))
	b = binary.BigEndian.AppendUint16(b, uint16(p.NotifyType))
	b = append(b, p.SPI...)
	return append(b, p.Data...)
}

func (p *Notify) decode(d *decoder) {
	p.Protocol = suite.Protocol(d.uint8())
	spiSize := int(d.uint8())
	p.NotifyType = NotifyType(d.uint16())
	p.SPI = d.take(spiSize)
	p.Data = d.rest()
}
