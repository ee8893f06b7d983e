package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// tree is a directory whose files get times of their own, so that nothing depends on how fast the test runs.
type tree struct {
	t    *testing.T
	dir  string
	when time.Time
}

func newTree(t *testing.T) *tree {
	return &tree{t: t, dir: t.TempDir(), when: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
}

func (f *tree) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// write writes a file that is newer than all before.
func (f *tree) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	f.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f.must(os.WriteFile(path, []byte(text), 0o600))
	f.when = f.when.Add(time.Minute)
	f.must(os.Chtimes(path, f.when, f.when))
}

// link makes a symbolic link, or sets it to another target as renaming does.
func (f *tree) link(target, name string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	f.must(os.MkdirAll(filepath.Dir(path), 0o700))
	f.must(os.Symlink(target, path+".new"))
	f.must(os.Rename(path+".new", path))
}

// want looks at the files twice: a change is told at the second look, when it is still the same.
func (f *tree) want(w *watch, what string, changed bool) {
	f.t.Helper()
	if w.look() {
		f.t.Errorf("%s: told at once, while it may be written still", what)
	}
	if got := w.look(); got != changed {
		f.t.Errorf("%s: told %v, want %v", what, got, changed)
	}
	if w.look() {
		f.t.Errorf("%s: told twice", what)
	}
}

func TestWatch(t *testing.T) {
	f := newTree(t)
	elsewhere := filepath.Join(t.TempDir(), "own.pem")
	f.must(os.WriteFile(elsewhere, nil, 0o600))
	f.write("swanctl.conf", "")
	f.write("x509/own.pem", "a certificate")
	w := newWatch(f.dir)
	w.name([]string{filepath.Join(f.dir, "swanctl.conf"), elsewhere})
	f.want(w, "nothing", false)
	f.write("x509/own.pem", "a CERTIFICATE")
	f.want(w, "other contents of the same length", true)
	f.write("x509crl/ca.crl", "a CRL")
	f.want(w, "a new directory with a file", true)
	f.write("x509crl/.ca.crl.swp", "an editor's")
	f.write("x509crl/ca.crl~", "an editor's")
	f.write("x509/old/own.pem", "below a directory")
	f.write("bliss/key", "of a directory that is not read")
	f.want(w, "files that are not read", false)
	f.must(os.Remove(filepath.Join(f.dir, "x509crl/ca.crl")))
	f.want(w, "a file that is gone", true)
	f.write("conf.d/site.conf", "")
	f.want(w, "a new file of conf.d", true)
	f.must(os.Chtimes(elsewhere, f.when, f.when))
	f.want(w, "a file elsewhere that the configuration names", true)
	f.must(os.Remove(elsewhere))
	f.want(w, "that file gone", true)
	if runtime.GOOS != "windows" {
		f.must(os.Chmod(filepath.Join(f.dir, "x509/own.pem"), 0o640))
		f.want(w, "another mode", true)
	}
	f.must(os.RemoveAll(f.dir))
	f.want(w, "all gone", true)
}

// TestWatchWaits has a file that grows for a while.
func TestWatchWaits(t *testing.T) {
	f := newTree(t)
	w := newWatch(f.dir)
	for _, text := range []string{"a", "ab", "abc"} {
		f.write("x509/own.pem", text)
		if w.look() {
			t.Errorf("told of %q, which is not all yet", text)
		}
	}
	if !w.look() {
		t.Error("not told of a file that is written")
	}
}

// TestWatchLinks has the swaps of links by which Kubernetes replaces a secret and certbot a certificate.
func TestWatchLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links are for administrators there")
	}
	f := newTree(t)
	f.write("x509/..v1/tls.crt", "one")
	f.link("..v1", "x509/..data")
	f.link("..data/tls.crt", "x509/tls.crt")
	f.write("archive/cert1.pem", "one")
	f.link("../archive/cert1.pem", "x509/live.pem")
	w := newWatch(f.dir)
	f.want(w, "nothing", false)
	f.write("x509/..v2/tls.crt", "two")
	f.want(w, "a directory that nothing leads to yet", false)
	f.link("..v2", "x509/..data")
	f.want(w, "the swap of a directory", true)
	f.write("archive/cert2.pem", "one")
	first, err := os.Stat(filepath.Join(f.dir, "archive/cert1.pem"))
	f.must(err)
	f.must(os.Chtimes(filepath.Join(f.dir, "archive/cert2.pem"), first.ModTime(), first.ModTime()))
	f.link("../archive/cert2.pem", "x509/live.pem")
	f.want(w, "the swap of a link to a file of the same size and time", true)
	f.must(os.Remove(filepath.Join(f.dir, "archive/cert2.pem")))
	f.want(w, "a link that leads nowhere", true)
}
