package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/header"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("the test's own octets are not hexadecimal: %v", err)
	}
	return b
}

// message puts payload octets, generic headers included, behind a header whose Next Payload is first.
func message(first PayloadType, payloads []byte) []byte {
	h := header.Header{Initiator: header.SPI{1, 2, 3, 4, 5, 6, 7, 8}, Responder: header.SPI{9}, NextPayload: uint8(first), Major: 2,
		Exchange: header.Informational, Flags: header.Initiator, MessageID: 7, Length: uint32(header.Len + len(payloads))}
	return append(h.AppendTo(nil), payloads...)
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func ts(protocol uint8, startPort, endPort uint16, start, end string) spd.TrafficSelector {
	return spd.TrafficSelector{Protocol: protocol, StartPort: startPort, EndPort: endPort, Start: addr(start), End: addr(end)}
}

// rfcExample is the SA payload that RFC 7296 §3.3 draws as a tree: ESP with AES-CBC and HMAC-SHA1-96 or XCBC-96, or
// AES-GCM with an 8 octet ICV, with and without ESN, SPI 0xff. Octets by hand from §3.3.1, §3.3.2 and §3.3.5.
const rfcExample = `
	00 00 00 88
	02 00 00 50  01 03 04 07  00 00 00 ff
	03 00 00 0c  01 00 00 0c  80 0e 00 80
	03 00 00 0c  01 00 00 0c  80 0e 00 c0
	03 00 00 0c  01 00 00 0c  80 0e 01 00
	03 00 00 08  03 00 00 02
	03 00 00 08  03 00 00 05
	03 00 00 08  05 00 00 01
	00 00 00 08  05 00 00 00
	00 00 00 34  02 03 04 04  00 00 00 ff
	03 00 00 0c  01 00 00 12  80 0e 00 80
	03 00 00 0c  01 00 00 12  80 0e 01 00
	03 00 00 08  05 00 00 01
	00 00 00 08  05 00 00 00`

func encr(id, bits uint16) suite.Transform {
	return suite.Transform{Type: suite.ENCR, ID: id, KeyBits: bits}
}
func integ(id uint16) suite.Transform { return suite.Transform{Type: suite.INTEG, ID: id} }
func esn(id uint16) suite.Transform   { return suite.Transform{Type: suite.ESN, ID: id} }

// samples are payloads as octets, written by hand from the diagrams of RFC 7296 §3, and as values.
var samples = []struct {
	name   string
	typ    PayloadType
	octets string // with the generic header
	want   Payload
	short  string
	detail string
	// again is what is written instead of octets: reserved fields become zero.
	again string
}{
	{
		name: "SA as in the example of RFC 7296 §3.3", typ: TypeSA, octets: rfcExample,
		want: &SA{Proposals: []Proposal{
			{Num: 1, SPI: []byte{0, 0, 0, 0xff}, Proposal: suite.Proposal{Protocol: suite.ESP, Transforms: []suite.Transform{
				encr(12, 128), encr(12, 192), encr(12, 256), integ(2), integ(5), esn(1), esn(0)}}},
			{Num: 2, SPI: []byte{0, 0, 0, 0xff}, Proposal: suite.Proposal{Protocol: suite.ESP, Transforms: []suite.Transform{
				encr(18, 128), encr(18, 256), esn(1), esn(0)}}},
		}},
		short: "SA", detail: "SA 1 ESP:AES_CBC_128/AES_CBC_192/AES_CBC_256/HMAC_SHA1_96/AES_XCBC_96/EXT_SEQ/NO_EXT_SEQ 000000ff\nSA 2 ESP:AES_GCM_8_128/AES_GCM_8_256/EXT_SEQ/NO_EXT_SEQ 000000ff",
	},
	{
		name: "SA without any proposal, as an initiator in the field sends it", typ: TypeSA, octets: "00 00 00 04",
		want: &SA{}, short: "SA", detail: "SA without a proposal",
	},
	{
		name: "SA of a first IKE SA has no SPI", typ: TypeSA,
		octets: `00 00 00 2c  00 00 00 28  01 01 00 04
			03 00 00 08 01 00 00 1c   03 00 00 08 02 00 00 05   03 00 00 08 04 00 00 1f   00 00 00 08 06 00 00 24`,
		want: &SA{Proposals: []Proposal{{Num: 1, SPI: []byte{}, Proposal: suite.Proposal{Protocol: suite.IKE, Transforms: []suite.Transform{
			encr(28, 0), {Type: suite.PRF, ID: 5}, {Type: suite.KE, ID: 31}, {Type: suite.ADDKE1, ID: 36}}}}}},
		short: "SA", detail: "SA 1 IKE:CHACHA20_POLY1305/PRF_HMAC_SHA2_256/CURVE_25519/KE1_ML_KEM_768",
	},
	{
		name: "SA that rekeys an IKE SA has an SPI of 8 octets", typ: TypeSA,
		octets: `00 00 00 1c  00 00 00 18  01 01 08 01  a1 a2 a3 a4 a5 a6 a7 a8  00 00 00 08 02 00 00 05`,
		want: &SA{Proposals: []Proposal{{Num: 1, SPI: []byte{0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8},
			Proposal: suite.Proposal{Protocol: suite.IKE, Transforms: []suite.Transform{{Type: suite.PRF, ID: 5}}}}}},
		short: "SA", detail: "SA 1 IKE:PRF_HMAC_SHA2_256 a1a2a3a4a5a6a7a8",
	},
	{
		name: "SA with attributes that nobody knows", typ: TypeSA,
		octets: `00 00 00 34  00 00 00 30  01 03 04 03  c0 00 00 01
			03 00 00 14 01 00 00 14  80 0e 01 00  00 15 00 04 01 02 03 04
			03 00 00 08 05 00 00 00
			00 00 00 08 01 00 00 14`,
		want: &SA{Proposals: []Proposal{{Num: 1, SPI: []byte{0xc0, 0, 0, 1}, Proposal: suite.Proposal{Protocol: suite.ESP,
			Transforms: []suite.Transform{encr(20, UnmatchedKeyBits), esn(0), encr(20, 0)}},
			Attributes: []TransformAttributes{{Transform: 0, Attributes: []Attribute{
				{Type: 14, TV: true, Value: []byte{1, 0}}, {Type: 21, Value: []byte{1, 2, 3, 4}}}}},
		}}},
		short: "SA", detail: "SA 1 ESP:AES_GCM_16/NO_EXT_SEQ and 1 transforms with unknown attributes c0000001",
	},
	{
		name: "SA for a protocol that nobody knows does not spoil the payload", typ: TypeSA,
		octets: `00 00 00 16  00 00 00 12  01 63 02 01  aa bb  00 00 00 08 01 00 00 14`,
		want: &SA{Proposals: []Proposal{{Num: 1, SPI: []byte{0xaa, 0xbb},
			Proposal: suite.Proposal{Protocol: 99, Transforms: []suite.Transform{encr(20, 0)}}}}},
		short: "SA", detail: "SA 1 protocol 99:AES_GCM_16 aabb",
	},
	{
		name: "KE", typ: TypeKE, octets: "00 00 00 0c  00 1f 00 00  de ad be ef",
		want: &KE{Group: 31, Data: []byte{0xde, 0xad, 0xbe, 0xef}}, short: "KE", detail: "KE CURVE_25519, 4 octets",
	},
	{
		name: "reserved bits everywhere are ignored and written as zeros", typ: TypeKE, octets: "00 7f 00 0c  00 13 ab cd  01 02 03 04",
		want: &KE{Group: 19, Data: []byte{1, 2, 3, 4}}, short: "KE", again: "00 00 00 0c  00 13 00 00  01 02 03 04",
	},
	{
		name: "the critical bit of a payload that we know is ignored", typ: TypeKE, octets: "00 80 00 09  00 13 00 00  01",
		want: &KE{Group: 19, Data: []byte{1}}, short: "KE", again: "00 00 00 09  00 13 00 00  01",
	},
	{
		name: "IDi of an IPv4 address", typ: TypeIDi, octets: "00 00 00 0c  01 00 00 00  c0 00 02 01",
		want: &IDi{ID{IDType: auth.IDIPv4Addr, Data: []byte{192, 0, 2, 1}}}, short: "IDi", detail: "IDi IPV4_ADDR 192.0.2.1",
	},
	{
		name: "IDr FQDN, whose reserved octets AUTH covers", typ: TypeIDr, octets: "00 00 00 0b  02 01 02 03  73 75 6e",
		want: &IDr{ID{IDType: auth.IDFQDN, Reserved: [3]byte{1, 2, 3}, Data: []byte("sun")}}, short: "IDr", detail: "IDr FQDN sun",
	},
	{
		name: "IDi RFC 822 address", typ: TypeIDi, octets: "00 00 00 0b  03 00 00 00  61 40 62",
		want: &IDi{ID{IDType: auth.IDRFC822Addr, Data: []byte("a@b")}}, short: "IDi", detail: "IDi RFC822_ADDR a@b",
	},
	{
		name: "IDr of an IPv6 address", typ: TypeIDr, octets: "00 00 00 18  05 00 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01",
		want: &IDr{ID{IDType: auth.IDIPv6Addr, Data: addr("2001:db8::1").AsSlice()}}, short: "IDr", detail: "IDr IPV6_ADDR 2001:db8::1",
	},
	{
		name: "IDi distinguished name", typ: TypeIDi, octets: "00 00 00 18  09 00 00 00  30 0e 31 0c 30 0a 06 03 55 04 03 0c 03 73 75 6e",
		want:  &IDi{ID{IDType: auth.IDDERASN1DN, Data: []byte("\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x0c\x03sun")}},
		short: "IDi", detail: "IDi DER_ASN1_DN CN=sun",
	},
	{
		name: "IDi general name", typ: TypeIDi, octets: "00 00 00 0b  0a 00 00 00  82 01 61",
		want: &IDi{ID{IDType: auth.IDDERASN1GN, Data: []byte{0x82, 1, 'a'}}}, short: "IDi", detail: "IDi DER_ASN1_GN 820161",
	},
	{
		name: "IDi key ID", typ: TypeIDi, octets: "00 00 00 0a  0b 00 00 00  6b 31",
		want: &IDi{ID{IDType: auth.IDKeyID, Data: []byte("k1")}}, short: "IDi", detail: "IDi KEY_ID k1",
	},
	{
		name: "IDi null (RFC 7619)", typ: TypeIDi, octets: "00 00 00 08  0d 00 00 00",
		want: &IDi{ID{IDType: auth.IDNull, Data: []byte{}}}, short: "IDi", detail: "IDi NULL %null",
	},
	{
		name: "IDi whose octets do not fit its type is for the machine to refuse", typ: TypeIDi, octets: "00 00 00 09  01 00 00 00  c0",
		want: &IDi{ID{IDType: auth.IDIPv4Addr, Data: []byte{0xc0}}}, short: "IDi", detail: "IDi IPV4_ADDR, 1 octets, malformed",
	},
	{
		name: "CERT", typ: TypeCERT, octets: "00 00 00 08  04 30 01 00",
		want: &CERT{Encoding: CertX509Signature, Data: []byte{0x30, 1, 0}}, short: "CERT", detail: "CERT X.509, 3 octets",
	},
	{
		name: "CERTREQ with one authority", typ: TypeCERTREQ, octets: "00 00 00 19  04  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13",
		want:  &CERTREQ{Encoding: CertX509Signature, Authority: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}},
		short: "CERTREQ", detail: "CERTREQ X.509, 1 authorities",
	},
	{
		name: "AUTH", typ: TypeAUTH, octets: "00 00 00 0c  02 00 00 00  aa bb cc dd",
		want: &AUTH{Method: AuthSharedKeyMIC, Data: []byte{0xaa, 0xbb, 0xcc, 0xdd}}, short: "AUTH", detail: "AUTH shared key MIC, 4 octets",
	},
	{
		name: "nonce of the least size", typ: TypeNonce, octets: "00 00 00 14  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f",
		want: &Nonce{Data: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, short: "No", detail: "No 16 octets",
	},
	{
		name: "notify of NO_PROPOSAL_CHOSEN", typ: TypeNotify, octets: "00 00 00 08  00 00 00 0e",
		want: &Notify{NotifyType: NoProposalChosen, SPI: []byte{}, Data: []byte{}}, short: "N(NO_PROP)", detail: "N NO_PROPOSAL_CHOSEN",
	},
	{
		name: "notify of REKEY_SA names a Child SA", typ: TypeNotify, octets: "00 00 00 0c  03 04 40 09  c0 00 00 01",
		want:  &Notify{NotifyType: RekeySA, Protocol: suite.ESP, SPI: []byte{0xc0, 0, 0, 1}, Data: []byte{}},
		short: "N(REKEY_SA)", detail: "N REKEY_SA ESP c0000001",
	},
	{
		name: "notify of INVALID_KE_PAYLOAD names a group", typ: TypeNotify, octets: "00 00 00 0a  00 00 00 11  00 13",
		want: &Notify{NotifyType: InvalidKEPayload, SPI: []byte{}, Data: []byte{0, 19}}, short: "N(INVAL_KE)", detail: "N INVALID_KE_PAYLOAD ECP_256",
	},
	{
		name: "notify of SIGNATURE_HASH_ALGORITHMS (RFC 7427)", typ: TypeNotify, octets: "00 00 00 10  00 00 40 2f  00 02 00 03 00 04 00 05",
		want:  &Notify{NotifyType: SignatureHashAlgorithms, SPI: []byte{}, Data: []byte{0, 2, 0, 3, 0, 4, 0, 5}},
		short: "N(HASH_ALG)", detail: "N SIGNATURE_HASH_ALGORITHMS SHA2_256 SHA2_384 SHA2_512 IDENTITY",
	},
	{
		name: "notify of a type that nobody knows", typ: TypeNotify, octets: "00 00 00 09  00 00 a0 00  01",
		want: &Notify{NotifyType: 40960, SPI: []byte{}, Data: []byte{1}}, short: "N((40960))", detail: "N (40960), 1 octets",
	},
	{
		name: "notify of ADDITIONAL_IP6_ADDRESS (RFC 4555)", typ: TypeNotify,
		octets: "00 00 00 18  00 00 40 0e  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01",
		want:   &Notify{NotifyType: AdditionalIP6Address, SPI: []byte{}, Data: addr("2001:db8::1").AsSlice()},
		short:  "N(ADD_6_ADDR)", detail: "N ADDITIONAL_IP6_ADDRESS 2001:db8::1",
	},
	{
		name: "delete of the IKE SA", typ: TypeDelete, octets: "00 00 00 08  01 00 00 00",
		want: &Delete{Protocol: suite.IKE}, short: "D", detail: "D IKE",
	},
	{
		name: "delete of two Child SAs", typ: TypeDelete, octets: "00 00 00 10  03 04 00 02  c0 00 00 01  c0 00 00 02",
		want: &Delete{Protocol: suite.ESP, SPIs: []uint32{0xc0000001, 0xc0000002}}, short: "D", detail: "D ESP c0000001 c0000002",
	},
	{
		name: "delete of no AH SA at all", typ: TypeDelete, octets: "00 00 00 08  02 04 00 00",
		want: &Delete{Protocol: suite.AH}, short: "D", detail: "D AH",
	},
	{
		name: "vendor ID", typ: TypeVendorID, octets: "00 00 00 08  88 2f e5 6d",
		want: &VendorID{Data: []byte{0x88, 0x2f, 0xe5, 0x6d}}, short: "V", detail: "V 882fe56d",
	},
	{
		name: "TSi as in the example of RFC 7296 §3.13", typ: TypeTSi,
		octets: `00 00 00 28  02 00 00 00
			07 11 00 10  00 64 00 64  c6 33 64 42  c6 33 64 42
			07 11 00 10  00 c8 00 c8  c6 33 64 42  c6 33 64 42`,
		want: NewTSi(ts(17, 100, 100, "198.51.100.66", "198.51.100.66"), ts(17, 200, 200, "198.51.100.66", "198.51.100.66")), short: "TSi",
		detail: "TSi 198.51.100.66/32[udp/100] 198.51.100.66/32[udp/200]",
	},
	{
		name: "TSr as in the example of RFC 7296 §3.13", typ: TypeTSr,
		octets: `00 00 00 28  02 00 00 00
			07 11 00 10  01 2c 01 2c  00 00 00 00  ff ff ff ff
			07 11 00 10  01 90 01 90  00 00 00 00  ff ff ff ff`,
		want: NewTSr(ts(17, 300, 300, "0.0.0.0", "255.255.255.255"), ts(17, 400, 400, "0.0.0.0", "255.255.255.255")), short: "TSr",
		detail: "TSr 0.0.0.0/0[udp/300] 0.0.0.0/0[udp/400]",
	},
	{
		name: "TSi with IPv6 and OPAQUE ports, reserved octets ignored", typ: TypeTSi,
		octets: `00 00 00 30  01 ff ff ff
			08 06 00 28  ff ff 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 09`,
		again: `00 00 00 30  01 00 00 00
			08 06 00 28  ff ff 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 00  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 09`,
		want: NewTSi(ts(6, 65535, 0, "2001:db8::", "2001:db8::9")), short: "TSi", detail: "TSi 2001:db8::..2001:db8::9[tcp/OPAQUE]",
	},
	{
		name: "TSr with a security label (RFC 9478)", typ: TypeTSr,
		octets: `00 00 00 20  02 00 00 00
			07 00 00 10  00 00 ff ff  0a 02 00 00  0a 02 ff ff
			0a 00 00 08  61 62 63 64`,
		want: &TSr{TS{Selectors: []spd.TrafficSelector{ts(0, 0, 65535, "10.2.0.0", "10.2.255.255")},
			Others: []OtherSelector{{Type: 10, Body: []byte("abcd")}}}},
		short: "TSr", detail: "TSr 10.2.0.0/16 type 10 (4 octets)",
	},
	{
		name: "TSi without selectors", typ: TypeTSi, octets: "00 00 00 08  00 00 00 00",
		want: &TSi{}, short: "TSi", detail: "TSi none",
	},
	{
		name: "SK stays closed", typ: TypeSK, octets: "29 00 00 08  01 02 03 04",
		want: &SK{First: TypeNotify, Body: []byte{1, 2, 3, 4}}, short: "E", detail: "E 4 octets",
	},
	{
		name: "SKF stays closed (RFC 7383 §2.5)", typ: TypeSKF, octets: "23 00 00 0b  00 01 00 03  01 02 03",
		want: &SKF{First: TypeIDi, Number: 1, Total: 3, Body: []byte{1, 2, 3}}, short: "EF(1/3)", detail: "EF(1/3) 3 octets",
	},
	{
		name: "CP request", typ: TypeCP, octets: "00 00 00 10  01 00 00 00  00 01 00 00  00 03 00 00",
		want:  &CP{CFGType: CFGRequest, Attributes: []CPAttribute{{Type: InternalIP4Address, Value: []byte{}}, {Type: InternalIP4DNS, Value: []byte{}}}},
		short: "CPRQ(ADDR DNS)", detail: "CP CFG_REQUEST INTERNAL_IP4_ADDRESS\nCP CFG_REQUEST INTERNAL_IP4_DNS",
	},
	{
		name: "CP reply with the reserved bits set", typ: TypeCP,
		octets: `00 00 00 29  02 07 08 09  80 01 00 04 0a 03 00 01
			00 08 00 11  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 40  00 0d 00 00`,
		again: `00 00 00 29  02 00 00 00  00 01 00 04 0a 03 00 01
			00 08 00 11  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 40  00 0d 00 00`,
		want: &CP{CFGType: CFGReply, Attributes: []CPAttribute{{Type: InternalIP4Address, Value: []byte{10, 3, 0, 1}},
			{Type: InternalIP6Address, Value: append(addr("2001:db8::1").AsSlice(), 64)}, {Type: InternalIP4Subnet, Value: []byte{}}}},
		short:  "CPRP(ADDR ADDR6 SUBNET)",
		detail: "CP CFG_REPLY INTERNAL_IP4_ADDRESS 10.3.0.1\nCP CFG_REPLY INTERNAL_IP6_ADDRESS 2001:db8::1/64\nCP CFG_REPLY INTERNAL_IP4_SUBNET",
	},
	{
		name: "CP without attributes", typ: TypeCP, octets: "00 00 00 08  04 00 00 00", want: &CP{CFGType: CFGAck}, short: "CP", detail: "CP CFG_ACK",
	},
	{
		name: "EAP identity response", typ: TypeEAP, octets: "00 00 00 0c  02 01 00 08  01 62 6f 62",
		want: &EAP{Packet: []byte{2, 1, 0, 8, 1, 'b', 'o', 'b'}}, short: "EAP/RES/ID", detail: "EAP/RES/ID identifier 1, 8 octets",
	},
	{
		name: "EAP success", typ: TypeEAP, octets: "00 00 00 08  03 05 00 04",
		want: &EAP{Packet: []byte{3, 5, 0, 4}}, short: "EAP/SUCC", detail: "EAP/SUCC identifier 5, 4 octets",
	},
	{
		name: "EAP expanded type (RFC 3748 §5.7)", typ: TypeEAP, octets: "00 00 00 10  01 05 00 0c  fe 00 01 37 00 00 00 21",
		want: &EAP{Packet: []byte{1, 5, 0, 12, 254, 0, 1, 0x37, 0, 0, 0, 33}}, short: "EAP/REQ/33-311", detail: "EAP/REQ/33-311 identifier 5, 12 octets",
	},
	{
		name: "unknown payload", typ: 99, octets: "00 00 00 06  01 02",
		want: &Unknown{T: 99, Body: []byte{1, 2}}, short: "UNKN(99)", detail: "UNKN(99), 2 octets",
	},
	{
		name: "payload type of IKEv1 is as unknown as any", typ: 1, octets: "00 00 00 04",
		want: &Unknown{T: 1, Body: []byte{}}, short: "UNKN(1)", detail: "UNKN(1), 0 octets",
	},
}

func TestPayloadsRoundTrip(t *testing.T) {
	for _, tc := range samples {
		t.Run(tc.name, func(t *testing.T) {
			octets := message(tc.typ, unhex(t, tc.octets))
			m, err := Parse(octets)
			if err != nil {
				t.Fatalf("the octets were refused: %v", err)
			}
			if len(m.Payloads) != 1 || !reflect.DeepEqual(m.Payloads[0], tc.want) {
				t.Fatalf("the octets are another payload:\ngot  %#v\nwant %#v", m.Payloads[0], tc.want)
			}
			if m.Payloads[0].Type() != tc.typ {
				t.Errorf("the payload says that its type is %d, not %d", m.Payloads[0].Type(), tc.typ)
			}
			want := octets
			if tc.again != "" {
				want = message(tc.typ, unhex(t, tc.again))
			}
			if again := m.AppendTo([]byte("before")); !bytes.Equal(again, append([]byte("before"), want...)) {
				t.Errorf("the payload is written differently:\ngot  %x\nwant %x", again[6:], want)
			}
		})
	}
}

func TestPayloadsPrint(t *testing.T) {
	for _, tc := range samples {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.want.String(); got != tc.short {
				t.Errorf("in a message's line it is %q, want %q", got, tc.short)
			}
			got := strings.Join(tc.want.Detail(), "\n")
			if tc.detail != "" && got != tc.detail {
				t.Errorf("in detail it is\n%s\nwant\n%s", got, tc.detail)
			}
			if !strings.HasPrefix(got, strings.SplitN(strings.SplitN(tc.short, "(", 2)[0], "RQ", 2)[0][:1]) {
				t.Errorf("the detail %q does not start with the payload's name", got)
			}
		})
	}
}

