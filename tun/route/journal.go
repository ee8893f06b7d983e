package route

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxJournal bounds what is read of a journal.
const maxJournal = 64 << 20

// journal is the file in which everything that is put on the host is written down first. It is locked while its process lives.
type journal struct {
	path string
	file *os.File
}

// openJournal opens, or makes, the journal of a device and returns what an earlier process left in it.
func openJournal(c Config) (*journal, []entry, error) {
	if err := os.MkdirAll(c.StateDir, 0o755); err != nil {
		return nil, nil, fmt.Errorf("route: journal: %w", err)
	}
	path := filepath.Join(c.StateDir, journalName(c.Device))
	f, err := openLocked(path)
	if err != nil {
		return nil, nil, fmt.Errorf("route: journal of %s: %w", c.Device, err)
	}
	octets, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("route: journal: %w", err), f.Close())
	}
	var left []entry
	if len(octets) > 0 && json.Unmarshal(octets, &left) != nil {
		left = nil // half written: its last entry was not done yet, the ones before are in no readable place
	}
	return &journal{path, f}, left, nil
}

// openLocked opens a file and locks it. A process that ends removes its journal: what was opened just before that is
// no longer the file of that name, and opened again.
func openLocked(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lock(f); err != nil {
			return nil, errors.Join(fmt.Errorf("%s is in use, another goswan has the device: %w", path, err), f.Close())
		}
		opened, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if named, err := os.Stat(path); err == nil && os.SameFile(opened, named) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// write replaces the journal's entries. The new text is written over the old one in one call.
func (j *journal) write(all []entry) error {
	if all == nil {
		all = []entry{}
	}
	octets, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("route: journal: %w", err)
	}
	// Blanks behind the text hide what is left of a longer one.
	if info, err := j.file.Stat(); err == nil {
		for int64(len(octets)) < info.Size() {
			octets = append(octets, ' ')
		}
	}
	if _, err := j.file.WriteAt(octets, 0); err != nil {
		return fmt.Errorf("route: journal: %w", err)
	}
	return nil
}

// discard removes the file, everything being undone, and closes it.
func (j *journal) discard() error {
	err := os.Remove(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, j.close())
}

func (j *journal) close() error { return j.file.Close() }
