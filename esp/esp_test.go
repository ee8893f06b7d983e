package esp_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

var (
	alice = netip.MustParseAddrPort("192.0.2.1:4500")
	bob   = netip.MustParseAddrPort("192.0.2.2:4500")
	now   = time.Unix(1000, 0)
)

// link is both ends of one SA.
type link struct {
	t   testing.TB
	out *esp.Outbound
	in  *esp.Inbound
}

func newLink(t testing.TB, p esptest.Pair) *link {
	t.Helper()
	if p.SPI == 0 {
		p.SPI = 0xc0ffee01
	}
	p.From, p.To = alice, bob
	if p.FromTS == nil {
		p.FromTS, p.ToTS = []string{"10.1.0.0/16"}, []string{"10.2.0.0/16"}
	}
	o, i := p.Params()
	return linkOf(t, o, i)
}

func linkOf(t testing.TB, o, i esp.Params) *link {
	t.Helper()
	out, err := esp.NewOutbound(o)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.NewInbound(i)
	if err != nil {
		t.Fatal(err)
	}
	return &link{t: t, out: out, in: in}
}

// seal protects one packet; the result is its own copy.
func (l *link) seal(ip []byte) ([]byte, esp.Reason) {
	l.t.Helper()
	tr := packet.NewTrain()
	if !l.out.Begin(tr) {
		l.t.Fatal("the outbound SA is no more")
	}
	defer l.out.End(now)
	buf := append(bytes.Clone(ip), bytes.Repeat([]byte{0xee}, packet.Tailroom)...)
	next := uint8(packet.ProtoIPv4)
	if ip[0]>>4 == 6 {
		next = packet.ProtoIPv6
	}
	r := l.out.Seal(tr, buf, 0, len(ip), next)
	if !bytes.Equal(buf[:len(ip)], ip) || !bytes.Equal(buf[len(ip):], bytes.Repeat([]byte{0xee}, packet.Tailroom)) {
		l.t.Error("sealing changed the source buffer")
	}
	if r != esp.OK && tr.Len != 0 {
		l.t.Errorf("a refused packet (%v) left %d octets in the train", r, tr.Len)
	}
	return tr.Buf[:tr.Len], r
}

// mustSeal is seal that succeeds.
func (l *link) mustSeal(ip []byte) []byte {
	l.t.Helper()
	d, r := l.seal(ip)
	if r != esp.OK {
		l.t.Fatalf("sealing was refused: %v", r)
	}
	return d
}

// open opens one packet and admits it.
func (l *link) open(d []byte) ([]byte, esp.Reason) {
	l.t.Helper()
	if !l.in.Begin() {
		l.t.Fatal("the inbound SA is no more")
	}
	defer l.in.End(now, alice)
	dst := make([]byte, len(d))
	n, next, r := l.in.Open(dst, d)
	if r != esp.OK {
		return nil, r
	}
	var v packet.View
	if err := v.Parse(dst[:n]); err != nil {
		return nil, esp.BadInnerHeader
	}
	if r := l.in.Admit(&v, next); r != esp.OK {
		return nil, r
	}
	l.in.Count(v.Len)
	return dst[:v.Len], esp.OK
}

func inner(n int) []byte {
	return esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, bytes.Repeat([]byte{'x'}, n))
}

// TestRoundTrip seals and opens every suite over every residue of the lengths.
func TestRoundTrip(t *testing.T) {
	for _, keywords := range esptest.Suites {
		t.Run(keywords, func(t *testing.T) {
			l := newLink(t, esptest.Pair{Keywords: keywords, Window: 64})
			for n := range 80 {
				ip := inner(n)
				d := l.mustSeal(ip)
				if len(d) != l.out.Size(len(ip)) {
					t.Fatalf("%d octets became %d, Size says %d", len(ip), len(d), l.out.Size(len(ip)))
				}
				if bytes.Contains(d, []byte("xxxxxxxx")) == esptest.Hides(keywords) && n >= 8 {
					t.Fatal("the payload can be read in the ESP packet, or not although nothing is encrypted")
				}
				got, r := l.open(d)
				if r != esp.OK || !bytes.Equal(got, ip) {
					t.Fatalf("opened %d octets, %v, want the packet of %d octets back", len(got), r, len(ip))
				}
			}
			if c := l.in.Counters(); c.Packets != 80 || c.Bytes != l.out.Counters().Bytes || !c.LastUse.Equal(now) {
				t.Errorf("the inbound SA counted %+v, the outbound %+v", c, l.out.Counters())
			}
		})
	}
}

