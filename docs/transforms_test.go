// Package docs holds what is written down about goswan to what goswan is: documents that are made from its tables.
package docs

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
	"github.com/goswan/goswan/crypto/status"
)

//go:generate go test . -run TestTransforms -update

var update = flag.Bool("update", false, "write the documents anew from the tables")

const transformsHead = `# Transforms

Made from the tables in ` + "`crypto/`" + ` by ` + "`go generate ./docs`" + `; a test fails when this is not what the tables say.

- *standing*: **default** is in the proposal ` + "`default`" + `; **named** is sound and used when a proposal names it; **legacy** is used
  when a proposal names it, with a warning; **refused** is never used; **unimplemented** is known by name only.
- *bits* are bits of security; for a cipher those of its key.
- *proven by* is where the test vectors were published that this row reproduces.
- *negotiated with* is whom the lab brought tunnels up with, for the IKE SA and for Child SAs (ESP), rekeyed them and sent data
  through them ([interop-transforms.tsv](interop-transforms.tsv)); for signatures, who proved itself so to goswan and goswan to it,
  with the Authentication Method of IKEv2: 14 is that of RFC 7427, 1 and 9 to 11 are for peers that do not know it.
- Key exchanges are also the methods of additional key exchanges (RFC 9370), ` + "`ke1_mlkem768` to `ke7_…`" + `. This version reads those
  words and cannot do the exchanges yet: a proposal in which one is optional (` + "`ke1_none`" + ` beside it) is used without it, with
  a warning; one that requires it is an error. A peer's proposal is judged likewise.

` + "`goswan explain`" + ` compares a peer's proposal with these.
`

// row is a row of any table.
type row struct {
	name, rfc, bits string
	words           []string
	standing        status.Status
	named           bool // it is not in the proposal `default`
	why             string
	log             string // its name in the record, without the key length
}

// section is a table of the document.
type section struct {
	title string
	rows  []row
	proof map[string][]string // sources by name
}

func TestTransforms(t *testing.T) {
	var b strings.Builder
	b.WriteString(transformsHead)
	met := negotiated(t, "interop-transforms.tsv")
	for _, s := range sections(t) {
		s.write(&b, met)
	}
	compare(t, "transforms.md", b.String())
}

func sections(t *testing.T) []section {
	var ciphers, integrity, prfs, kes []row
	for _, r := range encr.Transforms {
		var words []string
		for _, k := range r.Keywords {
			if !r.Status.Usable() || r.TakesKeyBits(k.Bits) {
				words = append(words, k.Word)
			}
		}
		ciphers = append(ciphers, row{r.Name, r.RFC, cipherBits(r), words, r.Status, r.Named, r.Why, r.Log})
	}
	for _, r := range integ.Transforms {
		integrity = append(integrity, row{r.Name, r.RFC, number(r.Strength), r.Keywords, r.Status, r.Named, r.Why, r.Log})
	}
	for _, r := range prf.Transforms {
		prfs = append(prfs, row{r.Name, r.RFC, number(r.Strength), r.Keywords, r.Status, r.Named, r.Why, r.Name})
	}
	for _, r := range ke.Transforms {
		kes = append(kes, row{r.Name, r.RFC, number(r.Strength), r.Keywords, r.Status, r.Named, r.Why, r.Name})
	}
	return []section{
		{"Encryption", ciphers, sources(t, "../crypto/encr")},
		{"Integrity", integrity, sources(t, "../crypto/integ")},
		{"Pseudorandom functions", prfs, sources(t, "../crypto/prf")},
		{"Key exchange", kes, sources(t, "../crypto/ke")},
		signatures(t),
	}
}

// cipherBits are the bits of a cipher for each key length.
func cipherBits(r encr.Transform) string {
	if len(r.KeyBits) == 0 {
		return number(r.StrengthBits(0))
	}
	var all []string
	for _, bits := range r.KeyBits {
		all = append(all, number(r.StrengthBits(bits)))
	}
	return strings.Join(all, ", ")
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// write adds the section: what can be used as a table, and what cannot, with the reason.
func (s section) write(b *strings.Builder, met map[string]string) {
	fmt.Fprintf(b, "\n## %s\n\n| | keywords | specified in | bits | standing | proven by | negotiated with |\n|---|---|---|---|---|---|---|\n", s.title)
	var refused, unimplemented []row
	for _, r := range s.rows {
		switch {
		case r.standing == status.Refused:
			refused = append(refused, r)
			continue
		case !r.standing.Usable():
			unimplemented = append(unimplemented, r)
			continue
		}
		standing := r.standing.String()
		if r.named {
			standing = "named"
		}
		if r.why != "" {
			standing += ": " + r.why
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.name, orDash(code(r.words)), orDash(r.rfc), orDash(r.bits), standing,
			orDash(strings.Join(s.proof[r.name], "; ")), orDash(met[r.log]))
	}
	if len(unimplemented) > 0 {
		fmt.Fprintf(b, "\nUnimplemented: %s.\n", strings.Join(namesOf(unimplemented), ", "))
	}
	if len(refused) > 0 {
		b.WriteString("\nRefused:\n\n| | keywords | why |\n|---|---|---|\n")
		for _, r := range refused {
			fmt.Fprintf(b, "| %s | %s | %s |\n", r.name, orDash(code(r.words)), r.why)
		}
	}
}

// namesOf are the rows by name, with their keywords.
func namesOf(rows []row) (names []string) {
	for _, r := range rows {
		name := r.name
		if len(r.words) > 0 {
			name += " (" + code(r.words) + ")"
		}
		names = append(names, name)
	}
	return names
}

func code(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "` `") + "`"
}

func orDash(s string) string {
	if s == "" {
		return "—"
	}
	return s
}

// TestEveryUsableRowIsProven holds the document to what it is for.
func TestEveryUsableRowIsProven(t *testing.T) {
	for _, s := range sections(t) {
		for _, r := range s.rows {
			if r.standing.Usable() && len(s.proof[r.name]) == 0 {
				t.Errorf("%s: no vector of %s says where it was published", s.title, r.name)
			}
		}
	}
}

// compare compares a document with what it should be, and writes it with -update.
func compare(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	is, should := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	for i := range should {
		if i >= len(is) || is[i] != should[i] {
			t.Fatalf("docs/%s is stale from line %d on, run `go generate ./docs`: it should be\n%s", name, i+1, should[i])
		}
	}
	t.Fatalf("docs/%s is stale, run `go generate ./docs`: it has lines too many", name)
}
