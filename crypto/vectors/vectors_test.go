package vectors

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, text, fails string
	}{
		{"whole", `[{"transform": "A", "source": "RFC 1", "use": "prf+", "key": "0aFF", "salt": "01", "iv": "02", "nonce": "03", "aad": "04", "input": "05", "output": "06"}]`, ""},
		{"empty", `[]`, ""},
		{"without a source", `[{"transform": "A"}]`, "vector 1 names no transform or no source"},
		{"without a transform", `[{"transform": "A", "source": "B"}, {"source": "B"}]`, "vector 2 names no transform or no source"},
		{"with an unknown field", `[{"transform": "A", "source": "B", "tag": "00"}]`, "unknown field"},
		{"of no hexadecimal", `[{"transform": "A", "source": "B", "key": "0x00"}]`, "invalid byte"},
		{"cut off", `[{"transform": "A"`, "unexpected EOF"},
	} {
		file := filepath.Join(t.TempDir(), "vectors.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := Read(file)
		if (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("a file %s is read with the error %v, want %q", c.name, err, c.fails)
		}
		if c.name != "whole" {
			continue
		}
		want := Vector{"A", "RFC 1", "prf+", Octets{0x0a, 0xff}, Octets{1}, Octets{2}, Octets{3}, Octets{4}, Octets{5}, Octets{6}}
		if len(list) != 1 || !reflect.DeepEqual(list[0], want) {
			t.Errorf("the vector is read as %v, want %v", list, want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "absent.json")); err == nil {
		t.Error("a file that is not there is read")
	}
}

func TestSources(t *testing.T) {
	got := Sources([]Vector{{Transform: "A", Source: "1"}, {Transform: "B", Source: "2"}, {Transform: "A", Source: "3"}, {Transform: "A", Source: "1"}})
	if want := map[string][]string{"A": {"1", "3"}, "B": {"2"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the sources are %v, want %v", got, want)
	}
}
