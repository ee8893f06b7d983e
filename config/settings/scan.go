package settings

import (
	"strings"
	"unicode/utf8"
)

// scanner reads the statements of one file.
type scanner struct {
	*parser
	name string
	text string
	pos  int
	line int
	// glued is the line on which a closing brace stood right behind a value, 0 for none: what follows there may be
	// the rest of a value, and is not shown, for it may be part of a secret.
	glued int
}

// notName are the octets that end a name.
const notName = "#{}:.,=\"\r\n\t "

// notValue are the octets that end an unquoted piece of a value.
const notValue = "#}\"\r\n\t "

func (s *scanner) at() Position { return Position{s.name, s.line} }

// peek is the next octet, 0 at the end of the file.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// next consumes n octets.
func (s *scanner) next(n int) string {
	taken := s.text[s.pos : s.pos+n]
	s.pos += n
	s.line += strings.Count(taken, "\n")
	return taken
}

// until consumes what is not one of the octets in stop.
func (s *scanner) until(stop string) string {
	if n := strings.IndexAny(s.text[s.pos:], stop); n >= 0 {
		return s.next(n)
	}
	return s.next(len(s.text) - s.pos)
}

// blanks consumes blanks inside a line.
func (s *scanner) blanks() bool {
	start := s.pos
	for s.peek() == ' ' || s.peek() == '\t' || s.peek() == '\r' {
		s.pos++
	}
	return s.pos > start
}

// space consumes blanks, ends of lines and comments.
func (s *scanner) space() {
	for {
		s.blanks()
		switch s.peek() {
		case '\n':
			s.next(1)
		case '#':
			s.until("\n")
		default:
			return
		}
	}
}

// recover goes on with the next line after a mistake, unless braces on the rest of this one would then be lost.
func (s *scanner) recover() {
	if rest := s.until("\n"); strings.ContainsAny(rest, "{}") {
		s.stopped = true
	}
}

// statements reads up to the brace that closes the section, or to the end of the file if the file did not open it
// (opened is zero).
func (s *scanner) statements(into *Section, depth int, opened Position) {
	for !s.stopped {
		s.space()
		switch c := s.peek(); {
		case c == 0:
			if opened.Line > 0 {
				s.stop(opened, "add a } where the section ends", "section %s is not closed before the end of the file", into.Name)
			}
			return
		case c == '}':
			if opened.Line > 0 {
				s.next(1)
				return
			}
			s.stop(s.at(), "remove it, or open the section that it closes", "a } that closes nothing in this file")
		case strings.IndexByte(notName, c) >= 0:
			s.unexpected(c)
		default:
			s.statement(into, depth)
		}
	}
}

// unexpected reports an octet that cannot begin a statement.
func (s *scanner) unexpected(c byte) {
	fix := "a line is `key = value`, `name {` or `}`"
	if c == '"' {
		fix = "only values are quoted: write the name without quotes"
	}
	s.fail(s.at(), fix, "%q where a name should stand", c)
	s.recover()
}

// statement reads one setting, section or include.
func (s *scanner) statement(into *Section, depth int) {
	at := s.at()
	name := s.until(notName)
	if name == "include" && s.includes() {
		s.includeStatement(into, depth, at)
		return
	}
	if len(name) > maxName || !utf8.ValidString(name) {
		s.fail(at, "", "a name that is not UTF-8 or longer than %d octets", maxName)
		s.recover()
		return
	}
	dot := s.peek() == '.'
	if s.space(); at.Line == s.glued && s.peek() != '=' && s.peek() != '{' && s.peek() != ':' {
		s.fail(at, "put the value in double quotes if the } belongs to it", "the value ends at the }, and what follows is neither a setting nor a section")
		s.recover()
		return
	}
	if dot {
		s.dotted(name, at)
		return
	}
	switch s.peek() {
	case '=':
		s.next(1)
		s.setting(into, name, at)
	case '{', ':':
		s.section(into, name, depth, at)
	case ',':
		s.fail(at, "a list stands on one line: `key = a, b`", "%q after the name %s", ',', name)
		s.recover()
	default:
		s.fail(at, "write `"+name+" = value` or `"+name+" {`", "%s is neither a setting nor a section", name)
		if s.line == at.Line {
			s.recover()
		}
	}
}

// dotted reports a name with a dot, and reads on as if it were a good one.
func (s *scanner) dotted(name string, at Position) {
	full := name + s.until("#{}:=\"\r\n\t ,")
	s.fail(at, "dots are for references to templates: write sections in sections", "a dot in the name %s", full)
	s.recover()
}

// includes tells the statement from a key called include.
func (s *scanner) includes() bool {
	rest := strings.TrimLeft(s.text[s.pos:], " \t")
	return len(rest) < len(s.text)-s.pos && !strings.HasPrefix(rest, "=")
}