// TestTruncations cuts each sample short at every octet, both with the length fields as they were and with those of
// the message and the payload set right, and wants refusal or something consistent.
func TestTruncations(t *testing.T) {
	for _, tc := range samples {
		t.Run(tc.name, func(t *testing.T) {
			octets := message(tc.typ, unhex(t, tc.octets))
			for n := range octets {
				if m, err := Parse(octets[:n]); err == nil {
					t.Errorf("%d of %d octets were taken for the message %v", n, len(octets), m)
				}
			}
			for n := header.Len + 1; n < len(octets); n++ {
				cut := slices.Clone(octets[:n])
				binary.BigEndian.PutUint32(cut[24:], uint32(n))
				if m, err := Parse(cut); err == nil {
					t.Errorf("%d of %d octets, with the right message length, were taken for the message %v", n, len(octets), m)
				}
				if n < header.Len+4 {
					continue
				}
				binary.BigEndian.PutUint16(cut[header.Len+2:], uint16(n-header.Len))
				checkConsistent(t, cut)
			}
		})
	}
}

// checkConsistent parses octets and, if they are taken, wants the same message when it is written and read again.
func checkConsistent(t *testing.T, octets []byte) {
	t.Helper()
	m, err := Parse(octets)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("the error is not an *Error: %v", err)
		}
		if e.Offset < 0 || e.Offset > len(octets) {
			t.Errorf("the error's offset %d is not within the %d octets: %v", e.Offset, len(octets), err)
		}
		if e.Reason != Critical {
			return
		}
	}
	_, _ = m.String(), m.Detail()
	first := m.AppendTo(nil)
	again, err2 := Parse(first)
	if (err == nil) != (err2 == nil) {
		t.Fatalf("a message that was read cannot be read again after writing: %v\nread    %x\nwritten %x", err2, octets, first)
	}
	if !reflect.DeepEqual(m.Payloads, again.Payloads) {
		t.Fatalf("written and read again, the payloads differ:\n%#v\n%#v", m.Payloads, again.Payloads)
	}
	if second := again.AppendTo(nil); !bytes.Equal(first, second) {
		t.Errorf("written twice, the message differs:\n%x\n%x", first, second)
	}
}