// TestFormatGCM takes a packet apart with the standard library, by RFC 4303 §2 and RFC 4106.
func TestFormatGCM(t *testing.T) {
	p := esptest.Pair{Keywords: "aes256gcm16", SPI: 0x11223344, Sequence: 6}
	p.From, p.To, p.FromTS, p.ToTS = alice, bob, []string{"10.1.0.0/16"}, []string{"10.2.0.0/16"}
	o, i := p.Params()
	key := bytes.Clone(o.EncrKey)
	ip := inner(3)
	d := linkOf(t, o, i).mustSeal(ip)
	if !bytes.Equal(d[:8], []byte{0x11, 0x22, 0x33, 0x44, 0, 0, 0, 7}) {
		t.Fatalf("the header is % x, want SPI and sequence number 7", d[:8])
	}
	block, _ := aes.NewCipher(key[:32])
	gcm, _ := cipher.NewGCM(block)
	plain, err := gcm.Open(nil, append(bytes.Clone(key[32:36]), d[8:16]...), d[16:], d[:8])
	if err != nil {
		t.Fatalf("the standard library does not open it: %v", err)
	}
	want := append(bytes.Clone(ip), 1, 2, 3, 3, 4) // 31 octets, three of padding, Pad Length, IPv4
	if len(ip) != 31 || !bytes.Equal(plain, want) {
		t.Errorf("the plaintext is % x, want % x", plain, want)
	}
}

// TestFormatCBC does the same with encryption and integrity apart and extended sequence numbers, RFC 4303 §2.2.1.
func TestFormatCBC(t *testing.T) {
	p := esptest.Pair{Keywords: "aes128-sha256-esn", SPI: 0x11223344, Sequence: 5<<32 + 6}
	p.From, p.To, p.FromTS, p.ToTS = alice, bob, []string{"10.1.0.0/16"}, []string{"10.2.0.0/16"}
	o, i := p.Params()
	encr, integ := bytes.Clone(o.EncrKey), bytes.Clone(o.IntegKey)
	ip := inner(3)
	d := linkOf(t, o, i).mustSeal(ip)
	if binary.BigEndian.Uint32(d[4:]) != 7 {
		t.Fatalf("the packet carries %d, want the low half 7", binary.BigEndian.Uint32(d[4:]))
	}
	mac := hmac.New(sha256.New, integ)
	mac.Write(d[:len(d)-16])
	mac.Write([]byte{0, 0, 0, 5}) // the high half, unsent
	if !bytes.Equal(mac.Sum(nil)[:16], d[len(d)-16:]) {
		t.Error("the ICV is not HMAC-SHA-256-128 over the packet and the high half")
	}
	block, _ := aes.NewCipher(encr)
	plain := bytes.Clone(d[24 : len(d)-16])
	cipher.NewCBCDecrypter(block, d[8:24]).CryptBlocks(plain, plain)
	want := bytes.Clone(ip)
	for i := range 15 {
		want = append(want, byte(i+1))
	}
	if want = append(want, 15, 4); !bytes.Equal(plain, want) {
		t.Errorf("the plaintext is % x, want % x", plain, want)
	}
}

// TestFormatImplicitIV: no IV in the packet, and the nonce has the sequence number, of 64 bits or with zeros in front, RFC 8750 §4.
func TestFormatImplicitIV(t *testing.T) {
	for _, tt := range []struct {
		keywords string
		last     uint64
	}{{"aes256gcm16iiv", 6}, {"aes256gcm16iiv-esn", 5<<32 + 6}, {"chacha20poly1305iiv", 1<<32 - 2}, {"chacha20poly1305iiv-esn", 1<<32 - 1}} {
		p := esptest.Pair{Keywords: tt.keywords, SPI: 0x11223344, Sequence: tt.last}
		p.From, p.To, p.FromTS, p.ToTS = alice, bob, []string{"10.1.0.0/16"}, []string{"10.2.0.0/16"}
		o, i := p.Params()
		key := bytes.Clone(o.EncrKey)
		ip := inner(3)
		d := linkOf(t, o, i).mustSeal(ip)
		if len(d) != 8+len(ip)+5+16 {
			t.Fatalf("%s: the packet has %d octets, with an IV or without its ICV", tt.keywords, len(d))
		}
		block, _ := aes.NewCipher(key[:32])
		a, _ := cipher.NewGCM(block)
		if tt.keywords[0] == 'c' {
			a, _ = chacha20poly1305.New(key[:32])
		}
		nonce := binary.BigEndian.AppendUint64(bytes.Clone(key[32:36]), tt.last+1)
		aad := bytes.Clone(d[:8])
		if o.Suite.ESN {
			aad = binary.BigEndian.AppendUint64(bytes.Clone(d[:4]), tt.last+1) // RFC 4106 §5
		}
		plain, err := a.Open(nil, nonce, d[8:], aad)
		if err != nil {
			t.Fatalf("%s: it does not open with the sequence number for an IV: %v", tt.keywords, err)
		}
		if want := append(bytes.Clone(ip), 1, 2, 3, 3, 4); !bytes.Equal(plain, want) {
			t.Errorf("%s: the plaintext is % x, want % x", tt.keywords, plain, want)
		}
	}
}

