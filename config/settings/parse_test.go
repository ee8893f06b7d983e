package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// memory is a set of files by name.
type memory map[string]string

func (m memory) Glob(pattern string) ([]string, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	var names []string
	for name := range m {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m memory) ReadFile(name string) ([]byte, error) {
	text, ok := m[name]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
	}
	return []byte(text), nil
}

// print writes a tree as text that Parse reads back, one setting a line.
func print(b *strings.Builder, s *Section, indent string) {
	for _, v := range s.Values() {
		fmt.Fprintf(b, "%s%s = %s\n", indent, v.Key, quote(v.Text))
	}
	for _, sub := range s.Sections() {
		fmt.Fprintf(b, "%s%s {\n", indent, sub.Name)
		print(b, sub, indent+"  ")
		fmt.Fprintf(b, "%s}\n", indent)
	}
}

func quote(text string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`)
	return `"` + r.Replace(text) + `"`
}

func text(s *Section) string {
	var b strings.Builder
	print(&b, s, "")
	return b.String()
}

func TestParse(t *testing.T) {
	tests := map[string]struct {
		in    string
		files memory
		want  string
	}{
		"nothing":               {"", nil, ""},
		"comments alone":        {"# one\n   # two", nil, ""},
		"a setting":             {"a = b", nil, "a = \"b\"\n"},
		"a setting without end": {"a = b # c", nil, "a = \"b\"\n"},
		"blanks become one":     {"a =   b \t c   \n", nil, "a = \"b c\"\n"},
		"carriage returns":      {"a = b\r\nc {\r\n d = e f\r\n}\r\n", nil, "a = \"b\"\nc {\n  d = \"e f\"\n}\n"},
		"one value up to the end of the line, semicolons and all": {"a = b; c = d", nil, "a = \"b; c = d\"\n"},
		"a brace opens nothing inside a value":                    {"a = {b", nil, "a = \"{b\"\n"},
		"a brace closes the section inside a value":               {"a { b = c }\nd = e", nil, "d = \"e\"\na {\n  b = \"c\"\n}\n"},
		"no value is not set":                                     {"a =\nb = # c\nd { e = }", nil, "d {\n}\n"},
		"an empty string is set":                                  {`a = ""`, nil, "a = \"\"\n"},
		"quoted":                                                  {`a = "b  # } = \"c\" \\ \n\r\t\x"`, nil, "a = \"b  # } = \\\"c\\\" \\\\ \\n\\r\tx\"\n"},
		"quoted and bare pieces":                                  {`a = b"c"d  "e f"`, nil, "a = \"b c d e f\"\n"},
		"a backslash joins lines":                                 {"a = \"b\\\n  c\\\r\nd\"", nil, "a = \"b  cd\"\n"},
		"the name and its sign on different lines":                {"a\n=\nb = c\nd # x\n{\n}", nil, "b = \"c\"\nd {\n}\n"},
		"other octets in names":                                   {"a-b/c@d%e;f(g = h", nil, "a-b/c@d%e;f(g = \"h\"\n"},
		"the same section goes on":                                {"a { b = 1 }\na { c = 2 \n b = 3 }", nil, "a {\n  b = \"3\"\n  c = \"2\"\n}\n"},
		"include": {"a {\n include inc/*.conf\n x = y\n}", memory{
			"/etc/inc/2.conf": "n = 2", "/etc/inc/1.conf": "n = 1\nm {\n k = v }", "/etc/inc/3.txt": "n = 3"},
			"a {\n  n = \"2\"\n  x = \"y\"\n  m {\n    k = \"v\"\n  }\n}\n"},
		"include relative to the including file": {"include d/a", memory{"/etc/d/a": "include b", "/etc/d/b": "k = v"}, "k = \"v\"\n"},
		"include with blanks":                    {`include "a b"` + "\ninclude c\\ d # x\n", memory{"/etc/a b": "a = 1", "/etc/c d": "b = 2"}, "a = \"1\"\nb = \"2\"\n"},
		"include as a key":                       {"include = x\ninclude  = y", nil, "include = \"y\"\n"},
		"reference": {"t { a = 1\n b = 2\n s { c = 3 } }\nu : t { a = 0\n s { d = 4 } }", nil,
			"t {\n  a = \"1\"\n  b = \"2\"\n  s {\n    c = \"3\"\n  }\n}\nu {\n  a = \"0\"\n  b = \"2\"\n  s {\n    d = \"4\"\n    c = \"3\"\n  }\n}\n"},
		"references in order":                {"t { a = 1 }\nu { a = 2\n b = 2 }\nv : t, u { }", nil, "t {\n  a = \"1\"\n}\nu {\n  a = \"2\"\n  b = \"2\"\n}\nv {\n  a = \"1\"\n  b = \"2\"\n}\n"},
		"reference through a reference":      {"t { a = 1 }\nu : t { }\nv : u { }", nil, "t {\n  a = \"1\"\n}\nu {\n  a = \"1\"\n}\nv {\n  a = \"1\"\n}\n"},
		"nested reference":                   {"t { s { a = 1 } }\nu : t { }\nv : u.s { }", nil, "t {\n  s {\n    a = \"1\"\n  }\n}\nu {\n  s {\n    a = \"1\"\n  }\n}\nv {\n  a = \"1\"\n}\n"},
		"reference forwards":                 {"v : t { }\nt { a = 1 }", nil, "v {\n  a = \"1\"\n}\nt {\n  a = \"1\"\n}\n"},
		"no value hides a template's":        {"t { a = 1\n b = 2 }\nv : t { a = \n }", nil, "t {\n  a = \"1\"\n  b = \"2\"\n}\nv {\n  b = \"2\"\n}\n"},
		"references in a circle":             {"a : b { x = 1 }\nb : a { y = 2 }", nil, "a {\n  x = \"1\"\n  y = \"2\"\n}\nb {\n  y = \"2\"\n  x = \"1\"\n}\n"},
		"a reference to a part of itself":    {"b : b.c {\n c { k = 1 } }", nil, "b {\n  k = \"1\"\n  c {\n    k = \"1\"\n  }\n}\n"},
		"references added later":             {"t { a = 1 }\nv { b = 2 }\nv : t { }", nil, "t {\n  a = \"1\"\n}\nv {\n  b = \"2\"\n  a = \"1\"\n}\n"},
		"an included template":               {"include t\nv : t { }", memory{"/etc/t": "t { a = 1 }"}, "t {\n  a = \"1\"\n}\nv {\n  a = \"1\"\n}\n"},
		"strongSwan's own file of Debian 12": {"charon {\n\tload_modular = yes\n\tplugins {\n\t\tinclude strongswan.d/charon/*.conf\n\t}\n}\n\ninclude strongswan.d/*.conf\n", memory{"/etc/strongswan.d/charon/aes.conf": "aes {\n\n    # Whether to load the plugin.\n    load = yes\n\n}\n\n"}, "charon {\n  load_modular = \"yes\"\n  plugins {\n    aes {\n      load = \"yes\"\n    }\n  }\n}\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			doc, err := Parse("/etc/x.conf", []byte(test.in), test.files)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(doc.Root); got != test.want {
				t.Errorf("%s\nis read as\n%s\nwant\n%s", test.in, got, test.want)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	circle := memory{"/etc/a": "include b", "/etc/b": "\ninclude a"}
	deep := strings.Repeat("a {\n", maxDepth+1)
	tests := map[string]struct {
		in    string
		files memory
		want  []string
	}{
		"not closed":           {"a {\n b {\n }\n", nil, []string{"x:1: section a is not closed before the end of the file; add a } where the section ends"}},
		"closed twice":         {"a {\n}\n}\nb = ", nil, []string{"x:3: a } that closes nothing in this file; remove it, or open the section that it closes"}},
		"neither":              {"a\nb = 1\nc", nil, []string{"x:1: a is neither a setting nor a section; write `a = value` or `a {`", "x:3: c is neither a setting nor a section; write `c = value` or `c {`"}},
		"no sign":              {"a b.c d\ne = f g", nil, []string{"x:1: a is neither a setting nor a section; write `a = value` or `a {`"}},
		"quoted name":          {"\"a\" = b", nil, []string{"x:1: '\"' where a name should stand; only values are quoted: write the name without quotes"}},
		"no name":              {"= b\n, c\na = 1", nil, []string{"x:1: '=' where a name should stand; a line is `key = value`, `name {` or `}`", "x:2: ',' where a name should stand; a line is `key = value`, `name {` or `}`"}},
		"dot":                  {"charon.port = 5", nil, []string{"x:1: a dot in the name charon.port; dots are for references to templates: write sections in sections"}},
		"value cut at }":       {"a {\n b = x}y.z\n", nil, []string{"x:2: the value ends at the }, and what follows is neither a setting nor a section; put the value in double quotes if the } belongs to it"}},
		"no end of string":     {"a {\n b = \"c\n}\n", nil, []string{`x:2: the quoted string has no end; close it with "`}},
		"string ends with \\":  {"b = \"c\\", nil, []string{`x:1: the quoted string has no end; close it with "`}},
		"reference of nothing": {"a : {\n}", nil, []string{"x:1: section a refers to no section; write `a : template {`, the template's name with those of its parents: `parent.template`"}},
		"reference no brace":   {"a : b\nc = d\n", nil, []string{"x:2: section a has no {; write `a : template {`"}},
		"dangling":             {"conn-defaults {\n}\na : con-defaults {\n}", nil, []string{"x:3: reference to section con-defaults, which does not exist; did you mean conn-defaults?"}},
		"dangling sibling":     {"c {\n t { }\n d : t {\n }\n}", nil, []string{"x:3: reference to section t, which does not exist; write c.t: a reference begins at the top of the file"}},
		"dangling, no idea":    {"a : wxyz {\n}", nil, []string{"x:1: reference to section wxyz, which does not exist; a reference names the section with its parents, as in `parent.section`"}},
		"contains itself":      {"a {\n b : a {\n }\n}", nil, []string{"x:2: section b contains itself by reference; refer to a section that does not contain the one that refers to it"}},
		"include of nothing":   {"include # x\n", nil, []string{"x:1: include without a file; write `include conf.d/*.conf`"}},
		"include in a circle":  {"include a", circle, []string{"/etc/b:2: include /etc/a: the file includes itself (/etc/x → /etc/a → /etc/b → /etc/a); remove the include from one of them"}},
		"bad pattern":          {"include [", nil, []string{"x:1: include /etc/[: syntax error in pattern; a pattern has * ? and [a-z]"}},
		"too deep":             {deep, nil, []string{"x:33: section a is more than 32 sections deep; is a } missing above?"}},
		"NUL":                  {"a = b\n\x00", nil, []string{"x:2: a NUL octet; a configuration is a text file"}},
		"in an included file":  {"a {\n include i\n}", memory{"/etc/i": "b = 1\n}"}, []string{"/etc/i:2: a } that closes nothing in this file; remove it, or open the section that it closes"}},
		"long name":            {strings.Repeat("n", maxName+1) + " = 1\nb", nil, []string{"x:1: a name that is not UTF-8 or longer than 512 octets", "x:2: b is neither a setting nor a section; write `b = value` or `b {`"}},
		"long value":           {"a = " + strings.Repeat("n", maxValue+1), nil, []string{"x:1: the value of a is longer than 1048576 octets"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("/etc/x", []byte(test.in), test.files)
			if err == nil {
				t.Fatalf("accepted: %q", test.in)
			}
			got := strings.ReplaceAll(err.Error(), "/etc/x:", "x:")
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("%q\nis refused with\n%s\nwant\n%s", test.in, got, want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	tests := map[string]struct {
		in   string
		want string
	}{
		"overridden":             {"a {\n b = 1\n}\na {\n b = 2\n}", "/etc/x:5: b is set a second time in section a and overrides line 2; remove one of them"},
		"the same again is fine": {"a { b = 1 }\na { b = 1 }", ""},
		"cut at #":               {"secret = ab#cd", "/etc/x:1: the value ends at the #; put the value in double quotes if the # belongs to it"},
		"a comment is fine":      {"secret = ab #cd", ""},
		"string over lines":      {"a = \"b\nc = d\n\"", "/etc/x:1: the quoted string goes on to line 3; is the closing quote missing?"},
		"missing include":        {"include y", "/etc/x:1: include /etc/y: no such file; create the file or remove the line"},
		"no match is fine":       {"include *.y", ""},
		"byte order mark":        {"\ufeffa = b", "/etc/x:1: the file begins with a byte order mark, which strongSwan takes for a name; save the file as UTF-8 without one"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			doc, err := Parse("/etc/x", []byte(test.in), memory{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range doc.Warnings {
				got = append(got, w.Error())
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("%q\nwarns\n%s\nwant\n%s", test.in, strings.Join(got, "\n"), test.want)
			}
		})
	}
}

func TestPositions(t *testing.T) {
	files := memory{"/etc/d/i": "# first\n\nk = v\ns { }\n"}
	doc, err := Parse("/etc/x", []byte("t {\n a = \"1\\\n2\"\n b = 3 # c\n}\n\nu : t {\n include d/i\n}\n"), files)
	if err != nil {
		t.Fatal(err)
	}
	u := doc.Root.Section("u")
	want := map[string]string{"a": "/etc/x:2", "b": "/etc/x:4", "k": "/etc/d/i:3"}
	for key, at := range want {
		if v, ok := u.Value(key); !ok || v.At.String() != at {
			t.Errorf("%s stands at %q, want %s", key, v.At, at)
		}
	}
	if got := u.At.String() + " " + u.Section("s").At.String(); got != "/etc/x:7 /etc/d/i:4" {
		t.Errorf("the sections stand at %s, want /etc/x:7 /etc/d/i:4", got)
	}
	if !slices.Equal(doc.Files, []string{"/etc/x", "/etc/d/i"}) {
		t.Errorf("files read: %q, want both", doc.Files)
	}
}

// TestMultiplying has references that double the settings at each level: 2^30 of them from 30 lines.
func TestMultiplying(t *testing.T) {
	var b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&b, "t%d {\n x : t%d { }\n y : t%d { }\n}\n", i, i+1, i+1)
	}
	b.WriteString("t30 { k = v }\n")
	_, err := Parse("x", []byte(b.String()), memory{})
	if err == nil || !strings.Contains(err.Error(), "multiply the settings without bound") {
		t.Errorf("a configuration of 2^30 settings gives %v, want a refusal", err)
	}
}

// TestManyFromOneTemplate has many sections that say next to nothing themselves.
func TestManyFromOneTemplate(t *testing.T) {
	const many = 20000
	var b strings.Builder
	b.WriteString("t {\n")
	for i := range 30 {
		fmt.Fprintf(&b, "k%d = v\n s%d { k = v }\n", i, i)
	}
	b.WriteString("}\nconnections {\n")
	for i := range many {
		fmt.Fprintf(&b, "c%d : t { own = %d }\n", i, i)
	}
	b.WriteString("}\n")
	doc, err := Parse("x", []byte(b.String()), memory{})
	if err != nil {
		t.Fatal(err)
	}
	all := doc.Root.Section("connections").Sections()
	if last := all[len(all)-1]; len(all) != many || len(last.Values()) != 31 || len(last.Sections()) != 30 {
		t.Errorf("%d sections, the last with %d settings and %d sections; want %d, 31, 30", len(all), len(last.Values()), len(last.Sections()), many)
	}
}

func TestParseFile(t *testing.T) {
	_, err := ParseFile(t.TempDir() + "/none.conf")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v, want fs.ErrNotExist", err)
	}
	if _, err := ParseFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory gives %v, want that said", err)
	}
}

func TestSection(t *testing.T) {
	s := New("s", Position{})
	for i := range 40 {
		s.Set("k"+strconv.Itoa(i), "v", Position{})
		s.Ensure("sub"+strconv.Itoa(i), Position{}).Set("k", strconv.Itoa(i), Position{})
	}
	s.Set("k39", "w", Position{})
	s.Add("k3", "first", Position{})
	s.Add("k3", "second", Position{})
	s.Add("new", "third", Position{})
	s.SetList("empty", nil, Position{})
	check := func(key, text string, items ...string) {
		t.Helper()
		v, ok := s.Value(key)
		if !ok || v.Text != text || !slices.Equal(v.Items(), items) {
			t.Errorf("%s is %q with items %q, want %q with %q", key, v.Text, v.Items(), text, items)
		}
	}
	check("k39", "w", "w")
	check("k3", "first, second", "first", "second")
	check("new", "third", "third")
	check("empty", "")
	s.Set("commas", " a, b c ,,d", Position{})
	check("commas", " a, b c ,,d", "a", "b c", "d")
	if _, ok := s.Value("none"); ok || s.Section("none") != nil {
		t.Error("found what was never added")
	}
	if v, _ := s.Section("sub33").Value("k"); v.Text != "33" || len(s.Sections()) != 40 {
		t.Errorf("subsection 33 has %q, %d subsections; want 33 and 40", v.Text, len(s.Sections()))
	}
}

func TestNearest(t *testing.T) {
	names := []string{"proposals", "rekey_time", "reauth_time", "local_ts", "mobike", "id"}
	for name, want := range map[string]string{
		"proposal": "proposals", "porposals": "proposals", "Rekey_Time": "rekey_time", "rekytime": "rekey_time",
		"mobile": "mobike", "proposals2": "proposals", "reauth": "reauth_time", "local_ts_here": "local_ts", "re": "", "idx": "id", "local_st": "local_ts", "ie": "", "zzz": "", "": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", name, got, want)
		}
	}
}

// FuzzParse has that no text panics or hangs, and that an accepted one, written down and read again, is the same tree.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a = b", "a {\n b = \"c\\\n\"\n}", "t { s { a = 1 } }\nu : t, t.s { a = \n}", "include x\ny : z { }", "a\n\r# b\nc={", "b : b.c { c : b { } }",
	} {
		f.Add(seed, "x { y = z }")
	}
	f.Fuzz(func(t *testing.T, in, included string) {
		files := memory{"/etc/x": included}
		doc, err := Parse("/etc/f", []byte(in), files)
		if err != nil {
			return
		}
		once := text(doc.Root)
		again, err := Parse("/etc/f", []byte(once), memory{})
		if err != nil {
			t.Fatalf("%q is read as\n%s\nwhich is refused: %v", in, once, err)
		}
		if twice := text(again.Root); once != twice {
			t.Errorf("%q is read as\n%s\nand that as\n%s", in, once, twice)
		}
	})
}
