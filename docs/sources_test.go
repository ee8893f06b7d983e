package docs

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sources finds where the vectors of a package were published, by the name of the row that they are for. Its testdata are
// texts of blocks, each with a line "source …" and a line "row NAME" or "scheme NAME", or JSON lists of objects with the
// members "source" and "transform".
func sources(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "testdata", "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no testdata (%v)", dir, err)
	}
	found := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		heads, err := headsOf(filepath.Ext(file), text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range heads {
			if source := brief(v.Source); v.Transform != "" && source != "" && !slices.Contains(found[v.Transform], source) {
				found[v.Transform] = append(found[v.Transform], source)
			}
		}
	}
	return found
}

// head is what a vector says of itself.
type head struct {
	Transform string `json:"transform"` // the row's name
	Source    string `json:"source"`
}

// headsOf reads a file of vectors.
func headsOf(ext string, text []byte) (heads []head, err error) {
	if ext == ".json" {
		return heads, json.Unmarshal(text, &heads)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		var v head
		for line := range strings.Lines(block) {
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch word {
			case "row", "scheme":
				v.Transform = rest
			case "source":
				v.Source = rest
			}
		}
		heads = append(heads, v)
	}
	return heads, nil
}

// brief is a source without the numbers of its test cases.
func brief(source string) string {
	source, _, _ = strings.Cut(source, ",")
	source, _, _ = strings.Cut(source, " (")
	return source
}

// negotiated reads a record of the lab: with whom each algorithm was negotiated, "strongSwan 5.9.8 (IKE, ESP)", and of signatures
// by which Authentication Method, "strongSwan 5.9.8 (method 14)".
func negotiated(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]map[string][]string{} // by algorithm and peer the protocols
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			continue
		}
		algorithm := f[1]
		if !strings.HasPrefix(f[0], "method ") {
			algorithm, _, _ = strings.Cut(algorithm, "-") // the key length
		}
		if met[algorithm] == nil {
			met[algorithm] = map[string][]string{}
		}
		if !slices.Contains(met[algorithm][f[2]], f[0]) {
			met[algorithm][f[2]] = append(met[algorithm][f[2]], f[0])
		}
	}
	out := map[string]string{}
	for algorithm, peers := range met {
		out[algorithm] = peersOf(peers)
	}
	return out
}

// peersOf lists strongSwan first; goswan alone is worth telling where there is nobody else.
func peersOf(peers map[string][]string) string {
	var texts []string
	for _, peer := range slices.Sorted(maps.Keys(peers)) {
		if peer == "goswan" && len(peers) > 1 {
			continue
		}
		protocols := slices.Sorted(slices.Values(peers[peer]))
		slices.Reverse(protocols) // IKE before ESP
		name := peer
		if peer == "goswan" {
			name = "goswan only"
		}
		texts = append(texts, name+" ("+strings.Join(protocols, ", ")+")")
	}
	return strings.Join(texts, "; ")
}

func TestSourcesAreFound(t *testing.T) {
	for ext, text := range map[string]string{
		".txt":  "# a remark\n\nsource RFC 7748 §6.1\nrow CURVE_25519\nshared\n  00\n\nscheme ED25519\nsource RFC 8032, case 1",
		".json": `[{"transform": "CURVE_25519", "source": "RFC 7748 §6.1", "key": "00"}, {"transform": "ED25519", "source": "RFC 8032, case 1"}]`,
	} {
		heads, err := headsOf(ext, []byte(text))
		heads = slices.DeleteFunc(heads, func(v head) bool { return v == head{} })
		if want := []head{{"CURVE_25519", "RFC 7748 §6.1"}, {"ED25519", "RFC 8032, case 1"}}; err != nil || !slices.Equal(heads, want) {
			t.Errorf("%s has %v with %v, want %v", ext, heads, err, want)
		}
	}
	if _, err := headsOf(".json", []byte("{")); err == nil {
		t.Error("what is no JSON is read")
	}
	for source, want := range map[string]string{"RFC 3602 §4, case 5 (ESP, ping)": "RFC 3602 §4", "RFC 7634 Appendix A (ESP)": "RFC 7634 Appendix A", "NIST CAVP": "NIST CAVP"} {
		if got := brief(source); got != want {
			t.Errorf("%q is cut to %q, want %q", source, got, want)
		}
	}
}

func TestPeersAreListed(t *testing.T) {
	for want, peers := range map[string]map[string][]string{
		"strongSwan 5.9.8 (IKE, ESP)": {"goswan": {"IKE"}, "strongSwan 5.9.8": {"ESP", "IKE"}},
		"goswan only (ESP)":           {"goswan": {"ESP"}},
	} {
		if got := peersOf(peers); got != want {
			t.Errorf("%v is listed as %q, want %q", peers, got, want)
		}
	}
}
