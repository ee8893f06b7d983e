package wire

import (
	"bytes"
	"errors"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// FuzzParse wants no panic, and of what is taken that it is written and read again the same.
func FuzzParse(f *testing.F) {
	for _, tc := range samples {
		f.Add(message(tc.typ, unhex(f, tc.octets)))
	}
	f.Add(firstRequest().AppendTo(nil))
	f.Add(authRequest().AppendTo(nil))
	f.Add(mustSeal(f, authRequest(), newStdGCM(f)))
	f.Add(message(98, unhex(f, "2b 80 00 05 01  00 00 00 04")))
	seedTranscripts(f, func(octets []byte) { f.Add(octets) })
	f.Fuzz(func(t *testing.T, b []byte) {
		checkConsistent(t, b)
		m, err := Parse(b)
		if err == nil && IsFragment(b) != (First[*SKF](m) != nil) {
			t.Errorf("IsFragment and Parse do not agree about %v", m)
		}
	})
}

// FuzzOpen has octets as they come from the network, and the same octets as a peer that knows the keys would protect
// them: nothing of the first is believed, and the second is consistent or refused.
func FuzzOpen(f *testing.F) {
	for _, c := range testCiphers(f) {
		f.Add(mustSeal(f, authRequest(), c.make()), uint8(TypeIDi))
	}
	frags, err := SealFragments(authRequest(), newStdGCM(f), &IVCounter{}, 120)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range frags {
		f.Add(b, uint8(TypeNone))
	}
	for _, tc := range samples {
		f.Add(append(unhex(f, tc.octets), 0), uint8(tc.typ))
	}
	seedTranscripts(f, func(octets []byte) { f.Add(octets, uint8(TypeSA)) })
	gcm, cbc := newStdGCM(f), newStdCBC(f)
	known := map[string]bool{}
	for _, c := range testCiphers(f) {
		known[string(mustSeal(f, authRequest(), c.make()))] = true
	}
	for _, b := range frags {
		known[string(b)] = true
	}
	f.Fuzz(func(t *testing.T, b []byte, first uint8) {
		for _, c := range []suite.Cipher{gcm, cbc} {
			checkForged(t, b, c, known[string(b)])
			if len(b) == 0 || len(b) > 4096 {
				continue
			}
			// The last octet is the Pad Length, so it is the fuzzer's too.
			plain := append(bytes.Repeat([]byte{0}, (c.Align()-len(b)%c.Align())%c.Align()), b...)
			checkOpened(t, sealRaw(t, c, PayloadType(first), plain), c)
		}
	})
}

func checkForged(t *testing.T, b []byte, c suite.Cipher, known bool) {
	before := bytes.Clone(b)
	m, err := Open(b, c)
	var e *Error
	if !known && (m != nil || err == nil || errors.As(err, &e) && e.Protected) {
		t.Fatalf("octets that nobody sealed were believed: %v, %v", m, err)
	}
	if fragment, err := OpenFragment(b, c); !known && (fragment != nil || err == nil) {
		t.Fatalf("octets that nobody sealed were believed to be a fragment: %v", err)
	}
	if !bytes.Equal(b, before) {
		t.Fatal("opening wrote to the datagram")
	}
}

func checkOpened(t *testing.T, b []byte, c suite.Cipher) {
	m, err := Open(b, c)
	var e *Error
	if err != nil && (!errors.As(err, &e) || !e.Protected) {
		t.Fatalf("what the peer itself sealed was not believed: %v", err)
	}
	if e != nil && (e.Offset < header.Len || e.Offset > len(b)) {
		t.Errorf("the error's offset %d is not within the %d octets: %v", e.Offset, len(b), err)
	}
	if m == nil {
		return
	}
	again, err := Open(mustSeal(t, m, c), c)
	if again == nil || !bytes.Equal(again.AppendTo(nil), m.AppendTo(nil)) {
		t.Fatalf("sealed and opened again, the message differs: %v, %v, %v", m, again, err)
	}
}