// TestFormatCTR: the counter block is of nonce, IV and a counter that begins with one, RFC 3686 §4; no more padding than ESP wants.
func TestFormatCTR(t *testing.T) {
	p := esptest.Pair{Keywords: "aes256ctr-sha256", SPI: 0x11223344, Sequence: 6}
	p.From, p.To, p.FromTS, p.ToTS = alice, bob, []string{"10.1.0.0/16"}, []string{"10.2.0.0/16"}
	o, i := p.Params()
	key := bytes.Clone(o.EncrKey)
	ip := inner(3)
	d := linkOf(t, o, i).mustSeal(ip)
	if binary.BigEndian.Uint64(d[8:]) != 7 || len(d) != 16+36+16 {
		t.Fatalf("the packet of %d octets has the IV %x, want the number 7 and 68 octets", len(d), d[8:16])
	}
	block, _ := aes.NewCipher(key[:32])
	first := append(append(bytes.Clone(key[32:36]), d[8:16]...), 0, 0, 0, 1)
	plain := make([]byte, 36)
	cipher.NewCTR(block, first).XORKeyStream(plain, d[16:52])
	if want := append(bytes.Clone(ip), 1, 2, 3, 3, 4); !bytes.Equal(plain, want) {
		t.Errorf("the plaintext is % x, want % x", plain, want)
	}
}

// TestFormatNull: what encrypts nothing pads to four octets, and GMAC covers the IV, RFC 4543 §3.3.
func TestFormatNull(t *testing.T) {
	for _, tt := range []struct {
		keywords   string
		start, icv int
	}{{"null-sha256", 8, 16}, {"null-sha1_160-esn", 8, 20}, {"aes256gmac", 16, 16}, {"aes128gmac-esn", 16, 16}} {
		ip := inner(3)
		d := newLink(t, esptest.Pair{Keywords: tt.keywords}).mustSeal(ip)
		if want := append(bytes.Clone(ip), 1, 2, 3, 3, 4); len(d) != tt.start+len(want)+tt.icv || !bytes.Equal(d[tt.start:len(d)-tt.icv], want) {
			t.Errorf("%s: the packet is % x, without % x in it", tt.keywords, d, want)
		}
	}
}

// TestIVs: counters for combined modes and the counter mode, and nothing that repeats or counts for CBC (RFC 3602 §3).
func TestIVs(t *testing.T) {
	for _, keywords := range []string{"aes128gcm16", "aes128gcm8", "aes256ccm12", "chacha20poly1305", "aes128ctr-sha1", "camellia128ctr-sha256", "aes128gmac"} {
		counted := newLink(t, esptest.Pair{Keywords: keywords})
		for i := range 3 {
			if got := binary.BigEndian.Uint64(counted.mustSeal(inner(1))[8:]); got != uint64(i+1) {
				t.Errorf("%s: the IV of packet %d is %d, want the sequence number", keywords, i+1, got)
			}
		}
	}
	for _, keywords := range []string{"3des-md5", "camellia256-aesxcbc"} {
		if l := newLink(t, esptest.Pair{Keywords: keywords}); bytes.Equal(l.mustSeal(inner(1))[8:16], l.mustSeal(inner(1))[8:16]) {
			t.Errorf("%s: an IV came twice", keywords)
		}
	}
	cbc := newLink(t, esptest.Pair{Keywords: "aes128-sha256"})
	seen := map[[16]byte]bool{}
	for range 1000 {
		iv := [16]byte(cbc.mustSeal(inner(1))[8:24])
		if seen[iv] {
			t.Fatal("an IV came twice")
		}
		seen[iv] = true
	}
	// Two SAs of the same keys must not make the same IVs.
	if other := newLink(t, esptest.Pair{Keywords: "aes128-sha256"}); seen[[16]byte(other.mustSeal(inner(1))[8:24])] {
		t.Error("another SA made the same IV")
	}
}

