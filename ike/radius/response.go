package radius

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2868"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"
	"layeh.com/radius/rfc4818"
	"layeh.com/radius/rfc6911"
	"layeh.com/radius/vendors/microsoft"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap"
)

// Why a packet is not believed.
var (
	errNotOurs       = errors.New("it answers another request")
	errAuthenticator = errors.New("its Response Authenticator is wrong: compare the shared secret")
	errMissingMAC    = errors.New("it has no Message-Authenticator")
	errMAC           = errors.New("its Message-Authenticator is wrong: compare the shared secret")
)

// genuine checks a response to a request and reads its attributes. A NAS "MUST calculate the correct value of the
// Message-Authenticator and MUST silently discard the packet if it does not match the value sent"  RFC 3579 §3.1
func genuine(octets, request []byte, key secret.Bytes, needMAC bool) (*radius.Packet, error) {
	n, err := packetLength(octets)
	if err != nil {
		return nil, err
	}
	octets = octets[:n]
	if octets[1] != request[1] {
		return nil, errNotOurs
	}
	if !hmac.Equal(responseAuthenticator(octets, request, key), octets[authenticator:headerSize]) {
		return nil, errAuthenticator
	}
	if err := checkMAC(octets, request, key, needMAC); err != nil {
		return nil, err
	}
	return radius.Parse(octets, key)
}

// responseAuthenticator is "MD5(Code+ID+Length+RequestAuth+Attributes+Secret)"  RFC 2865 §3
func responseAuthenticator(octets, request []byte, key secret.Bytes) []byte {
	h := md5.New()
	h.Write(octets[:authenticator])
	h.Write(request[authenticator:headerSize])
	h.Write(octets[headerSize:])
	h.Write(key)
	return h.Sum(nil)
}

// checkMAC finds the Message-Authenticator, which may be there once, and compares it.
func checkMAC(octets, request []byte, key secret.Bytes, need bool) error {
	zeroed := bytes.Clone(octets)
	var got []byte
	for rest := zeroed[headerSize:]; len(rest) > 0; {
		if len(rest) < 2 || rest[1] < 2 || int(rest[1]) > len(rest) {
			return errors.New("an attribute that does not fit")
		}
		value := rest[2:rest[1]]
		if rest[0] == byte(rfc2869.MessageAuthenticator_Type) {
			if len(value) != md5.Size || got != nil {
				return errMAC
			}
			got = bytes.Clone(value)
			clear(value)
		}
		rest = rest[rest[1]:]
	}
	if got == nil && need {
		return errMissingMAC
	}
	if got != nil && !hmac.Equal(got, messageAuthenticator(zeroed, request[authenticator:headerSize], key)) {
		return errMAC
	}
	return nil
}

var verdicts = map[radius.Code]eap.Verdict{
	radius.CodeAccessChallenge: eap.Challenge, radius.CodeAccessAccept: eap.Accept, radius.CodeAccessReject: eap.Reject,
}

// answer reads a genuine response to an Access-Request. The request is needed for its Authenticator, which hides the keys.
func answer(p, request *radius.Packet) (a eap.Answer, err error) {
	verdict, known := verdicts[p.Code]
	if !known {
		return a, fmt.Errorf("radius: the server answered with %s", p.Code)
	}
	a = eap.Answer{Verdict: verdict, State: bytes.Clone(p.Get(rfc2865.State_Type)), Text: string(p.Get(rfc2865.ReplyMessage_Type))}
	for _, avp := range p.Attributes {
		if avp.Type == rfc2869.EAPMessage_Type {
			a.Packet = append(a.Packet, avp.Attribute...)
		}
	}
	if verdict != eap.Accept {
		return a, nil
	}
	if a.Grant, err = grant(p); err != nil {
		return eap.Answer{}, err
	}
	a.MSK, err = msk(p, request)
	return a, err
}

// mskSize is what EAP wants; shorter keys, as those of MSCHAPv2, are followed by zeros on both ends.
const mskSize = 64

