package wire

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/header"
)

// transcript is a recorded conversation of testdata; its files say what their lines are.
type transcript struct {
	sas   map[[2]header.SPI]*recordedSA
	steps []step
}

type recordedSA struct {
	set            suite.Set
	ei, er, ai, ar []byte
}

type step struct {
	octets []byte
	lines  []string // as charon logged the message; of the last fragment also the whole one
}

func readTranscript(t testing.TB, file string) *transcript {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr := &transcript{sas: map[[2]header.SPI]*recordedSA{}}
	var sa *recordedSA
	for s := bufio.NewScanner(f); s.Scan(); {
		key, rest, _ := strings.Cut(s.Text(), " ")
		switch key {
		case "", "#":
		case "sa":
			sa = tr.addSA(t, strings.Fields(rest))
		case "sk_ei":
			sa.ei = unhex(t, rest)
		case "sk_er":
			sa.er = unhex(t, rest)
		case "sk_ai":
			sa.ai = unhex(t, rest)
		case "sk_ar":
			sa.ar = unhex(t, rest)
		case ">", "<":
			tr.steps = append(tr.steps, step{octets: unhex(t, rest)})
		case "=":
			last := &tr.steps[len(tr.steps)-1]
			last.lines = append(last.lines, rest)
		default:
			t.Fatalf("%s: line %q is not understood", file, s.Text())
		}
	}
	return tr
}

func (tr *transcript) addSA(t testing.TB, words []string) *recordedSA {
	t.Helper()
	proposals, err := suite.Parse(suite.IKE, words[2])
	if err != nil {
		t.Fatal(err)
	}
	set, err := suite.Resolve(proposals[0])
	if err != nil {
		t.Fatal(err)
	}
	sa := &recordedSA{set: set}
	tr.sas[[2]header.SPI{header.SPI(unhex(t, words[0])), header.SPI(unhex(t, words[1]))}] = sa
	return sa
}

// cipher is that of the message's IKE SA and direction.
func (tr *transcript) cipher(t testing.TB, h header.Header) suite.Cipher {
	t.Helper()
	sa := tr.sas[[2]header.SPI{h.Initiator, h.Responder}]
	encr, integ := sa.er, sa.ar
	if h.FromInitiator() {
		encr, integ = sa.ei, sa.ai
	}
	c, err := sa.set.NewCipher(encr, integ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func transcripts(t testing.TB) []string {
	files, err := filepath.Glob("testdata/strongswan-*.txt")
	if err != nil || len(files) < 4 {
		t.Fatalf("of the recorded conversations there are %d: %v", len(files), err)
	}
	return files
}

// TestTranscripts reads what strongSwan sent and wants to see in it what charon logged. What an AEAD protects is sealed
// again, with charon's IV, to the same octets.
func TestTranscripts(t *testing.T) {
	for _, file := range transcripts(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			tr := readTranscript(t, file)
			reassemblies := map[header.ExchangeType]*Reassembly{}
			for i, s := range tr.steps {
				var lines []string
				for _, m := range tr.read(t, s, reassemblies) {
					lines = append(lines, m.String())
				}
				if got, want := strings.Join(lines, "\n"), strings.Join(s.lines, "\n"); got != want {
					t.Errorf("message %d is\n%s\ncharon logged\n%s", i, got, want)
				}
			}
		})
	}
}

// read returns the message of a step; of a fragment the closed one, and behind the last also the whole one.
func (tr *transcript) read(t *testing.T, s step, parts map[header.ExchangeType]*Reassembly) []*Message {
	t.Helper()
	m, err := Parse(s.octets)
	if err != nil {
		t.Fatalf("what strongSwan sent is refused: %v\n%s", err, s.lines)
	}
	checkConsistent(t, s.octets)
	if m.Exchange == header.IKESAInit {
		if again := m.AppendTo(nil); !bytes.Equal(again, s.octets) {
			t.Errorf("%v is written differently from how strongSwan wrote it:\n%x\n%x", m, again, s.octets)
		}
		return []*Message{m}
	}
	c := tr.cipher(t, m.Header)
	if !IsFragment(s.octets) {
		opened, err := Open(s.octets, c)
		if err != nil {
			t.Fatalf("what strongSwan sealed does not open: %v\n%s", err, s.lines)
		}
		checkResealed(t, opened, c, s.octets)
		return []*Message{opened}
	}
	f, err := OpenFragment(s.octets, c)
	if err != nil {
		t.Fatalf("a fragment that strongSwan sealed does not open: %v\n%s", err, s.lines)
	}
	if parts[m.Exchange] == nil {
		parts[m.Exchange] = &Reassembly{}
	}
	whole, err := parts[m.Exchange].Add(f)
	if err != nil {
		t.Fatalf("strongSwan's fragments do not make a message: %v\n%s", err, s.lines)
	}
	if whole != nil {
		return []*Message{m, whole}
	}
	return []*Message{m}
}

func checkResealed(t *testing.T, m *Message, c suite.Cipher, octets []byte) {
	t.Helper()
	at := header.Len + genericLen
	again, err := Seal(m, c, bytes.NewReader(octets[at:at+c.IVLen()]), nil)
	if err != nil || len(again) != len(octets) {
		t.Fatalf("%v is sealed to %d octets, not %d as strongSwan did: %v", m, len(again), len(octets), err)
	}
	if c.RandomIV() {
		return // strongSwan fills the padding with random octets
	}
	if !bytes.Equal(again, octets) {
		t.Errorf("%v is sealed differently from how strongSwan did:\n%x\n%x", m, again, octets)
	}
}

func TestTranscriptDetail(t *testing.T) {
	tr := readTranscript(t, "testdata/strongswan-aes-gcm.txt")
	var got []string
	for _, s := range tr.steps[:6] {
		m := tr.read(t, s, nil)[0]
		got = append(got, append([]string{m.String()}, m.Detail()...)...)
	}
	want, err := os.ReadFile("testdata/strongswan-aes-gcm.detail")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(got, "\n") + "\n"; text != string(want) {
		t.Errorf("in detail the conversation is\n%s\nwant\n%s", text, want)
	}
}

// seedTranscripts adds what strongSwan sent to a fuzzer's corpus.
func seedTranscripts(f *testing.F, add func(octets []byte)) {
	for _, file := range transcripts(f) {
		for _, s := range readTranscript(f, file).steps {
			add(s.octets)
		}
	}
}
