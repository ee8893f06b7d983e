package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the .want files anew from what is said now")

// said is what a load says, one line for each error and warning.
func said(warnings []Warning, err error) string {
	var b strings.Builder
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			b.WriteString("error: " + line + "\n")
		}
	}
	for _, w := range warnings {
		b.WriteString("warning: " + w.Error() + "\n")
	}
	return strings.ReplaceAll(b.String(), "testdata/", "")
}

// golden compares with the .want beside each file, which is there to be read: it is all that a person gets told.
func golden(t *testing.T, pattern string, load func(path string) ([]Warning, error)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files fit %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := os.Chmod(file, 0o600); err != nil { // its mode is another test's
				t.Fatal(err)
			}
			got := said(load(file))
			want := strings.TrimSuffix(file, ".conf") + ".want"
			if *update {
				if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expected, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(expected) {
				t.Errorf("%s says\n%s\nwant\n%s", file, got, expected)
			}
		})
	}
}

func TestGoldenSwanctl(t *testing.T) {
	golden(t, "testdata/swanctl/*.conf", func(path string) ([]Warning, error) {
		_, warnings, err := Load(path)
		if err != nil && strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: an error shows a secret", path)
		}
		return warnings, err
	})
}

func TestGoldenStrongswan(t *testing.T) {
	golden(t, "testdata/strongswan/*.conf", func(path string) ([]Warning, error) {
		_, warnings, err := LoadStrongswan(path)
		return warnings, err
	})
}
