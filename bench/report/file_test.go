package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// write writes a text through a File.
func write(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// holds fails unless a directory has these files with this content, and nothing else.
func holds(t *testing.T, when, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(text)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s the directory holds %v, want %v", when, got, want)
	}
}

// TestFile: a file has its name when it is whole, and not before; what was there stays until then.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run")
	for _, text := range []string{"first", "second"} {
		f, err := Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(write(text)); err != nil {
			t.Fatal(err)
		}
		f.Drop()
		holds(t, "after a whole file", dir, map[string]string{"run": text})
		if err := f.Write(write("again")); err == nil {
			t.Error("a file is written twice")
		}
	}
	dropped, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	dropped.Drop()
	dropped.Drop()
	broken, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("what is written cannot be made")
	if err := broken.Write(func(w io.Writer) error { return errors.Join(write("half")(w), failed) }); !errors.Is(err, failed) {
		t.Errorf("writing half a file: %v", err)
	}
	holds(t, "after half a file", dir, map[string]string{"run": "second"})
	if other, err := Create(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	} else {
		other.Drop()
	}
	holds(t, "after a file that was given up", dir, map[string]string{"run": "second"})
}

// TestFileAtOnce: two that are made at once do not get in each other's way.
func TestFileAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run")
	a, errA := Create(path)
	b, errB := Create(path)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(write("a")), b.Write(write("b"))); err != nil {
		t.Fatal(err)
	}
	holds(t, "after two files", dir, map[string]string{"run": "b"})
}

// TestFileRefused: what cannot be written is known at once.
func TestFileRefused(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "no", "such", "directory"), ""} {
		if f, err := Create(path); err == nil {
			f.Drop()
			t.Errorf("%q can be written", path)
		}
	}
	holds(t, "after refused paths", dir, map[string]string{})
	if os.Geteuid() == 0 {
		return // may write everything
	}
	locked := filepath.Join(dir, "locked")
	if err := os.WriteFile(locked, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(locked); err == nil {
		t.Error("a file that must not be written is replaced")
	}
}

// TestFileLink: a link stays one, and what is no file is not replaced.
func TestFileLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links are a privilege on Windows")
	}
	dir := t.TempDir()
	link, path := filepath.Join(t.TempDir(), "link"), filepath.Join(dir, "run")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	f, err := Create(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(write("through the link")); err != nil {
		t.Fatal(err)
	}
	holds(t, "through a link", dir, map[string]string{"run": "through the link"})
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	null, err := Create(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := null.Write(write("nothing")); err != nil {
		t.Errorf("%s: %v", os.DevNull, err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced: %v", os.DevNull, err)
	}
}
