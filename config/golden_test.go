package config

import (
	"flag"
	"io/fs"
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
	return b.String()
}

// private copies a directory of testdata so that nobody else can read it, which is what a configuration has to be.
func private(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	err := os.CopyFS(to, os.DirFS(dir))
	if err == nil {
		err = filepath.WalkDir(to, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			return os.Chmod(path, 0o600)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// golden compares with the .want beside each file, which is there to be read: it is all that a person gets told.
func golden(t *testing.T, dir string, load func(path string) ([]Warning, error)) {
	t.Helper()
	dir = filepath.Join("testdata", dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	copied := private(t, dir)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			warnings, err := load(filepath.Join(copied, filepath.Base(file)))
			got := strings.ReplaceAll(said(warnings, err), copied+"/", "")
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
	golden(t, "swanctl", func(path string) ([]Warning, error) {
		_, warnings, err := Load(path)
		if strings.Contains(said(warnings, err), "MARKER") {
			t.Errorf("%s: a secret is shown", path)
		}
		return warnings, err
	})
}

func TestGoldenStrongswan(t *testing.T) {
	golden(t, "strongswan", func(path string) ([]Warning, error) {
		_, warnings, err := LoadStrongswan(path)
		if strings.Contains(said(warnings, err), "MARKER") {
			t.Errorf("%s: a secret is shown", path)
		}
		return warnings, err
	})
}