func TestSequenceOverflow(t *testing.T) {
	for _, tt := range []struct {
		keywords string
		last     uint64
	}{{"aes128gcm16", math.MaxUint32}, {"aes128gcm16-esn", math.MaxUint64}, {"aes128-sha256", math.MaxUint32}, {"aes128gcm16iiv", math.MaxUint32}, {"aes128gcm16iiv-esn", math.MaxUint64}} {
		l := newLink(t, esptest.Pair{Keywords: tt.keywords, Sequence: tt.last - 2, Window: 32})
		tr := packet.NewTrain()
		l.out.Begin(tr)
		buf := append(inner(10), make([]byte, packet.Tailroom)...)
		for i := range 4 {
			r := l.out.Seal(tr, buf, 0, len(inner(10)), 4)
			if want := map[bool]esp.Reason{true: esp.OK, false: esp.SequenceOverflow}[i < 2]; r != want {
				t.Errorf("%s: packet %d before the end: %v, want %v", tt.keywords, 2-i, r, want)
			}
		}
		if tr.Count() != 2 {
			t.Errorf("%s: the train has %d packets, want 2", tt.keywords, tr.Count())
		}
		if s := l.out.End(now); s != esp.SoftExpire|esp.HardExpire {
			t.Errorf("%s: the signal is %b, want soft and hard", tt.keywords, s)
		}
		for i := range 2 {
			if _, r := l.open(tr.Datagram(i)); r != esp.OK {
				t.Errorf("%s: the last packets do not open: %v", tt.keywords, r)
			}
		}
	}
}

// TestExtendedSequenceWrap goes over 2³² with packets lost and reordered around it.
func TestExtendedSequenceWrap(t *testing.T) {
	for _, keywords := range []string{
		"aes128gcm16-esn", "chacha20poly1305-esn", "aes256-sha512-esn", "aes128gcm16iiv-esn", "aes256ccm8iiv-esn", "aes128ccm16-esn", "aes192ctr-aescmac-esn",
		"null-sha256-esn", "aes128gmac-esn", "3des-sha1-esn", "aes128gcm8-esn", "camellia128-sha256-esn",
	} {
		l := newLink(t, esptest.Pair{Keywords: keywords, Sequence: 1<<32 - 20, Window: 32})
		var held [][]byte
		for i := range 60 {
			d := l.mustSeal(inner(i))
			switch i % 10 {
			case 3: // lost
				continue
			case 5:
				held = append(held, d)
				continue
			case 9:
				for _, d := range held {
					if _, r := l.open(d); r != esp.OK {
						t.Fatalf("%s: a late packet around 2³² was refused: %v", keywords, r)
					}
				}
				held = nil
			}
			if _, r := l.open(d); r != esp.OK {
				t.Fatalf("%s: packet %d was refused: %v", keywords, i, r)
			}
			if _, r := l.open(d); r != esp.Replay {
				t.Fatalf("%s: packet %d came twice: %v, want a replay", keywords, i, r)
			}
		}
	}
}

// TestForgeryChangesNothing flips every bit of a packet, and cuts it at every length.
func TestForgeryChangesNothing(t *testing.T) {
	for _, keywords := range []string{"aes128gcm16", "chacha20poly1305-esn", "aes128-sha1", "aes256-sha384-esn", "aes128gcm16iiv", "aes128ccm8", "null-md5", "aes256gmac-esn"} {
		l := newLink(t, esptest.Pair{Keywords: keywords, Window: 32})
		d := l.mustSeal(inner(20))
		for i := 4 * 8; i < len(d)*8; i++ { // the SPI chose the SA
			bad := bytes.Clone(d)
			bad[i/8] ^= 1 << (i % 8)
			if _, r := l.open(bad); r == esp.OK {
				t.Fatalf("%s: with bit %d flipped it opens", keywords, i)
			}
		}
		for n := 8; n < len(d); n++ {
			if _, r := l.open(d[:n]); r == esp.OK {
				t.Fatalf("%s: cut to %d octets it opens", keywords, n)
			}
		}
		if c := l.in.Counters(); c.Packets != 0 || !c.LastUse.IsZero() {
			t.Errorf("%s: forged packets were counted: %+v", keywords, c)
		}
		if _, r := l.open(d); r != esp.OK {
			t.Errorf("%s: the packet itself is refused after the forgeries: %v", keywords, r)
		}
	}
}

