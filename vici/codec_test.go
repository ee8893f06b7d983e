package vici

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// example is the protocol's own, section "Encoding example".
func example() (*Message, []byte) {
	m := (&Message{}).Add("key1", "value1")
	section := m.AddSection("section1")
	section.AddSection("sub-section").Add("key2", "value2")
	section.AddList("list1", "item1", "item2")
	return m, []byte("\x03\x04key1\x00\x06value1" +
		"\x01\x08section1" +
		"\x01\x0bsub-section" + "\x03\x04key2\x00\x06value2" + "\x02" +
		"\x04\x05list1" + "\x05\x00\x05item1" + "\x05\x00\x05item2" + "\x06" +
		"\x02")
}

func encode(t *testing.T, m *Message) []byte {
	t.Helper()
	b, err := m.AppendTo(nil)
	if err != nil {
		t.Fatalf("a message cannot be encoded: %v", err)
	}
	return b
}

func TestCodecExample(t *testing.T) {
	m, octets := example()
	if b := encode(t, m); !bytes.Equal(b, octets) {
		t.Errorf("the protocol's example is encoded as\n%q, want\n%q", b, octets)
	}
	parsed, err := Parse(octets)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := parsed.String(), "{key1=value1 section1 {sub-section {key2=value2} list1=[item1 item2]}}"; got != want {
		t.Errorf("the protocol's example is read as\n%s, want\n%s", got, want)
	}
	if got := parsed.Get("section1", "sub-section", "key2"); got != "value2" {
		t.Errorf("key2 is %q, want value2", got)
	}
	if got := parsed.List("section1", "list1"); len(got) != 2 || got[1] != "item2" {
		t.Errorf("list1 is %q, want item1 and item2", got)
	}
	if got := parsed.Section("section1").Section("none").Get("key"); got != "" {
		t.Errorf("what is not there is %q, want nothing", got)
	}
}

func TestCodecRoundTrip(t *testing.T) {
	deep := &Message{}
	for at, i := deep, 0; i < maxDepth; i++ {
		at = at.AddSection("s")
	}
	tests := map[string]*Message{
		"empty":              {},
		"empty value":        (&Message{}).Add("key", ""),
		"empty name":         (&Message{}).Add("", "value"),
		"any octets":         (&Message{}).AddBytes("k\x00\xff", []byte{0, 1, 2, 0xff}),
		"empty list":         (&Message{}).AddList("list"),
		"list of empty item": (&Message{}).AddList("list", ""),
		"the same name":      (&Message{}).Add("AES_CBC", "aes").Add("AES_CBC", "openssl"),
		"longest name":       (&Message{}).Add(strings.Repeat("n", maxName), "value"),
		"longest value":      (&Message{}).Add("key", strings.Repeat("v", maxValue)),
		"deepest":            deep,
	}
	for name, m := range tests {
		b := encode(t, m)
		parsed, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again := encode(t, parsed); !bytes.Equal(again, b) {
			t.Errorf("%s: read and written again it is other octets", name)
		}
	}
}

func TestCodecTruncated(t *testing.T) {
	_, octets := example()
	// After the outermost elements the message is whole.
	whole := map[int]bool{0: true, len("\x03\x04key1\x00\x06value1"): true, len(octets): true}
	for n := range len(octets) + 1 {
		_, err := Parse(octets[:n])
		if whole[n] != (err == nil) {
			t.Errorf("cut off after %d of %d octets the error is %v", n, len(octets), err)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("cut off after %d octets the error is %v, which is not ErrMalformed", n, err)
		}
	}
}

