package ikev2

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// What an endpoint answers without any state, before there is a machine.

// cookieOf binds a cookie to the initiator's nonce, address and SPI:
//
//	Cookie = <VersionIDofSecret> | Hash(Ni | IPi | SPIi | <secret>)   RFC 7296 §2.6
//
// The keyed hash stands for the secret's version, too: whoever verifies tries each valid secret.
func cookieOf(secret []byte, d core.Datagram, spi header.SPI, ni []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(spi[:])
	mac.Write(d.Remote.Addr().Unmap().AsSlice())
	mac.Write(ni)
	return mac.Sum(nil)
}

// CookieValid tells whether an IKE_SA_INIT request has a cookie that CookieChallenge made with one of the secrets.
func CookieValid(secrets [][]byte, d core.Datagram) bool {
	msg, ok := firstMessage(d)
	if !ok {
		return false
	}
	n := msg.Notify(wire.Cookie)
	if n == nil {
		return false
	}
	valid := false
	for _, s := range secrets {
		if hmac.Equal(n.Data, cookieOf(s, d, msg.Initiator, wire.First[*wire.Nonce](msg).Data)) {
			valid = true
		}
	}
	return valid
}

// CookieChallenge is the response that asks an IKE_SA_INIT request's sender to repeat it with a cookie. There is none for
// octets that are no such request.
func CookieChallenge(secret []byte, d core.Datagram) ([]byte, bool) {
	msg, ok := firstMessage(d)
	if !ok {
		return nil, false
	}
	cookie := cookieOf(secret, d, msg.Initiator, wire.First[*wire.Nonce](msg).Data)
	return clearReply(msg.Header, &wire.Notify{NotifyType: wire.Cookie, Data: cookie}).AppendTo(nil), true
}

func firstMessage(d core.Datagram) (*wire.Message, bool) {
	msg, err := wire.Parse(d.Data)
	if err != nil || msg.Exchange != header.IKESAInit || msg.IsResponse() || !msg.FromInitiator() || msg.Count(wire.TypeNonce) != 1 {
		return nil, false
	}
	return msg, true
}

// InvalidMajorVersion is the answer to a request of a version above ours. There is none for a response or for octets that
// are no IKE message.
//
// The header of a later version is taken to be laid out like ours as far as the answer needs it. RFC 7296 §2.5
func InvalidMajorVersion(d core.Datagram) ([]byte, bool) {
	h, err := header.Parse(d.Data)
	if err != nil || h.Major <= 2 || h.IsResponse() {
		return nil, false
	}
	n := &wire.Notify{NotifyType: wire.InvalidMajorVersion, Data: []byte{0x20}}
	reply := clearReply(h, n)
	if !h.FromInitiator() {
		reply.Flags |= header.Initiator
	}
	return reply.AppendTo(nil), true
}