// TestBadPlaintext sends what is authentic but wrong inside.
func TestBadPlaintext(t *testing.T) {
	good := inner(20)
	fragment := esptest.UDP("10.1.0.1", "10.2.0.1", 1, 2, nil)
	fragment[7] = 1 // an offset
	for _, tt := range []struct {
		name  string
		plain []byte // with trailer
		want  esp.Reason
	}{
		{"nothing wrong", append(bytes.Clone(good), 0, 4), esp.OK},
		{"padding beyond the packet", append(make([]byte, 10), 11, 4), esp.BadPadding},
		{"padding that does not count", append(append(bytes.Clone(good), 1, 3), 2, 4), esp.BadPadding},
		{"padding that starts at zero", append(append(bytes.Clone(good), 0), 1, 4), esp.BadPadding},
		{"UDP as the Next Header", append(bytes.Clone(good), 0, 17), esp.BadNextHeader},
		{"IPv4 that says IPv6", append(bytes.Clone(good), 0, 41), esp.BadNextHeader},
		{"an empty packet", []byte{0, 4}, esp.BadInnerHeader},
		{"a header cut short", append(bytes.Clone(good[:19]), 0, 4), esp.BadInnerHeader},
		{"a length beyond the end", append(bytes.Clone(good[:40]), 0, 4), esp.BadInnerHeader},
		{"IP version 5", append(append([]byte{0x55}, good[1:]...), 0, 4), esp.BadInnerHeader},
		{"TFC padding behind the packet", append(append(bytes.Clone(good), make([]byte, 100)...), 0, 4), esp.OK},
		{"a fragment where ports do not matter", append(fragment, 0, 4), esp.OK},
		{"a source outside", append(esptest.UDP("10.3.0.1", "10.2.0.1", 1, 2, nil), 0, 4), esp.BadSelectors},
		{"a destination outside", append(esptest.UDP("10.1.0.1", "10.3.0.1", 1, 2, nil), 0, 4), esp.BadSelectors},
		{"ends swapped", append(esptest.UDP("10.2.0.1", "10.1.0.1", 1, 2, nil), 0, 4), esp.BadSelectors},
		{"the other family", append(esptest.UDP("fd00::1", "fd00::2", 1, 2, nil), 0, 41), esp.BadSelectors},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLink(t, esptest.Pair{Window: 32})
			d := l.forge(tt.plain)
			got, r := l.open(d)
			if r != tt.want {
				t.Fatalf("opened with %v, want %v", r, tt.want)
			}
			if r == esp.OK && len(got) > len(tt.plain)-2 {
				t.Errorf("got %d octets of %d", len(got), len(tt.plain))
			}
			if _, r := l.open(d); r != esp.Replay {
				t.Errorf("the same packet again: %v, want a replay: it was authentic", r)
			}
		})
	}
}

// forge seals octets as they are, trailer included, with the SA's own key.
func (l *link) forge(plain []byte) []byte {
	p := esptest.Pair{SPI: 0xc0ffee01}
	p.From, p.To, p.FromTS, p.ToTS = alice, bob, []string{"0.0.0.0/0"}, []string{"0.0.0.0/0"}
	o, _ := p.Params()
	c, err := o.Suite.NewCipher(o.EncrKey, o.IntegKey)
	if err != nil {
		l.t.Fatal(err)
	}
	d := binary.BigEndian.AppendUint32(nil, uint32(p.SPI))
	d = binary.BigEndian.AppendUint32(d, 9)
	d = append(d, make([]byte, 8+len(plain)+c.ICVLen())...)
	c.Seal(d[16:], d[8:16], plain, d[:8], nil)
	return d
}