// section reads a section up to its closing brace, with what it refers to.
func (s *scanner) section(into *Section, name string, depth int, at Position) {
	if depth >= maxDepth {
		s.stop(at, "is a } missing above?", "section %s is more than %d sections deep", name, maxDepth)
		return
	}
	sub := into.Ensure(name, at)
	if !s.count(at, 1) || s.peek() == ':' && !s.references(sub) {
		return
	}
	if s.peek() != '{' {
		s.stop(s.at(), "write `"+name+" : template {`", "section %s has no {", name)
		return
	}
	s.next(1)
	s.statements(sub, depth+1, at)
}

// references reads ": a, b.c" up to the brace.
func (s *scanner) references(sub *Section) bool {
	s.next(1)
	for {
		s.space()
		at := s.at()
		path := s.until("#{}:,=\"\r\n\t ")
		if path == "" || len(path) > maxName || strings.HasPrefix(path, ".") || strings.HasSuffix(path, ".") || strings.Contains(path, "..") {
			s.stop(at, "write `"+sub.Name+" : template {`, the template's name with those of its parents: `parent.template`", "section %s refers to no section", sub.Name)
			return false
		}
		sub.refs = append(sub.refs, reference{path, at})
		top, _, _ := strings.Cut(path, ".")
		s.referenced[top] = true
		if s.space(); s.peek() != ',' {
			return s.count(at, len(sub.refs))
		}
		s.next(1)
	}
}

// setting reads the value behind the equals sign.
func (s *scanner) setting(into *Section, key string, at Position) {
	text, given := s.value()
	if s.stopped || !s.count(at, 1) {
		return
	}
	if len(text) > maxValue {
		s.fail(at, "", "the value of %s is longer than %d octets", key, maxValue)
		return
	}
	old, replaced := into.put(Value{Key: key, Text: text, At: at, unset: !given})
	if replaced && old.At.File == at.File && old.Text != text && !old.unset && given {
		s.warn(at, "remove one of them", "%s is set a second time in section %s and overrides line %d", key, into.Name, old.At.Line)
	}
}

// value reads a value up to the end of the line, a comment or a closing brace. Its pieces are joined by one blank.
func (s *scanner) value() (text string, given bool) {
	var parts []string
	for !s.stopped {
		blank := s.blanks()
		switch s.peek() {
		case '}':
			if !blank && parts != nil {
				s.glued = s.line
			}
			return strings.Join(parts, " "), parts != nil
		case 0, '\n':
			return strings.Join(parts, " "), parts != nil
		case '#':
			if !blank && parts != nil {
				s.warn(s.at(), "put the value in double quotes if the # belongs to it", "the value ends at the #")
			}
			return strings.Join(parts, " "), parts != nil
		case '"':
			parts = append(parts, s.quoted())
		default:
			parts = append(parts, s.until(notValue))
		}
	}
	return "", false
}

// quoted reads a string in double quotes. It may go on over lines; a backslash before the end of a line joins two.
func (s *scanner) quoted() string {
	opened := s.at()
	s.next(1)
	var b strings.Builder
	spans := false
	for {
		piece := s.until("\"\\")
		spans = spans || strings.Contains(piece, "\n")
		b.WriteString(strings.ReplaceAll(piece, "\r", ""))
		switch {
		case s.peek() == '"':
			s.next(1)
			if spans {
				s.warn(opened, "is the closing quote missing?", "the quoted string goes on to line %d", s.line)
			}
			return b.String()
		case len(s.text)-s.pos < 2:
			s.stop(opened, `close it with "`, "the quoted string has no end")
			return ""
		default:
			s.escape(&b)
		}
	}
}

// escape reads a backslash and what it escapes.
func (s *scanner) escape(b *strings.Builder) {
	s.next(1)
	switch c := s.next(1)[0]; c {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '\n':
	case '\r':
		if s.peek() == '\n' {
			s.next(1)
		}
	default:
		b.WriteByte(c)
	}
}

// includeStatement reads the pattern and then the files.
func (s *scanner) includeStatement(into *Section, depth int, at Position) {
	s.blanks()
	var pattern strings.Builder
	for done := false; !done && !s.stopped; {
		switch c := s.peek(); c {
		case 0, '#', '}', '\n', '\t', ' ', '\r':
			done = true
		case '"':
			pattern.WriteString(s.quoted())
		case '\\':
			s.next(1)
			if strings.IndexByte("\"#} ", s.peek()) < 0 || s.peek() == 0 {
				pattern.WriteByte('\\')
			} else {
				pattern.WriteString(s.next(1))
			}
		default:
			pattern.WriteString(s.until("\"\\#}\r\n\t "))
		}
	}
	if s.stopped {
		return
	}
	if pattern.Len() == 0 || pattern.Len() > maxName*8 {
		s.fail(at, "write `include conf.d/*.conf`", "include without a file")
		return
	}
	s.include(pattern.String(), into, depth, at)
}