// TestRefusals has octets that are wrong in one way each.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name   string
		typ    PayloadType
		octets string
		reason Reason
		offset int // behind the header
	}{
		{"payload length smaller than the generic header", TypeNonce, "00 00 00 03", BadLength, 2},
		{"payload length beyond the message", TypeVendorID, "00 00 00 09 01 02 03 04", Truncated, 4},
		{"half a generic header", TypeVendorID, "00 00", Truncated, 2},
		{"a next payload that is not there", TypeVendorID, "2b 00 00 04", Truncated, 4},
		{"octets behind the last payload", TypeVendorID, "00 00 00 04 00", BadLength, 4},
		{"SK that is not last", TypeSK, "2b 00 00 05 01  00 00 00 04", BadLength, 5},
		{"SKF that is not last", TypeSKF, "2b 00 00 08 00010001  00 00 00 04", BadLength, 8},
		{"SKF of fragment 0", TypeSKF, "2b 00 00 08 00000001", BadValue, 8},
		{"SKF beyond its total", TypeSKF, "2b 00 00 08 00030002", BadValue, 8},
		{"SKF with too many fragments", TypeSKF, "2b 00 00 08 00010101", TooMany, 8},

		{"SA: proposal shorter than its header", TypeSA, "00 00 00 0c  00 00 00 07 01 03 00 00", BadLength, 6},
		{"SA: proposal longer than the payload", TypeSA, "00 00 00 10  00 00 00 0d 01 03 04 00 c0000001", Truncated, 8},
		{"SA: last proposal says that there are more", TypeSA, "00 00 00 10  02 00 00 0c 01 03 04 00 c0000001", Truncated, 16},
		{"SA: octets behind the last proposal", TypeSA, "00 00 00 11  00 00 00 0c 01 03 04 00 c0000001 00", BadLength, 16},
		{"SA: Last Substruc 1", TypeSA, "00 00 00 10  01 00 00 0c 01 03 04 00 c0000001", BadValue, 16},
		{"SA: SPI of 3 octets for ESP", TypeSA, "00 00 00 0f  00 00 00 0b 01 03 03 00 c00000", BadValue, 12},
		{"SA: SPI of 4 octets for IKE", TypeSA, "00 00 00 10  00 00 00 0c 01 01 04 00 c0000001", BadValue, 12},
		{"SA: SPI longer than the proposal", TypeSA, "00 00 00 0e  00 00 00 0a 01 03 04 00 c000", Truncated, 12},
		{"SA: fewer transforms than counted", TypeSA, "00 00 00 10  00 00 00 0c 01 03 04 01 c0000001", Truncated, 16},
		{"SA: more transforms than counted", TypeSA, "00 00 00 18  00 00 00 14 01 03 04 00 c0000001 0000000801000014", BadLength, 16},
		{"SA: transform with a wrong Last Substruc", TypeSA, "00 00 00 18  00 00 00 14 01 03 04 01 c0000001 0200000801000014", BadValue, 24},
		{"SA: transform longer than the proposal", TypeSA, "00 00 00 18  00 00 00 14 01 03 04 01 c0000001 0000000901000014", Truncated, 20},
		{"SA: half an attribute", TypeSA, "00 00 00 1a  00 00 00 16 01 03 04 01 c0000001 0000000a01000014 800e", Truncated, 26},
		{"SA: attribute longer than the transform", TypeSA, "00 00 00 1c  00 00 00 18 01 03 04 01 c0000001 0000000c01000014 000e0001", Truncated, 28},

		{"KE without a group", TypeKE, "00 00 00 06 00 1f", Truncated, 6},
		{"ID without its reserved octets", TypeIDi, "00 00 00 06 01 00", Truncated, 5},
		{"CERT without an encoding", TypeCERT, "00 00 00 04", Truncated, 4},
		{"CERTREQ without an encoding", TypeCERTREQ, "00 00 00 04", Truncated, 4},
		{"AUTH without its reserved octets", TypeAUTH, "00 00 00 07 02 00 00", Truncated, 5},
		{"nonce of 15 octets", TypeNonce, "00 00 00 13 000102030405060708090a0b0c0d0e", BadLength, 4},
		{"nonce of 257 octets", TypeNonce, "00 00 01 05" + strings.Repeat("aa", 257), BadLength, 4},
		{"notify without a type", TypeNotify, "00 00 00 07 00 00 00", Truncated, 6},
		{"notify whose SPI is not there", TypeNotify, "00 00 00 0b 03 04 40 09 c0 00 00", Truncated, 8},
		{"delete of the IKE SA with an SPI", TypeDelete, "00 00 00 10 01 08 00 01 0102030405060708", BadValue, 8},
		{"delete with SPIs of 8 octets for ESP", TypeDelete, "00 00 00 10 03 08 00 01 0102030405060708", BadValue, 8},
		{"delete of an unknown protocol", TypeDelete, "00 00 00 0c 04 04 00 01 01020304", BadValue, 8},
		{"delete whose SPIs are not there", TypeDelete, "00 00 00 0c 03 04 00 02 01020304", Truncated, 8},
		{"delete with more SPIs than counted", TypeDelete, "00 00 00 10 03 04 00 01 01020304 05060708", BadLength, 12},
		{"delete with too many SPIs", TypeDelete, "00 00 00 08 03 04 ff ff", TooMany, 8},
		{"TS without its reserved octets", TypeTSi, "00 00 00 05 00", Truncated, 5},
		{"TS with a selector less than counted", TypeTSi, "00 00 00 08 01 00 00 00", Truncated, 8},
		{"TS with octets behind the last selector", TypeTSi, "00 00 00 09 00 00 00 00 07", BadLength, 8},
		{"TS of IPv4 with the length of IPv6", TypeTSi, "00 00 00 30 01000000 07000028 0000ffff" + strings.Repeat("00", 32), BadLength, 10},
		{"TS of IPv6 with the length of IPv4", TypeTSr, "00 00 00 18 01000000 08000010 0000ffff" + strings.Repeat("00", 8), BadLength, 10},
		{"TS of another type with no length", TypeTSr, "00 00 00 0c 01000000 0a000003", BadLength, 10},
		{"TS of another type that is longer than the payload", TypeTSr, "00 00 00 0c 01000000 0a000005", Truncated, 12},
		{"TS whose addresses are the wrong way round", TypeTSi, "00 00 00 18 01000000 07000010 0000ffff 0a000002 0a000001", BadValue, 24},
		{"TS whose ports are the wrong way round", TypeTSi, "00 00 00 18 01000000 07000010 00020001 0a000001 0a000002", BadValue, 24},
		{"CP without its reserved octets", TypeCP, "00 00 00 06 01 00", Truncated, 5},
		{"CP with half an attribute", TypeCP, "00 00 00 0a 01000000 0001", Truncated, 10},
		{"CP attribute longer than the payload", TypeCP, "00 00 00 0e 01000000 00010004 0a03", Truncated, 12},
		{"EAP of 3 octets", TypeEAP, "00 00 00 07 01 01 00", Truncated, 7},
		{"EAP length smaller than the payload", TypeEAP, "00 00 00 0a 01 01 00 05 01 02", BadLength, 10},
		{"EAP length larger than the payload", TypeEAP, "00 00 00 09 01 01 00 06 01", BadLength, 9},
		{"EAP request without a type", TypeEAP, "00 00 00 08 01 01 00 04", Truncated, 8},
		{"EAP success with a type", TypeEAP, "00 00 00 09 03 01 00 05 01", BadLength, 9},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Parse(message(tc.typ, unhex(t, tc.octets)))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("this was taken for the message %v, %v", m, err)
			}
			if m != nil {
				t.Errorf("a message came together with the error %v", err)
			}
			if e.Reason != tc.reason || e.Offset != header.Len+tc.offset {
				t.Errorf("the error is %v (reason %d, offset %d), want reason %d at offset %d", err, e.Reason, e.Offset, tc.reason, header.Len+tc.offset)
			}
			if e.Protected || e.Notify() != nil {
				t.Errorf("an answer to octets that anybody may have sent: %+v", e)
			}
		})
	}
}

