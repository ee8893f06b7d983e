package report

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file that is there as a whole or not at all. It is made before a measurement begins, so that a path that cannot be
// written is known then, and gets its name when its content is complete.
type File struct {
	path  string // what it will be called; "" when it is written in place
	file  *os.File
	ended bool
}

// Create makes a file beside path, which may exist: then it is replaced. What is no file, such as /dev/stdout, is written in place.
func Create(path string) (*File, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil, fmt.Errorf("%s is a directory, not a file", path)
	case err == nil && !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &File{file: f}, err
	case err == nil:
		// A file that must not be written must not be replaced either.
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		_ = f.Close() // nothing was written
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return besideOf(path)
}

// besideOf makes the file under a name of its own.
func besideOf(path string) (*File, error) {
	for n := range 100 {
		f, err := os.OpenFile(fmt.Sprintf("%s.%d-%d.part", path, os.Getpid(), n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s cannot be written: %w", path, err)
		}
		return &File{path: path, file: f}, nil
	}
	return nil, fmt.Errorf("%s cannot be written: what was left of it by others is in the way: %s.%d-*.part", path, path, os.Getpid())
}

// Write lets write fill the file, and gives it its name. After an error there is nothing of it.
func (f *File) Write(write func(io.Writer) error) error {
	if f.ended {
		return errors.New("report: the file has been written or dropped before")
	}
	buffer := bufio.NewWriterSize(f.file, 1<<16)
	err := write(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	f.ended = true
	if err = errors.Join(err, f.file.Close()); err == nil && f.path != "" {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil && f.path != "" {
		_ = os.Remove(f.file.Name()) // it may be gone
	}
	return err
}

// Drop removes what was not written. After Write it does nothing.
func (f *File) Drop() {
	if f.ended {
		return
	}
	f.ended = true
	_ = f.file.Close() // nothing was written
	if f.path != "" {
		_ = os.Remove(f.file.Name()) // nor is it missed
	}
}
