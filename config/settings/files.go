package settings

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files is where included files come from.
type Files interface {
	// Glob lists the regular files that fit a pattern, sorted. An error is a malformed pattern.
	Glob(pattern string) ([]string, error)
	// ReadFile reads one of them.
	ReadFile(name string) ([]byte, error)
}

// disk is the host's own files.
type disk struct{}

// Glob lists files as glob(3) does: a leading dot has to be in the pattern, [!a] is what [^a] is.
func (disk) Glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
	if err != nil {
		return nil, err
	}
	hidden := strings.HasPrefix(filepath.Base(pattern), ".")
	names = slices.DeleteFunc(names, func(name string) bool {
		if !hidden && strings.HasPrefix(filepath.Base(name), ".") {
			return true
		}
		info, err := os.Stat(name)
		return err == nil && !info.Mode().IsRegular()
	})
	slices.Sort(names)
	return names, nil
}

// ReadFile reads a regular file up to the size that a configuration may have.
func (disk) ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read %s: is a directory", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}
