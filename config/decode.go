package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/core"
)

// Problem is an error of the configuration; its text is "file:line: path: what; fix".
type Problem = settings.Problem

// Warning is something that is accepted, but has no effect or is unwise. It has the same form as an error.
type Warning = *settings.Problem

// flaw is what is wrong with one value. The decoder adds where it stands.
type flaw struct {
	what, fix string
	warning   bool
}

// Error is what is wrong, without the fix.
func (f *flaw) Error() string { return f.what }

// bad is a value that is wrong; fix is what would be right.
func bad(fix, format string, args ...any) error {
	return &flaw{what: fmt.Sprintf(format, args...), fix: fix}
}

// warning is a value that is accepted.
func warning(fix, format string, args ...any) error {
	return &flaw{what: fmt.Sprintf(format, args...), fix: fix, warning: true}
}

// missing is a value that strongSwan knows and goswan does not.
func missing(what, fix string) error {
	return &flaw{what: what + " is not supported in this version of goswan", fix: fix}
}

// decoder collects what is wrong with a configuration.
type decoder struct {
	Loader
	problems []*Problem
	warnings []Warning
	// belongs finds the kind of section that has a name which the one here does not have; "" if none.
	belongs func(name, here string, section bool) string

	dir         string // of swanctl.conf, with the directories of certificates and keys beside it
	reads       bool   // those directories are read
	passphrases map[string]secret.Bytes
	files       []string // of certificates and keys that were named
}

func (l Loader) decoder(dir string) *decoder {
	if l.Charon == nil {
		l.Charon = DefaultCharon()
	}
	return &decoder{Loader: l, belongs: belongs, dir: dir}
}

// at is a place in the tree: the path of names that leads there, and where it stands.
type at struct {
	path string
	pos  settings.Position
}

func (a at) key(v settings.Value) at { return at{a.path + "." + v.Key, v.At} }

func (a at) section(s *settings.Section) at {
	if a.path == "" {
		return at{s.Name, s.At}
	}
	return at{a.path + "." + s.Name, s.At}
}

// report adds an error or a warning; nil adds nothing.
func (d *decoder) report(where at, err error) {
	if err == nil {
		return
	}
	f, ok := err.(*flaw)
	if !ok {
		f = &flaw{what: err.Error()}
	}
	p := &Problem{At: where.pos, What: where.path + ": " + f.what, Fix: f.fix}
	if f.warning {
		d.warnings = append(d.warnings, p)
		return
	}
	d.problems = append(d.problems, p)
}

// result is what a load returns: the warnings, and all errors in the order of the file.
func (d *decoder) result() ([]Warning, error) {
	settings.Sort(d.warnings)
	return d.warnings, settings.Join(d.problems)
}

// key is a row of a section's table: a setting that it may have and what reads it.
type key[T any] struct {
	name string
	read func(into *T, v settings.Value) error
}

// group is a subsection that a section may have. A name that ends with * stands for each name that begins so.
type group[T any] struct {
	name string
	read func(d *decoder, into *T, s *settings.Section, where at)
}

// table is all that a kind of section may have.
type table[T any] struct {
	// place is the section in the documentation's words: "connections.<conn>".
	place  string
	keys   []key[T]
	groups []group[T]
}

// read reads a section by its table. strongSwan's names are the same in capitals.
func (t table[T]) read(d *decoder, into *T, s *settings.Section, where at) {
	for _, v := range s.Values() {
		i := slices.IndexFunc(t.keys, func(k key[T]) bool { return strings.EqualFold(k.name, v.Key) })
		if i < 0 {
			d.report(where.key(v), t.unknown(d, v.Key, false))
			continue
		}
		if err := oneValue(v); err != nil {
			d.report(where.key(v), err)
			continue
		}
		d.report(where.key(v), t.keys[i].read(into, v))
	}
	for _, sub := range s.Sections() {
		i := slices.IndexFunc(t.groups, func(g group[T]) bool { return fits(g.name, sub.Name) })
		if i < 0 {
			d.report(where.section(sub), t.unknown(d, sub.Name, true))
			continue
		}
		t.groups[i].read(d, into, sub, where.section(sub))
	}
}

// oneValue refuses what looks like several settings on one line: a value goes on to the end of the line.
func oneValue(v settings.Value) error {
	before, after, found := strings.Cut(v.Text, ";")
	if !found || v.IsList || isSecret(v.Key) || isCommand(v.Key) || isContent(v.Text) {
		return nil
	}
	if name, _, more := strings.Cut(after, "="); more || strings.TrimSpace(name) == "" {
		return bad("write one setting a line and no semicolons", "the value goes on to the end of the line, behind %q", strings.TrimSpace(before)+";")
	}
	return nil
}

// isSecret says that a key's value must not be printed.
func isSecret(key string) bool {
	switch strings.ToLower(key) {
	case "secret", "pin", "data":
		return true
	}
	return false
}

// isCommand says that a key's value is run by a shell.
func isCommand(key string) bool { return strings.EqualFold(key, "updown") }

func fits(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(name) >= len(prefix) && strings.EqualFold(prefix, name[:len(prefix)])
	}
	return strings.EqualFold(pattern, name)
}

// unknown explains a name that the section does not have.
func (t table[T]) unknown(d *decoder, name string, section bool) error {
	kind, keys, groups := "key", t.keyNames(), t.groupNames()
	if section {
		kind = "section"
	}
	isKey := slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, name) })
	isGroup := slices.ContainsFunc(t.groups, func(g group[T]) bool { return fits(g.name, name) })
	switch {
	case section && isKey:
		return bad("write `"+name+" = value`", "%s is a setting, not a section", name)
	case !section && isGroup:
		return bad("write `"+name+" { … }`", "%s is a section, not a setting", name)
	}
	if place := d.belongs(name, t.place, section); place != "" {
		return bad("it belongs in "+place, "no such %s here", kind)
	}
	if other := otherNames[strings.ToLower(name)]; other != "" && !section {
		return bad("swanctl.conf calls it "+other, "no such key")
	}
	own, other := keys, groups
	if section {
		own, other = groups, keys
	}
	near := settings.Nearest(name, own)
	if near == "" {
		near = settings.Nearest(name, other)
	}
	if near != "" {
		return bad("did you mean "+near+"?", "no such %s", kind)
	}
	return bad("", "no such %s in %s", kind, t.place)
}

func (t table[T]) keyNames() []string {
	var names []string
	for _, k := range t.keys {
		names = append(names, k.name)
	}
	return names
}

func (t table[T]) groupNames() []string {
	var names []string
	for _, g := range t.groups {
		names = append(names, strings.TrimSuffix(g.name, "*"))
	}
	return names
}

// position is a place for the engines' types.
func position(p settings.Position) core.Position { return core.Position(p) }