func TestDummy(t *testing.T) {
	l := newLink(t, esptest.Pair{Window: 32})
	d := l.forge(append(bytes.Repeat([]byte{7}, 50), 0, packet.ProtoNoNext))
	l.in.Begin()
	_, next, r := l.in.Open(make([]byte, len(d)), d)
	l.in.End(now, alice)
	if r != esp.OK || next != packet.ProtoNoNext {
		t.Errorf("a dummy packet opens as %d, %v, want 59, OK", next, r)
	}
	if c := l.in.Counters(); c.Packets != 0 || !c.LastUse.Equal(now) {
		t.Errorf("a dummy packet counted as %+v, want no packet but a sign of life", c)
	}
}

func TestNarrowPorts(t *testing.T) {
	wide := esptest.Pair{FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}, Window: 32}
	wide.SPI, wide.From, wide.To = 0xc0ffee01, alice, bob
	o, i := wide.Params()
	i.RemoteTS = []spd.TrafficSelector{spd.MustParse("10.1.0.0/16[udp/1000]"), spd.MustParse("10.1.0.7[icmp/8]")}
	i.LocalTS = []spd.TrafficSelector{spd.MustParse("10.2.0.0/16[udp/2000-2010]"), spd.MustParse("10.2.0.7[icmp/8]")}
	l := linkOf(t, o, i)
	fragment := esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2000, make([]byte, 8))
	fragment[7] = 1
	for _, tt := range []struct {
		name string
		ip   []byte
		want esp.Reason
	}{
		{"the ports", esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2005, nil), esp.OK},
		{"another source port", esptest.UDP("10.1.0.1", "10.2.0.1", 1001, 2005, nil), esp.BadSelectors},
		{"another destination port", esptest.UDP("10.1.0.1", "10.2.0.1", 1000, 2011, nil), esp.BadSelectors},
		{"another protocol", esptest.IP("10.1.0.1", "10.2.0.1", packet.ProtoTCP, append([]byte{3, 0xe8, 7, 0xd0}, make([]byte, 16)...)), esp.BadSelectors},
		{"a fragment without ports", fragment, esp.BadSelectors},
		{"an echo request", esptest.IP("10.1.0.7", "10.2.0.7", packet.ProtoICMP, []byte{8, 0, 0, 0, 0, 0, 0, 0}), esp.OK},
		{"an echo reply", esptest.IP("10.1.0.7", "10.2.0.7", packet.ProtoICMP, []byte{0, 0, 0, 0, 0, 0, 0, 0}), esp.BadSelectors},
	} {
		if _, r := l.open(l.mustSeal(tt.ip)); r != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, r, tt.want)
		}
	}
}

func TestLifetimes(t *testing.T) {
	p := esptest.Pair{SPI: 0xc0ffee01, From: alice, To: bob, FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}, Window: 32}
	size := uint64(len(inner(0)))
	for _, tt := range []struct {
		name                                 string
		softBytes, hardBytes, softPk, hardPk uint64
		softAt, hardAt                       int // packets
	}{
		{"packets", 0, 0, 3, 5, 3, 5},
		{"octets", 2*size + 1, 4 * size, 0, 0, 3, 4},
		{"none", 0, 0, 0, 0, 0, 0},
	} {
		o, i := p.Params()
		for _, x := range []*esp.Params{&o, &i} {
			x.SoftBytes, x.HardBytes, x.SoftPackets, x.HardPackets = tt.softBytes, tt.hardBytes, tt.softPk, tt.hardPk
		}
		l := linkOf(t, o, i)
		for k := 1; k <= 8; k++ {
			tr := packet.NewTrain()
			l.out.Begin(tr)
			r := l.out.Seal(tr, append(inner(0), make([]byte, 64)...), 0, len(inner(0)), 4)
			got := l.out.End(now)
			var want esp.Signal
			if k == tt.softAt {
				want |= esp.SoftExpire
			}
			if k == tt.hardAt {
				want |= esp.HardExpire
			}
			if got != want {
				t.Errorf("%s: packet %d signals %b, want %b", tt.name, k, got, want)
			}
			if over := tt.hardAt != 0 && k > tt.hardAt; over != (r == esp.Lifetime) {
				t.Errorf("%s: packet %d: %v", tt.name, k, r)
			}
			if r != esp.OK {
				continue
			}
			l.in.Begin()
			n, _, r := l.in.Open(make([]byte, tr.Len), tr.Buf[:tr.Len])
			l.in.Count(n)
			if got := l.in.End(now, alice); r != esp.OK || got != want {
				t.Errorf("%s: the receiver's packet %d signals %b, %v, want %b", tt.name, k, got, r, want)
			}
		}
	}
}

