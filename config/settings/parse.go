package settings

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Limits of a configuration. They are far above what a gateway with a hundred thousand connections needs.
const (
	maxText     = 256 << 20 // octets, all files together
	maxFiles    = 1 << 17
	maxSettings = 1 << 23 // settings and sections
	maxDepth    = 32      // of sections in sections
	maxIncludes = 16      // of files that include files
	maxName     = 512     // octets
	maxValue    = 1 << 20 // octets
	maxProblems = 100
)

// Document is a parsed file with everything that it includes and refers to in its place.
type Document struct {
	Root *Section
	// Files are the files that were read, the first one first.
	Files []string
	// Warnings are things that are most likely not meant as they are written.
	Warnings []*Problem
}

// ParseFile reads a file.
//
// The error joins a *Problem for each thing that is wrong; a file that cannot be read is an error that wraps fs.ErrNotExist etc.
func ParseFile(path string) (*Document, error) {
	text, err := disk{}.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text, disk{})
}

// Parse reads a text as if it stood in the file name. What it includes is taken from files; nil is the disk.
func Parse(name string, text []byte, files Files) (*Document, error) {
	if files == nil {
		files = disk{}
	}
	p := &parser{files: files, doc: &Document{Root: New("", Position{name, 1})}, referenced: map[string]bool{}}
	p.file(name, text, p.doc.Root, 0, Position{name, 1})
	if len(p.problems) == 0 {
		p.expand()
	}
	if len(p.problems) > 0 {
		return nil, Join(p.problems)
	}
	Sort(p.doc.Warnings)
	return p.doc, nil
}

// parser is what the files of one document share.
type parser struct {
	files    Files
	doc      *Document
	problems []*Problem
	stopped  bool
	open     []string // the files being read: the first one, what it includes …
	text     int      // octets read
	settings int      // settings and sections made

	referenced map[string]bool // sections at the top
}

func (p *parser) fail(at Position, fix, format string, args ...any) {
	if len(p.problems) < maxProblems {
		p.problems = append(p.problems, &Problem{At: at, What: fmt.Sprintf(format, args...), Fix: fix})
	}
}

// stop reports what leaves no sense in reading on.
func (p *parser) stop(at Position, fix, format string, args ...any) {
	if !p.stopped {
		p.fail(at, fix, format, args...)
	}
	p.stopped = true
}

func (p *parser) warn(at Position, fix, format string, args ...any) {
	if len(p.doc.Warnings) < maxProblems {
		p.doc.Warnings = append(p.doc.Warnings, &Problem{At: at, What: fmt.Sprintf(format, args...), Fix: fix})
	}
}

// file reads a text into a section that is depth sections deep. by is the place that asked for it.
func (p *parser) file(name string, text []byte, into *Section, depth int, by Position) {
	p.doc.Files = append(p.doc.Files, name)
	if p.text += len(text); p.text > maxText || len(p.doc.Files) > maxFiles {
		p.stop(by, "", "the configuration is larger than %d MB or %d files", maxText>>20, maxFiles)
		return
	}
	if i := slices.Index(text, 0); i >= 0 {
		line := 1 + strings.Count(string(text[:i]), "\n")
		p.stop(Position{name, line}, "a configuration is a text file", "a NUL octet")
		return
	}
	p.open = append(p.open, name)
	s := &scanner{parser: p, name: name, text: string(text), line: 1}
	if strings.HasPrefix(s.text, "\ufeff") {
		s.pos = len("\ufeff")
		p.warn(s.at(), "save the file as UTF-8 without one", "the file begins with a byte order mark, which strongSwan takes for a name")
	}
	s.statements(into, depth, Position{})
	p.open = p.open[:len(p.open)-1]
}

// count counts a setting or a section made.
func (p *parser) count(at Position, n int) bool {
	if p.settings += n; p.settings > maxSettings {
		p.stop(at, "", "more than %d settings", maxSettings)
	}
	return !p.stopped
}

// include reads the files of an include statement in the order of their names.
func (p *parser) include(pattern string, into *Section, depth int, at Position) {
	if len(p.open) > maxIncludes {
		p.stop(at, "does a file include itself?", "files include files more than %d deep", maxIncludes)
		return
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(at.File), pattern)
	}
	names, err := p.files.Glob(pattern)
	if err != nil {
		p.fail(at, "a pattern has * ? and [a-z]", "include %s: %v", pattern, err)
		return
	}
	if len(names) == 0 && !strings.ContainsAny(pattern, "*?[") {
		p.warn(at, "create the file or remove the line", "include %s: no such file", pattern)
	}
	for _, name := range names {
		if slices.Contains(p.open, name) {
			p.stop(at, "remove the include from one of them", "include %s: the file includes itself (%s)", name, strings.Join(append(p.open, name), " → "))
			return
		}
		text, err := p.files.ReadFile(name)
		if err != nil {
			p.fail(at, "", "include %s: %v", name, err)
			continue
		}
		if p.file(name, text, into, depth, at); p.stopped {
			return
		}
	}
}
