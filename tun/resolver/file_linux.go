package resolver

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile bounds what is read of a resolv.conf.
const maxFile = 1 << 20

// file is resolv.conf.
type file struct {
	path, device, journal string
	isSet                 bool
}

// note is the journal: what was changed, and what it was before.
type note struct {
	File   string `json:"file"`
	Device string `json:"device"`
	Before string `json:"before"`
}

func (f *file) begin() string { return "# goswan " + f.device + ": name servers of the tunnel\n" }
func (f *file) end() string   { return "# goswan " + f.device + ": end\n" }

func (f *file) set(servers []netip.Addr, _ []string) error {
	if len(servers) == 0 && !f.isSet {
		return nil
	}
	before, err := read(f.path)
	if err != nil {
		return failed(f.path, err)
	}
	rest := f.without(before)
	if len(servers) == 0 {
		if err := replace(f.path, rest); err != nil {
			return failed(f.path, err)
		}
		f.isSet = false
		return f.forget()
	}
	if err := f.write(note{f.path, f.device, rest}); err != nil {
		return failed(f.journal, err)
	}
	f.isSet = true
	var b strings.Builder
	b.WriteString(f.begin())
	for _, s := range servers {
		b.WriteString("nameserver " + s.String() + "\n")
	}
	b.WriteString(f.end() + rest)
	if err := replace(f.path, b.String()); err != nil {
		return failed(f.path, err)
	}
	return nil
}

func (f *file) close() error { return nil }

// without takes our lines out; what others have changed around them stays.
func (f *file) without(text string) string {
	before, after, found := strings.Cut(text, f.begin())
	if !found {
		return text
	}
	if _, rest, ended := strings.Cut(after, f.end()); ended {
		return before + rest
	}
	return text // somebody cut them in pieces: they are theirs now
}

// recover undoes what a killed process left.
func (f *file) recover() error {
	octets, err := os.ReadFile(f.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed(f.journal, err)
	}
	var n note
	if json.Unmarshal(octets, &n) != nil || n.Device != f.device {
		return f.forget() // half written: nothing was done yet
	}
	left := &file{path: n.File, device: n.Device, journal: f.journal, isSet: true}
	return left.set(nil, nil)
}

// write writes the journal.
func (f *file) write(n note) error {
	octets, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.journal), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.journal, octets, 0o600)
}

func (f *file) forget() error {
	if err := os.Remove(f.journal); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed(f.journal, err)
	}
	return nil
}

// read is a file's text; none is empty.
func read(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.Size() > maxFile:
		return "", errors.New("it is too large for a resolv.conf")
	}
	octets, err := os.ReadFile(path)
	return string(octets), err
}

// replace puts a text in the place of a file's, at once where that can be: a program that reads it meanwhile finds either. A
// file that is mounted, as in a container, is written over.
func replace(path, text string) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	next := path + ".goswan"
	if err := os.WriteFile(next, []byte(text), mode); err != nil {
		return err
	}
	err := errors.Join(os.Chmod(next, mode), os.Rename(next, path))
	if err == nil {
		return nil
	}
	if removed := os.Remove(next); !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) {
		return errors.Join(err, removed)
	}
	return os.WriteFile(path, []byte(text), mode)
}