func TestCodecMalformed(t *testing.T) {
	tests := map[string]string{
		"a section that ends without a start": "\x02",
		"an item outside of a list":           "\x05\x00\x01a",
		"the end of a list without a start":   "\x06",
		"a key in a list":                     "\x04\x01l\x03\x01k\x00\x01v\x06",
		"a section in a list":                 "\x04\x01l\x01\x01s\x02\x06",
		"a list in a list":                    "\x04\x01l\x04\x01m\x06\x06",
		"the end of the section in a list":    "\x01\x01s\x04\x01l\x02",
		"an element of type 0":                "\x00",
		"an element of type 7":                "\x07\x01a",
		"a section that does not end":         "\x01\x01s",
		"too many sections in each other":     strings.Repeat("\x01\x00", maxDepth+1) + strings.Repeat("\x02", maxDepth+1),
		"too many elements":                   strings.Repeat("\x03\x00\x00\x00", maxElements+1),
		"too many items":                      "\x04\x00" + strings.Repeat("\x05\x00\x00", maxElements+1) + "\x06",
	}
	for name, text := range tests {
		if m, err := Parse([]byte(text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s is read as %.80s, %v; want ErrMalformed", name, m, err)
		}
	}
}

func TestCodecTooLong(t *testing.T) {
	for name, m := range map[string]*Message{
		"key":     (&Message{}).Add(strings.Repeat("n", maxName+1), "v"),
		"list":    (&Message{}).AddList(strings.Repeat("n", maxName+1)),
		"value":   (&Message{}).Add("k", strings.Repeat("v", maxValue+1)),
		"item":    (&Message{}).AddList("l", "a", strings.Repeat("v", maxValue+1)),
		"in deep": func() *Message { m := &Message{}; m.AddSection("s").Add(strings.Repeat("n", 256), ""); return m }(),
	} {
		if _, err := m.AppendTo(nil); err == nil {
			t.Errorf("a %s that does not fit is encoded", name)
		}
	}
	section := (&Message{})
	section.AddSection(strings.Repeat("n", maxName+1))
	if _, err := section.AppendTo(nil); err == nil {
		t.Error("a section whose name does not fit is encoded")
	}
	large := &Message{}
	for range 9 {
		large.Add("k", strings.Repeat("v", maxValue))
	}
	if _, err := encodePacket(event, "log", large); err == nil {
		t.Error("a packet of more than 512 KiB is encoded")
	}
}

func TestMessageText(t *testing.T) {
	m := (&Message{}).AddBytes("raw", []byte{0, 0xab}).AddList("none").AddList("some", "a", "b\n")
	if got, want := m.String(), "{raw=0x00ab none=[] some=[a 0x620a]}"; got != want {
		t.Errorf("the message prints as %s, want %s", got, want)
	}
	var none *Message
	if got := none.String(); got != "{}" {
		t.Errorf("no message prints as %s, want {}", got)
	}
}

func TestMessageJSON(t *testing.T) {
	m, _ := example()
	m.AddList("none").Add("quote", `"`)
	got, err := json.Marshal(m)
	want := `{"key1":"value1","section1":{"sub-section":{"key2":"value2"},"list1":["item1","item2"]},"none":[],"quote":"\""}`
	if err != nil || string(got) != want {
		t.Errorf("the message is\n%s, %v as JSON, want\n%s", got, err, want)
	}
}

func TestPackets(t *testing.T) {
	body := encode(t, (&Message{}).Add("k", "v"))
	for kind := cmdRequest; kind <= event; kind++ {
		name := ""
		if kind.named() {
			name = "list-sas"
		}
		b, err := encodePacket(kind, name, (&Message{}).Add("k", "v"))
		if err != nil {
			t.Fatal(err)
		}
		n, err := readLength(bytes.NewReader(b))
		if err != nil || n != len(b)-lengthOctets {
			t.Fatalf("packet type %d: its length is %d, %v; want %d", kind, n, err, len(b)-lengthOctets)
		}
		p, err := parsePacket(b[lengthOctets:])
		if err != nil || p.kind != kind || p.name != name || !bytes.Equal(p.body, body) {
			t.Errorf("packet type %d is read as %+v, %v", kind, p, err)
		}
	}
}

func TestPacketsMalformed(t *testing.T) {
	for _, text := range []string{"", "\x08", "\xff\x01a", "\x00", "\x03", "\x00\x05list", "\x07\xffabc", "\x04\x01"} {
		if p, err := parsePacket([]byte(text)); err == nil {
			t.Errorf("packet %q is read as %+v, want an error", text, p)
		}
	}
	if n, err := readLength(strings.NewReader("\x00\x08\x00\x01")); err == nil {
		t.Errorf("a length of %d is accepted, want at most %d", n, MaxPacket)
	}
	if n, err := readLength(strings.NewReader("\x00\x08\x00\x00")); err != nil || n != MaxPacket {
		t.Errorf("the longest length is read as %d, %v", n, err)
	}
	if _, err := readBody(strings.NewReader("abc"), 4); err == nil {
		t.Error("a packet that is cut off is read")
	}
}

// FuzzParse has that what is read and written again is the same octets: the encoding has one form for each message.
func FuzzParse(f *testing.F) {
	_, octets := example()
	f.Add(octets)
	f.Add([]byte("\x04\x01l\x05\x00\x00\x06"))
	f.Add([]byte("\x01\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := m.AppendTo(nil)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x is written again as %x", b, again)
		}
		if _, err := json.Marshal(m); err != nil {
			t.Fatalf("%s cannot be JSON: %v", m, err)
		}
	})
}
