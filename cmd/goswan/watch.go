package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goswan/goswan/config/creds"
)

// watchInterval is how often files are looked at, and how long they have to be left alone before they are read.
const watchInterval = 2 * time.Second

// watch tells when files have changed. It looks at them, and does not have the system tell: a few dozen stat calls follow every
// symbolic link, so that the swap of a directory (a Kubernetes secret) and of a link (certbot) are seen, on every OS and file
// system.
type watch struct {
	dir    string   // of swanctl.conf
	named  []string // files elsewhere, which the configuration names
	loaded snapshot // what was read last
	seen   snapshot // at the last look
	// emptied are configuration files that are empty, and were not when they were read: whoever writes one may have cut it first.
	emptied map[string]bool
}

// newWatch begins with the files below dir, or beside it if it is a swanctl.conf, as they are.
func newWatch(dir string) *watch {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	w := &watch{dir: dir, emptied: map[string]bool{}}
	w.loaded = w.take()
	w.seen = w.loaded
	return w
}

// look tells whether there is something to read: files are not as they were when they were read, and are as they were at the last
// look, so that nobody seems to be writing them still. It is told once.
func (w *watch) look() bool {
	now := w.take()
	quiet := now.same(w.seen)
	w.seen = now
	if !quiet || now.same(w.loaded) {
		return false
	}
	w.noteEmptied(now)
	w.loaded = now
	return true
}

// noteEmptied compares with what was read.
func (w *watch) noteEmptied(now snapshot) {
	for file, info := range now {
		before := w.loaded[file]
		if info != nil && info.Size() == 0 && before != nil && before.Size() > 0 && strings.HasSuffix(file, ".conf") {
			w.emptied[file] = true
		}
	}
	maps.DeleteFunc(w.emptied, func(file string, _ bool) bool { return now[file] == nil || now[file].Size() > 0 })
}

// name adds files to what is watched; as they are now, they have been read.
func (w *watch) name(files []string) {
	w.named = files
	for _, file := range files {
		if _, ok := w.loaded[file]; !ok {
			info, _ := os.Stat(file)
			w.loaded[file], w.seen[file] = info, info
		}
	}
}

// snapshot is what files are, by path; nil: not there, or not to be looked at.
type snapshot map[string]fs.FileInfo

// take looks at swanctl.conf and all files of the directories beside it. Where a link leads is what counts.
func (w *watch) take() snapshot {
	all := snapshot{}
	add := func(file string) {
		if info, err := os.Stat(file); err != nil || !info.IsDir() {
			all[file] = info
		}
	}
	add(filepath.Join(w.dir, "swanctl.conf"))
	for _, dir := range append(creds.Dirs(), "conf.d") {
		entries, _ := os.ReadDir(filepath.Join(w.dir, dir)) // none: it may come
		for _, entry := range entries {
			if !strings.HasPrefix(entry.Name(), ".") && !strings.HasSuffix(entry.Name(), "~") {
				add(filepath.Join(w.dir, dir, entry.Name()))
			}
		}
	}
	for _, file := range w.named {
		add(file)
	}
	return all
}

func (s snapshot) same(o snapshot) bool {
	if len(s) != len(o) {
		return false
	}
	for file, a := range s {
		b, ok := o[file]
		if !ok || (a == nil) != (b == nil) {
			return false
		}
		if a != nil && !(os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()) {
			return false
		}
	}
	return true
}
