//go:build linux

package main

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/status"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/tun/packet"
)

// bothEnds are the ends as the namespaces have them.
func bothEnds(t *testing.T, suite string) (left, right []esp.Params) {
	t.Helper()
	ends, set, err := parseStatic([]string{"192.0.2.1", "10.1.0.1", "192.0.2.2", "10.2.0.1", suite})
	if err != nil {
		t.Fatal(err)
	}
	return staticParams(ends[0], ends[1], set), staticParams(ends[1], ends[0], set)
}

// TestStaticEndsFit sends a packet each way, with each suite, between what the two ends install.
func TestStaticEndsFit(t *testing.T) {
	for suite := range staticSuites {
		left, right := bothEnds(t, suite)
		for _, way := range [][2]esp.Params{{left[1], right[0]}, {right[1], left[0]}} {
			out, err := esp.NewOutbound(way[0])
			if err != nil {
				t.Fatal(err)
			}
			in, err := esp.NewInbound(way[1])
			if err != nil {
				t.Fatal(err)
			}
			src, dst := way[0].LocalTS[0].Start, way[0].RemoteTS[0].Start
			ip := esptest.UDP(src.String(), dst.String(), 1, 2, []byte("octets"))
			got, sealed := through(t, out, in, ip)
			if !bytes.Equal(got, ip) {
				t.Errorf("%s: %x came as %x", suite, ip, got)
			}
			if plain := bytes.Contains(sealed, ip); plain != (suite == "null") {
				t.Errorf("%s: the packet can be read on the wire: %v", suite, plain)
			}
		}
	}
}

// through carries one packet, and returns it and what was on the wire.
func through(t *testing.T, out *esp.Outbound, in *esp.Inbound, ip []byte) (got, sealed []byte) {
	t.Helper()
	train, s := packet.NewTrain(), packet.NewSuper()
	copy(s.Buf[s.Off:], ip)
	if !out.Begin(train) || !in.Begin() {
		t.Fatal("an SA is gone")
	}
	if r := out.Seal(train, s.Buf, s.Off, len(ip), packet.ProtoIPv4); r != esp.OK {
		t.Fatal(r)
	}
	sealed = train.Datagram(0)
	got = make([]byte, len(sealed))
	n, next, r := in.Open(got, sealed)
	if r != esp.OK || next != packet.ProtoIPv4 {
		t.Fatalf("Open: %v, next header %d", r, next)
	}
	return got[:n], sealed
}

// TestNullIsFramedAsGCM: what is compared is to differ in the cipher alone.
func TestNullIsFramedAsGCM(t *testing.T) {
	left, _ := bothEnds(t, "null")
	gcm, _ := bothEnds(t, "aes128gcm16")
	var sizes [2]*esp.Outbound
	for i, p := range []esp.Params{left[1], gcm[1]} {
		o, err := esp.NewOutbound(p)
		if err != nil {
			t.Fatal(err)
		}
		sizes[i] = o
	}
	for n := range 1500 {
		if a, b := sizes[0].Size(n), sizes[1].Size(n); a != b {
			t.Fatalf("%d octets become %d with NULL and %d with AES-GCM", n, a, b)
		}
	}
}

// TestNullAllocatesNothing: it is to cost a copy.
func TestNullAllocatesNothing(t *testing.T) {
	plain, sealed := make([]byte, 1420), make([]byte, 1420+nullTag)
	n := testing.AllocsPerRun(10, func() {
		null{}.Seal(sealed[:0], nil, plain, nil)
		if _, err := (null{}).Open(plain[:0], nil, sealed, nil); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("NULL allocates %v times, want 0", n)
	}
}

// TestNullIsNowhereElse: of the table that configuration and IKE choose from, what leaves octets as they are is called so, with a
// warning, and authenticates them.
func TestNullIsNowhereElse(t *testing.T) {
	plain := bytes.Repeat([]byte("octets "), 16)
	for _, row := range encr.Transforms {
		for _, bits := range append([]uint16{0}, row.KeyBits...) {
			if !row.TakesKeyBits(bits) || row.NewAEAD == nil {
				continue
			}
			aead, err := row.NewAEAD(make([]byte, row.KeyLen(bits)))
			if err != nil {
				t.Fatal(err)
			}
			nonce := make([]byte, aead.NonceSize())
			sealed := aead.Seal(nil, nonce, plain, nil)
			if bytes.Contains(sealed, plain[:32]) && (row.Status != status.Legacy || !strings.HasPrefix(row.Name, "ENCR_NULL")) {
				t.Errorf("%s with a key of %d bits leaves octets as they are", row.Name, bits)
			}
			sealed[0] ^= 1
			if _, err := aead.Open(nil, nonce, sealed, nil); err == nil {
				t.Errorf("%s with a key of %d bits opens what was changed", row.Name, bits)
			}
		}
	}
}

func TestParseStatic(t *testing.T) {
	ends, set, err := parseStatic([]string{"192.0.2.1", "10.1.0.1", "192.0.2.2", "10.2.0.1", "aes128gcm16"})
	if err != nil {
		t.Fatal(err)
	}
	if want := (staticEnd{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("10.2.0.1")}); ends[1] != want || set.EncrKeyLen() != 20 {
		t.Errorf("the other end is %v with keys of %d octets, want %v and 20", ends[1], set.EncrKeyLen(), want)
	}
	for _, args := range [][]string{
		nil,
		{"192.0.2.1", "10.1.0.1", "192.0.2.2", "10.2.0.1"},
		{"192.0.2.1", "10.1.0.1", "192.0.2.2", "somewhere", "null"},
		{"192.0.2.1", "10.1.0.1", "192.0.2.2", "10.2.0.1", "rot13"},
	} {
		if _, _, err := parseStatic(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