// msk is MS-MPPE-Recv-Key, then MS-MPPE-Send-Key (RFC 2548 §2.4.2, §2.4.3; RFC 5216 §2.3); nil if the server sends neither.
func msk(p, request *radius.Packet) (secret.Bytes, error) {
	receive, err1 := microsoft.MSMPPERecvKey_Lookup(p, request)
	send, err2 := microsoft.MSMPPESendKey_Lookup(p, request)
	defer clear(receive)
	defer clear(send)
	switch {
	case errors.Is(err1, radius.ErrNoAttribute) && errors.Is(err2, radius.ErrNoAttribute):
		return nil, nil
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("radius: MS-MPPE-Recv-Key and MS-MPPE-Send-Key: %w", errors.Join(err1, err2))
	case len(receive) != len(send) || len(receive) == 0 || len(receive) > mskSize/2:
		return nil, fmt.Errorf("radius: MS-MPPE-Recv-Key of %d and MS-MPPE-Send-Key of %d octets", len(receive), len(send))
	}
	key := make(secret.Bytes, mskSize)
	copy(key[copy(key, receive):], send)
	return key, nil
}

// grant reads what an Access-Accept allows. An attribute that is not well formed is an error: to leave out a bound that
// the server has set would be to allow more than it does.
func grant(p *radius.Packet) (g eap.Grant, err error) {
	for _, avp := range p.Attributes {
		value := avp.Attribute
		switch avp.Type {
		case rfc2865.UserName_Type:
			g.Identity = string(value)
		case rfc2865.FilterID_Type:
			g.Filters = append(g.Filters, string(value))
		case rfc2865.Class_Type:
			g.Classes = append(g.Classes, bytes.Clone(value))
		case rfc2865.FramedIPAddress_Type, rfc6911.FramedIPv6Address_Type:
			err = framed(&g, avp.Type, value)
		case rfc3162.FramedIPv6Prefix_Type, rfc4818.DelegatedIPv6Prefix_Type:
			err = prefix(&g, value)
		case rfc2865.SessionTimeout_Type:
			g.SessionTimeout, err = seconds(value)
		case rfc2865.IdleTimeout_Type:
			g.IdleTimeout, err = seconds(value)
		case rfc2869.AcctInterimInterval_Type:
			g.InterimInterval, err = seconds(value)
		}
		if err != nil {
			return eap.Grant{}, fmt.Errorf("radius: attribute %d: %w", avp.Type, err)
		}
	}
	return g, nil
}

// groups are the groups of a peer, as configured.
func (c Config) groups(p *radius.Packet, g eap.Grant) (all []string) {
	if c.ClassGroups {
		for _, class := range g.Classes {
			all = append(all, string(class))
		}
	}
	if _, tunnels, err := rfc2868.TunnelType_Gets(p); c.FilterGroups && err == nil && slices.Contains(tunnels, rfc2868.TunnelType_Value_ESP) {
		all = append(all, g.Filters...)
	}
	return all
}

// framed adds an address. 255.255.255.255 and 255.255.255.254 say that the peer, or we, may choose one (RFC 2865 §5.8):
// neither is one.
func framed(g *eap.Grant, typ radius.Type, value []byte) error {
	address, ok := netip.AddrFromSlice(value)
	if !ok || address.Is4() != (typ == rfc2865.FramedIPAddress_Type) {
		return fmt.Errorf("an address of %d octets", len(value))
	}
	if address != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && address != netip.AddrFrom4([4]byte{255, 255, 255, 254}) {
		g.Addresses = append(g.Addresses, address)
	}
	return nil
}

func prefix(g *eap.Grant, value []byte) error {
	network, err := radius.IPv6Prefix(value)
	if err != nil {
		return err
	}
	address, _ := netip.AddrFromSlice(network.IP)
	bits, _ := network.Mask.Size()
	g.Prefixes = append(g.Prefixes, netip.PrefixFrom(address, bits))
	return nil
}

func seconds(value []byte) (time.Duration, error) {
	n, err := radius.Integer(value)
	return time.Duration(n) * time.Second, err
}
