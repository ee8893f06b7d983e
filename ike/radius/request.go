package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net/netip"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
)

// Caller is the connection that a question or a record is about. Zero fields are left out.
type Caller struct {
	// SessionID is the session's name in accounting; the same in all of its messages.
	SessionID string
	// Remote and Local are the outer addresses of the IKE SA: Calling-Station-Id and Called-Station-Id.
	Remote, Local netip.AddrPort
	// Port and PortID are NAS-Port and NAS-Port-Id: strongSwan has the IKE SA's unique ID and its connection's name there, by which
	// servers tell connections apart.
	Port   uint32
	PortID string
}

const (
	headerSize    = 20
	maxAttribute  = 253 // octets of value
	authenticator = 4   // offset of the Authenticator, of 16 octets
	maxPacket     = radius.MaxPacketLength
)

// nas is who asks: this host, as it calls itself.
type nas struct {
	identifier string
	address    netip.Addr // the source of our packets
	framedMTU  int

	withoutPorts bool   // Config's
	start        bool   // likewise, EAPStart
	prefix       string // likewise, IdentityPrefix
}

// attribute adds one that has to fit.
func attribute(p *radius.Packet, typ radius.Type, value []byte) error {
	if len(value) > maxAttribute {
		return fmt.Errorf("radius: attribute %d of %d octets", typ, len(value))
	}
	p.Add(typ, value)
	return nil
}

// integer adds an attribute of four octets.
func integer(p *radius.Packet, typ radius.Type, value uint32) {
	p.Add(typ, radius.NewInteger(value))
}

// describe adds who asks and about whom: "An Access-Request MUST contain … NAS-IP-Address … or NAS-Identifier"  RFC 2865 §4.1
func (n nas) describe(p *radius.Packet, c Caller) error {
	if address := n.address.Unmap(); address.Is4() {
		p.Add(rfc2865.NASIPAddress_Type, address.AsSlice())
	} else if address.Is6() {
		p.Add(rfc3162.NASIPv6Address_Type, address.AsSlice())
	}
	integer(p, rfc2865.NASPortType_Type, uint32(rfc2865.NASPortType_Value_Virtual))
	integer(p, rfc2865.ServiceType_Type, uint32(rfc2865.ServiceType_Value_FramedUser))
	if c.Port != 0 {
		integer(p, rfc2865.NASPort_Type, c.Port)
	}
	for _, text := range []struct {
		typ   radius.Type
		value string
	}{
		{rfc2865.NASIdentifier_Type, n.identifier},
		{rfc2869.NASPortID_Type, c.PortID[:min(len(c.PortID), maxAttribute)]},
		{rfc2865.CallingStationID_Type, n.station(c.Remote)},
		{rfc2865.CalledStationID_Type, n.station(c.Local)},
	} {
		if text.value == "" {
			continue
		}
		if err := attribute(p, text.typ, []byte(text.value)); err != nil {
			return err
		}
	}
	return nil
}

// station is "192.0.2.1[4500]", as strongSwan writes it, so that what reads its servers' logs goes on to work.
func (n nas) station(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	if n.withoutPorts {
		return a.Addr().Unmap().String()
	}
	return fmt.Sprintf("%s[%d]", a.Addr().Unmap(), a.Port())
}

// accessRequest is the Access-Request for a question. The packet has its identifier and authenticator already.
func (n nas) accessRequest(p *radius.Packet, q eap.Question, state []byte, c Caller) ([]byte, error) {
	p.Add(rfc2869.MessageAuthenticator_Type, make([]byte, md5.Size))
	// The NAS "MUST include the Type-Data field of the EAP-Response/Identity in the User-Name attribute in every subsequent
	// Access-Request"  RFC 3579 §2.1: servers compare them.
	name := q.Identity
	if !n.start {
		name = n.prefix + name
	}
	if err := attribute(p, rfc2865.UserName_Type, []byte(name)); err != nil {
		return nil, err
	}
	if err := n.describe(p, c); err != nil {
		return nil, err
	}
	// The server "MUST NOT send any subsequent packet in this EAP conversation containing EAP-Message attributes whose
	// values, when concatenated, exceed the length specified by the Framed-MTU value"  RFC 3579 §2.4
	integer(p, rfc2865.FramedMTU_Type, uint32(n.framedMTU))
	// A server may send no State: ours has its number all the same once it has answered.
	n.message(p, q.Packet, len(q.State) == 0)
	if len(state) > 0 {
		if err := attribute(p, rfc2865.State_Type, state); err != nil {
			return nil, err
		}
	}
	octets, err := p.Encode()
	if err != nil {
		return nil, err
	}
	copy(octets[headerSize+2:], messageAuthenticator(octets, octets[authenticator:headerSize], p.Secret))
	return octets, nil
}

// message adds an EAP packet, the first of a conversation as it was configured.
func (n nas) message(p *radius.Packet, octets []byte, first bool) {
	if first && n.start {
		// "EAP-Start is indicated by sending an EAP-Message attribute with a length of 2 (no data)."  RFC 3579 §2.1
		p.Add(rfc2869.EAPMessage_Type, nil)
		return
	}
	if first && n.prefix != "" {
		octets = prefixed(n.prefix, octets)
	}
	// One EAP packet in as many EAP-Message attributes as it takes, in order. RFC 3579 §3.1
	for rest := octets; len(rest) > 0; {
		part := rest[:min(len(rest), maxAttribute)]
		p.Add(rfc2869.EAPMessage_Type, part)
		rest = rest[len(part):]
	}
}

// prefixed is a Response/Identity with something before the identity.
func prefixed(prefix string, octets []byte) []byte {
	packet, err := eap.Parse(octets)
	if err != nil || packet.Type != eap.TypeIdentity {
		return octets
	}
	packet.Data = append([]byte(prefix), packet.Data...)
	return packet.AppendTo(nil)
}

// messageAuthenticator is HMAC-MD5 over a packet whose Message-Authenticator is zeros, with the Request Authenticator in
// its header. RFC 3579 §3.2
func messageAuthenticator(octets, requestAuthenticator []byte, key secret.Bytes) []byte {
	h := hmac.New(md5.New, key)
	h.Write(octets[:authenticator])
	h.Write(requestAuthenticator)
	h.Write(octets[headerSize:])
	return h.Sum(nil)
}

// packetLength is the Length field, or an error where the octets there are do not reach it. What follows is padding:
// "Octets outside the range of the Length field MUST be treated as padding and ignored"  RFC 2865 §3
func packetLength(octets []byte) (int, error) {
	if len(octets) < headerSize {
		return 0, fmt.Errorf("radius: a packet of %d octets", len(octets))
	}
	n := int(binary.BigEndian.Uint16(octets[2:]))
	if n < headerSize || n > maxPacket || n > len(octets) {
		return 0, fmt.Errorf("radius: Length %d in a packet of %d octets", n, len(octets))
	}
	return n, nil
}
