package resolver

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzResolvConf has any text in a resolv.conf: our lines come before it and go again, and nothing else does.
func FuzzResolvConf(f *testing.F) {
	ours := (&file{device: "ipsec0"}).begin() + "nameserver 10.0.0.1\n" + (&file{device: "ipsec0"}).end()
	f.Add("nameserver 192.0.2.1\n")
	f.Add(ours + "search example.org\n")
	f.Add((&file{device: "ipsec0"}).begin())
	f.Add((&file{device: "ipsec0"}).end() + ours)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		r := &file{path: filepath.Join(dir, "resolv.conf"), device: "ipsec0", journal: filepath.Join(dir, "journal")}
		rest := r.without(text)
		if len(text) > maxFile || strings.Contains(rest, r.begin()) {
			return // a second begin of ours is not what we leave
		}
		if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.set([]netip.Addr{netip.MustParseAddr("10.9.9.9")}, nil); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(r.path)
		if err != nil || !strings.HasPrefix(string(got), r.begin()+"nameserver 10.9.9.9\n"+r.end()) || !strings.HasSuffix(string(got), rest) {
			t.Fatalf("%q becomes %q (%v)", text, got, err)
		}
		if err := r.set(nil, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(r.path); err != nil || string(got) != rest {
			t.Errorf("%q is %q afterwards (%v), want %q", text, got, err, rest)
		}
	})
}

// TestBadJournals has what a killed process, or somebody else, may have left: it is undone or forgotten, never half believed.
func TestBadJournals(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "half a journal": `{"file":"/etc/res`, "no JSON": "hello", "another device": `{"file":"/nonexistent/resolv.conf","device":"tun9"}`,
		"a number for a file": `{"file":7,"device":"ipsec0"}`, "JSON without end": strings.Repeat("[", 1<<15),
	} {
		r := &file{device: "ipsec0", journal: filepath.Join(t.TempDir(), "journal")}
		if err := os.WriteFile(r.journal, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.recover(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(r.journal); err == nil {
			t.Errorf("%s: the journal is still there", name)
		}
	}
}