func TestPeerMoved(t *testing.T) {
	l := newLink(t, esptest.Pair{Window: 32})
	elsewhere := netip.MustParseAddrPort("198.51.100.7:31000")
	receive := func(d []byte, from netip.AddrPort, at time.Time) esp.Signal {
		l.in.Begin()
		l.in.Open(make([]byte, len(d)), d)
		return l.in.End(at, from)
	}
	first, second, third, fourth := l.mustSeal(inner(1)), l.mustSeal(inner(1)), l.mustSeal(inner(1)), l.mustSeal(inner(1))
	if s := receive(second, alice, now); s != 0 {
		t.Errorf("a packet from the known address signals %b", s)
	}
	if s := receive(first, elsewhere, now); s != 0 {
		t.Errorf("an older packet from elsewhere signals %b: it may have been held back", s)
	}
	if s := receive(second, elsewhere, now); s != 0 {
		t.Errorf("a replay from elsewhere signals %b", s)
	}
	forged := bytes.Clone(third)
	forged[len(forged)-1] ^= 1
	if s := receive(forged, elsewhere, now); s != 0 {
		t.Errorf("a forged packet from elsewhere signals %b", s)
	}
	if s := receive(third, elsewhere, now); s != esp.PeerMoved {
		t.Errorf("the newest packet from elsewhere signals %b, want that the peer moved", s)
	}
	if s := receive(fourth, elsewhere, now); s != 0 {
		t.Errorf("the same news within a second signals %b", s)
	}
	if s := receive(l.mustSeal(inner(1)), elsewhere, now.Add(time.Second)); s != esp.PeerMoved {
		t.Errorf("news that nobody acted on is not repeated after a second: %b", s)
	}
	l.in.Move(bob, elsewhere)
	if s := receive(l.mustSeal(inner(1)), elsewhere, now.Add(time.Hour)); s != 0 {
		t.Errorf("a packet from the address moved to signals %b", s)
	}
}

func TestMove(t *testing.T) {
	l := newLink(t, esptest.Pair{})
	to, from := netip.MustParseAddrPort("198.51.100.7:31000"), netip.MustParseAddrPort("192.0.2.9:4500")
	l.out.Move(from, to)
	tr := packet.NewTrain()
	l.out.Begin(tr)
	l.out.End(now)
	if tr.Local != from || tr.Remote != to {
		t.Errorf("after a move a train goes from %v to %v, want %v to %v", tr.Local, tr.Remote, from, to)
	}
}

func TestWipe(t *testing.T) {
	l := newLink(t, esptest.Pair{})
	l.out.Wipe()
	l.in.Wipe()
	l.out.Wipe()
	if l.out.Begin(packet.NewTrain()) || l.in.Begin() {
		t.Error("a wiped SA can be used")
	}
}

func TestParamsAreChecked(t *testing.T) {
	p := esptest.Pair{SPI: 0xc0ffee01, From: alice, To: bob, FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}}
	for name, spoil := range map[string]func(*esp.Params){
		"a reserved SPI":      func(p *esp.Params) { p.SPI = 255 },
		"no remote address":   func(p *esp.Params) { p.Remote = netip.AddrPort{} },
		"a window too large":  func(p *esp.Params) { p.Window = 4097 },
		"no selectors":        func(p *esp.Params) { p.LocalTS = nil },
		"an invalid selector": func(p *esp.Params) { p.RemoteTS = []spd.TrafficSelector{{}} },
		"a short key":         func(p *esp.Params) { p.EncrKey = p.EncrKey[1:] },
		"no direction":        func(p *esp.Params) { p.Direction = 0 },
	} {
		o, i := p.Params()
		spoil(&o)
		spoil(&i)
		if _, err := esp.NewOutbound(o); err == nil {
			t.Errorf("an outbound SA with %s was made", name)
		}
		if _, err := esp.NewInbound(i); err == nil {
			t.Errorf("an inbound SA with %s was made", name)
		}
	}
}

// TestKeysAreNotKept: the description that others may look at has no keys.
func TestKeysAreNotKept(t *testing.T) {
	l := newLink(t, esptest.Pair{Keywords: "aes128-sha256"})
	for _, p := range []*esp.Params{l.out.Params(), l.in.Params()} {
		if p.EncrKey != nil || p.IntegKey != nil {
			t.Error("the parameters of an SA still have keys")
		}
	}
}

