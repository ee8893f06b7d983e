package ke

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// vector is one block of a file of testdata: a row's known answer and where it was published.
type vector struct {
	row, source string
	values      map[string][]byte // private_i, private_r, public_i, public_r, shared
}

// vectors reads all files of testdata.
func vectors(t *testing.T) (all []vector) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata has no vectors (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parseVectors(string(text))...)
	}
	return all
}

func parseVectors(text string) (all []vector) {
	value := ""
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch {
		case word == "#" || line == "\n":
		case word == "row":
			all = append(all, vector{row: rest, values: map[string][]byte{}})
		case word == "source":
			all[len(all)-1].source = rest
		case word == "": // octets of the value
			v := all[len(all)-1].values
			v[value] = append(v[value], unhex(strings.TrimSpace(rest))...)
		default:
			value = word
		}
	}
	return all
}

func rowNamed(t *testing.T, name string) *Transform {
	t.Helper()
	for i := range Transforms {
		if Transforms[i].Name == name {
			return &Transforms[i]
		}
	}
	t.Fatalf("a vector is for %s, which is no row", name)
	return nil
}

// TestPublishedVectors puts every published value through the row that it is for.
func TestPublishedVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.row+"/"+v.source, func(t *testing.T) {
			r := rowNamed(t, v.row)
			if g, ok := modps[v.row]; ok && (len(v.values["private_i"]) != g.expLen) {
				v.ofExponents(t, g)
				return
			}
			v.ofInitiator(t, r)
			v.ofResponder(t, r)
		})
	}
}

// want compares a value with the published one, where there is one.
func (v vector) want(t *testing.T, name string, got []byte) {
	t.Helper()
	if want, ok := v.values[name]; ok && !bytes.Equal(got, want) {
		t.Errorf("%s is %.16x…, want %.16x…", name, got, want)
	}
}

func (v vector) ofInitiator(t *testing.T, r *Transform) {
	if v.values["private_i"] == nil {
		return
	}
	i := initiateRow(t, r, bytes.NewReader(v.values["private_i"]))
	v.want(t, "public_i", i.Public())
	if v.values["shared"] == nil {
		return
	}
	shared, err := i.Finish(v.values["public_r"])
	if err != nil {
		t.Fatalf("the initiator refuses the responder's value: %v", err)
	}
	v.want(t, "shared", shared)
}

func (v vector) ofResponder(t *testing.T, r *Transform) {
	if v.values["private_r"] == nil {
		return
	}
	public, shared, err := r.Respond(bytes.NewReader(v.values["private_r"]), v.values["public_i"])
	if err != nil {
		t.Fatalf("the responder refuses the initiator's value: %v", err)
	}
	v.want(t, "public_r", public)
	v.want(t, "shared", shared)
}

// ofExponents is for a MODP group whose published exponents have another length than ours.
func (v vector) ofExponents(t *testing.T, g modp) {
	f := g.field()
	for _, side := range []struct{ own, peer string }{{"_i", "_r"}, {"_r", "_i"}} {
		x := v.values["private"+side.own]
		if x == nil {
			continue
		}
		v.want(t, "public"+side.own, f.power(f.g, x))
		if v.values["shared"] == nil {
			continue
		}
		peer, err := g.parse(v.values["public"+side.peer])
		if err != nil {
			t.Fatal(err)
		}
		v.want(t, "shared", f.power(peer, x))
	}
}

func TestEveryUsableRowHasAVector(t *testing.T) {
	have := map[string]bool{}
	for _, v := range vectors(t) {
		if v.source == "" {
			t.Errorf("%s has a vector that does not say where it was published", v.row)
		}
		proves := v.values["shared"] != nil && v.values["public_i"] != nil && v.values["public_r"] != nil &&
			(v.values["private_i"] != nil || v.values["private_r"] != nil)
		have[v.row] = have[v.row] || proves
	}
	for _, r := range Transforms {
		if r.Status.Usable() && !have[r.Name] {
			t.Errorf("%s has no published vector of a whole exchange", r.Name)
		}
	}
}
