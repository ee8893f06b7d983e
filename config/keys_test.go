package config

import (
	"os"
	"strings"
	"testing"

	"github.com/goswan/goswan/config/settings"
)

// names stand for the documentation's placeholders.
var names = strings.NewReplacer("<conn>", "c", "<child>", "ch", "<suffix>", "-1", "<name>", "n")

// withKey is a small configuration that is right, and one key more.
func withKey(path, value string) *settings.Document {
	var none settings.Position
	root := settings.New("", none)
	ensure := func(path ...string) *settings.Section {
		s := root
		for _, name := range path {
			s = s.Ensure(name, none)
		}
		return s
	}
	parts := strings.Split(names.Replace(path), ".")
	if parts[0] == "connections" {
		ensure("connections", "c", "local-1").Set("auth", "psk", none)
		ensure("connections", "c", "remote-1").Set("auth", "psk", none)
		ensure("connections", "c", "children", "ch").Set("start_action", "trap", none)
		ensure("pools", "dial-in").Set("addrs", "10.9.0.0/24", none)
		ensure("secrets", "ike").Set("secret", "abc", none)
	}
	last := len(parts) - 1
	s := ensure(parts[:last]...)
	switch parts[0] {
	case "secrets":
		s.Set("secret", "0x000102030405060708090a0b0c0d0e0f", none)
	case "pools":
		s.Set("addrs", "10.3.0.0/24", none)
	case "authorities":
		if key := parts[last]; key != "cacert" && key != "file" && key != "handle" {
			s.Set("cacert", "ca.pem", none)
		}
	}
	if strings.HasPrefix(parts[1], "token") {
		s = settings.New(parts[1], none) // has no secret
		*ensure(parts[:last]...) = *s
		s = ensure(parts[:last]...)
	}
	s.Set(parts[last], value, none)
	return &settings.Document{Root: root}
}

// TestEveryDocumentedKey has that no setting which strongSwan documents is unknown, and what becomes of each.
func TestEveryDocumentedKey(t *testing.T) {
	text, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	known := 0
	for line := range strings.Lines(string(text)) {
		path, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		if !ok {
			continue
		}
		_, warnings, err := Loader{}.decoder("").catalog(withKey(path, value))
		verdict := said(warnings, err)
		if strings.Contains(verdict, "no such") || strings.Contains(verdict, "it belongs in") {
			t.Errorf("%s is not known: %s", path, verdict)
		}
		if verdict == "" {
			verdict = "ok\n"
		}
		got.WriteString(path + " = " + value + "\n\t" + strings.ReplaceAll(strings.TrimSpace(verdict), "\n", "\n\t") + "\n")
		known++
	}
	if known < 150 {
		t.Errorf("only %d settings were tried", known)
	}
	const file = "testdata/keys.want"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("what is said to the documented settings is not what %s has; read the difference and run the test with -update:\n%s", file, got.String())
	}
}
