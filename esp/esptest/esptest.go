// Package esptest makes pairs of SAs with fixed keys for tests, and packets to send over them.
package esptest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// Suites are keywords of ESP suites with every algorithm that is not refused: those of `default` and SHA-1 with each key length and
// each other, the others once.
var Suites = suites()

func suites() []string {
	list := []string{"aes128gcm16", "aes192gcm16", "aes256gcm16", "chacha20poly1305"}
	for _, e := range []string{"aes128", "aes192", "aes256"} {
		for _, i := range []string{"sha1", "sha256", "sha384", "sha512"} {
			list = append(list, e+"-"+i)
		}
	}
	for _, row := range encr.Transforms {
		if row.Status == status.Default && !row.Named || !row.Status.Usable() {
			continue
		}
		word := row.Keywords[len(row.Keywords)-1].Word // of the longest key
		if !row.AEAD {
			word += "-sha256"
		}
		list = append(list, word)
	}
	for _, row := range integ.Transforms {
		if row.Status.Usable() && (row.Named || row.Status != status.Default) && row.Keywords[0] != "sha1" {
			list = append(list, "aes128-"+row.Keywords[0])
		}
	}
	for _, s := range list {
		list = append(list, s+"-esn")
	}
	return list
}

// Hides tells whether a suite encrypts.
func Hides(keywords string) bool {
	return !strings.HasPrefix(keywords, "null") && !strings.Contains(keywords, "gmac")
}

// Pair describes an SA from one end to the other.
type Pair struct {
	Keywords string // "aes128gcm16" when empty
	SPI      esp.SPI
	Reqid    uint32
	// From and To are the outer addresses, FromTS and ToTS the traffic selectors in text form.
	From, To     netip.AddrPort
	FromTS, ToTS []string
	Window       int
	Sequence     uint64
	Salt         byte // makes other keys
	Name         string
}

// Params is what the sender and the receiver install.
func (p Pair) Params() (out, in esp.Params) {
	if p.Keywords == "" {
		p.Keywords = "aes128gcm16"
	}
	set := Suite(p.Keywords)
	out = esp.Params{
		Direction: esp.Out, SPI: p.SPI, Reqid: p.Reqid, Suite: set, Window: p.Window, Sequence: p.Sequence, Name: p.Name,
		EncrKey: key(set.EncrKeyLen(), 1+p.Salt), IntegKey: key(set.IntegKeyLen(), 101+p.Salt),
		Local: p.From, Remote: p.To, LocalTS: selectors(p.FromTS), RemoteTS: selectors(p.ToTS),
	}
	in = out
	in.Direction = esp.In
	in.EncrKey, in.IntegKey = out.EncrKey.Clone(), out.IntegKey.Clone()
	in.Local, in.Remote, in.LocalTS, in.RemoteTS = out.Remote, out.Local, out.RemoteTS, out.LocalTS
	return out, in
}

// Suite resolves keywords; it panics when they are none.
func Suite(keywords string) suite.Set {
	proposals, err := suite.Parse(suite.ESP, keywords)
	if err != nil || len(proposals) != 1 {
		panic(fmt.Sprintf("esptest: %q: %v", keywords, err))
	}
	chosen, _, ok := suite.Select(proposals, proposals, true)
	if !ok {
		panic(fmt.Sprintf("esptest: %q does not select itself", keywords))
	}
	set, err := suite.Resolve(chosen)
	if err != nil {
		panic(fmt.Sprintf("esptest: %q: %v", keywords, err))
	}
	return set
}

func key(n int, start byte) secret.Bytes {
	k := make(secret.Bytes, n)
	for i := range k {
		k[i] = start + byte(i)*7
	}
	return k
}

func selectors(texts []string) []spd.TrafficSelector {
	var list []spd.TrafficSelector
	for _, s := range texts {
		list = append(list, spd.MustParse(s))
	}
	return list
}

// UDP is an IP packet, of the family of src, with a UDP datagram of payload and right checksums.
func UDP(src, dst string, sport, dport uint16, payload []byte) []byte {
	l4 := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(l4, sport)
	binary.BigEndian.PutUint16(l4[2:], dport)
	binary.BigEndian.PutUint16(l4[4:], uint16(8+len(payload)))
	return IP(src, dst, packet.ProtoUDP, append(l4, payload...))
}

// IP is an IP packet, of the family of src, around l4, in which the checksum of UDP, TCP or ICMPv6 is filled in.
func IP(src, dst string, protocol uint8, l4 []byte) []byte {
	s, d := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	var p []byte
	if s.Is4() {
		p = append(p, 0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0)
		binary.BigEndian.PutUint16(p[2:], uint16(20+len(l4)))
	} else {
		p = append(p, 0x60, 0, 0, 0, 0, 0, protocol, 64)
		binary.BigEndian.PutUint16(p[4:], uint16(len(l4)))
	}
	p = append(append(p, s.AsSlice()...), d.AsSlice()...)
	if s.Is4() {
		binary.BigEndian.PutUint16(p[10:], ^Sum(p, 0))
	}
	head := len(p)
	p = append(p, l4...)
	at, ok := map[uint8]int{packet.ProtoUDP: 6, packet.ProtoTCP: 16, packet.ProtoICMPv6: 2}[protocol]
	if !ok || len(l4) < at+2 {
		return p
	}
	pseudo := append(s.AsSlice(), d.AsSlice()...)
	pseudo = append(pseudo, byte(len(l4)>>24), byte(len(l4)>>16), byte(len(l4)>>8), byte(len(l4)), 0, 0, 0, protocol)
	c := ^Sum(l4, Sum(pseudo, 0))
	if c == 0 && protocol == packet.ProtoUDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(p[head+at:], c)
	return p
}

// Sum is the folded Internet checksum sum of b and start, in the simplest way.
func Sum(b []byte, start uint16) uint16 {
	acc := uint32(start)
	for i, x := range b {
		if i%2 == 0 {
			acc += uint32(x) << 8
		} else {
			acc += uint32(x)
		}
		acc = acc>>16 + acc&0xffff
	}
	return uint16(acc>>16 + acc&0xffff)
}