func TestDecapsulateECN(t *testing.T) {
	const drop = 255
	// RFC 6040 Figure 4; Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3.
	want := map[[2]uint8]uint8{
		{0, 0}: 0, {0, 2}: 0, {0, 1}: 0, {0, 3}: drop,
		{2, 0}: 2, {2, 2}: 2, {2, 1}: 1, {2, 3}: 3,
		{1, 0}: 1, {1, 2}: 1, {1, 1}: 1, {1, 3}: 3,
		{3, 0}: 3, {3, 2}: 3, {3, 1}: 3, {3, 3}: 3,
	}
	for in := range uint8(4) {
		for out := range uint8(4) {
			got, ok := esp.DecapsulateECN(0xb8|in, 0x28|out)
			if w := want[[2]uint8{in, out}]; ok != (w != drop) || ok && got != 0xb8|w {
				t.Errorf("inner %d, outer %d: %#x, %v, want %d", in, out, got, ok, w)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	for _, keywords := range esptest.Suites {
		l := newLink(t, esptest.Pair{Keywords: keywords, Window: 1024})
		tr := packet.NewTrain()
		ip := inner(1000)
		buf, dst := append(bytes.Clone(ip), make([]byte, packet.Tailroom)...), make([]byte, 2000)
		var v packet.View
		if n := testing.AllocsPerRun(100, func() {
			l.out.Begin(tr)
			l.out.Seal(tr, buf, 0, len(ip), 4)
			l.out.End(now)
			l.in.Begin()
			n, next, r := l.in.Open(dst, tr.Buf[:tr.Len])
			if r != esp.OK || v.Parse(dst[:n]) != nil || l.in.Admit(&v, next) != esp.OK {
				t.Fatalf("%s: %v", keywords, r)
			}
			l.in.Count(n)
			l.in.End(now, alice)
			tr.Reset()
		}); n != 0 {
			t.Errorf("%s: a packet allocates %v times, want 0", keywords, n)
		}
	}
}

// FuzzInbound opens hostile octets.
func FuzzInbound(f *testing.F) {
	l := newLink(f, esptest.Pair{Window: 32})
	f.Add(l.mustSeal(inner(20)), false)
	f.Add(l.forge([]byte{1, 2, 3}), true)
	f.Fuzz(func(t *testing.T, d []byte, authentic bool) {
		for _, keywords := range []string{"aes128gcm16", "aes128-sha256-esn", "aes128gcm16iiv", "null-sha1", "3des-md5", "aes128ccm8", "aes128ctr-aesxcbc"} {
			if len(d) > 60000 {
				return
			}
			l := newLink(t, esptest.Pair{Window: 32, Keywords: keywords})
			packetOf := d
			if authentic && keywords == "aes128gcm16" {
				packetOf = l.forge(d)
			}
			if len(packetOf) < 8 {
				continue // no SPI to find the SA by
			}
			got, r := l.open(packetOf)
			if r == esp.OK && len(got) < 20 {
				t.Fatalf("a packet of %d octets was let in", len(got))
			}
			if r == esp.OK && !authentic && l.in.Counters().Packets != 1 {
				t.Fatal("a packet was let in and not counted")
			}
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	for _, keywords := range []string{"aes128gcm16", "chacha20poly1305", "aes128-sha256"} {
		for _, size := range []int{64, 1420} {
			b.Run(keywords+"/"+map[int]string{64: "64", 1420: "1420"}[size], func(b *testing.B) {
				l := newLink(b, esptest.Pair{Keywords: keywords, Window: 1024})
				tr, dst := packet.NewTrain(), make([]byte, 2000)
				ip := inner(size - 28)
				buf := append(ip, make([]byte, packet.Tailroom)...)
				var v packet.View
				b.SetBytes(int64(size))
				for b.Loop() {
					l.out.Begin(tr)
					l.out.Seal(tr, buf, 0, size, 4)
					l.out.End(now)
					l.in.Begin()
					n, next, _ := l.in.Open(dst, tr.Buf[:tr.Len])
					_ = v.Parse(dst[:n])
					if l.in.Admit(&v, next) != esp.OK {
						b.Fatal("refused")
					}
					l.in.Count(n)
					l.in.End(now, alice)
					tr.Reset()
				}
			})
		}
	}
}