// TestLimits goes one beyond each named limit, and up to it.
func TestLimits(t *testing.T) {
	vendors := func(n int) []byte { return append(bytes.Repeat([]byte{43, 0, 0, 4}, n-1), 0, 0, 0, 4) }
	body := func(head string, n int, part string) []byte {
		b := append(unhex(t, head), bytes.Repeat(unhex(t, part), n)...)
		out := append([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(4+len(b)))...)
		return append(out, b...)
	}
	transform := func(attributes int) []byte {
		length := 8 + 4*attributes
		b := append([]byte{0, 0}, binary.BigEndian.AppendUint16(nil, uint16(4+12+length))...)
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(12+length))
		b = append(b, 1, 3, 4, 1, 0xc0, 0, 0, 1, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		b = append(b, 1, 0, 0, 20)
		return append(b, bytes.Repeat([]byte{0x80, 20, 0, 1}, attributes)...)
	}
	proposals := func(n int) []byte {
		b := body("", n, "02 00 00 0c 01 03 04 00 c0000001")
		b[len(b)-12] = 0
		return b
	}
	for _, tc := range []struct {
		name string
		typ  PayloadType
		make func(n int) []byte
		most int
	}{
		{"payloads", TypeVendorID, vendors, MaxPayloads},
		{"attributes of a transform", TypeSA, transform, MaxTransformAttributes},
		{"proposals", TypeSA, proposals, 255},
		{"configuration attributes", TypeCP, func(n int) []byte { return body("01000000", n, "00010000") }, MaxCPAttributes},
		{"SPIs to delete", TypeDelete, func(n int) []byte {
			return body(hex.EncodeToString(binary.BigEndian.AppendUint16([]byte{3, 4}, uint16(n))), n, "c0000001")
		}, MaxDeleteSPIs},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := Parse(message(tc.typ, tc.make(tc.most))); err != nil {
				t.Errorf("%d were refused: %v", tc.most, err)
			}
			var e *Error
			if _, err := Parse(message(tc.typ, tc.make(tc.most+1))); !errors.As(err, &e) || e.Reason != TooMany {
				t.Errorf("%d gave %v, not TooMany", tc.most+1, err)
			}
		})
	}
}

func TestSizeOfAMessage(t *testing.T) {
	sized := func(n int) []byte {
		// Two payloads, because the length of one does not reach far enough.
		first := append([]byte{43, 0, 0x7f, 0xff}, make([]byte, 0x7fff-4)...)
		rest := n - header.Len - len(first)
		second := append([]byte{0, 0, byte(rest >> 8), byte(rest)}, make([]byte, rest-4)...)
		return message(TypeVendorID, append(first, second...))
	}
	if _, err := Parse(sized(MaxMessage)); err != nil {
		t.Errorf("a message of %d octets was refused: %v", MaxMessage, err)
	}
	var e *Error
	if _, err := Parse(sized(MaxMessage + 1)); !errors.As(err, &e) || e.Reason != TooMany {
		t.Errorf("a message of %d octets gave %v, not TooMany", MaxMessage+1, err)
	}
}
