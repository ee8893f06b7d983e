package report

import (
	"bytes"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// whole is a run that has everything a run can have.
func whole() *Run {
	r := &Run{
		Bench: "crypto", Goswan: "1.2.3", Command: []string{"goswan", "bench", "crypto"}, Seconds: 90.5,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: Machine{CPU: "AMD EPYC", Flags: []string{"aes", "vaes"}, LogicalCPUs: 8, MHz: 2400, GOMAXPROCS: 4, OS: "linux", Arch: "amd64",
			Kernel: "6.1.0", Governor: "performance", Go: "go1.26", NoASM: true},
		Peers: []Peer{{"openssl", "3.0.17"}},
		Notes: []string{"cycles are left out: the system does not tell"},
	}
	rec := NewRecorder(r)
	seal := Key{Figure: PacketTime, Subject: "goswan", Suite: "aes128gcm16", Operation: "seal", Size: 1420, Cores: 1, SAs: 2, Flows: 3}
	theirs := seal
	theirs.Subject = "openssl"
	rec.Record(0, seal, 150)
	rec.Record(2, seal, 160)
	rec.Record(0, theirs, 300)
	rec.Record(1, theirs, 320)
	speed := seal
	speed.Figure = Throughput
	rec.Derive(0, speed, PacketTime, 75.7)
	rec.Record(0, Key{Figure: Allocations, Subject: "goswan", Mix: "imix"}, 0)
	r.Comparisons = []Comparison{{Of: seal, Against: &theirs, Most: 0.5}, {Of: speed, Least: 50}}
	return r
}

// same compares two runs; NaN is a value like another.
func same(a, b *Run) bool {
	strip := func(r *Run) (Run, [][]float64) {
		c, values := *r, [][]float64{}
		c.Measurements = slices.Clone(r.Measurements)
		for i := range c.Measurements {
			v := slices.Clone(c.Measurements[i].Values)
			for j := range v {
				if math.IsNaN(v[j]) {
					v[j] = -1
				}
			}
			values, c.Measurements[i].Values = append(values, v), nil
		}
		return c, values
	}
	x, xv := strip(a)
	y, yv := strip(b)
	return reflect.DeepEqual(x, y) && reflect.DeepEqual(xv, yv)
}

func TestJSONRoundTrip(t *testing.T) {
	want := whole()
	var text bytes.Buffer
	if err := Encode(&text, want); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "{\n\t\"goswan_bench\": 1,") {
		t.Errorf("the version is not what the file begins with:\n%.100s", &text)
	}
	got, err := Decode(&text)
	if err != nil {
		t.Fatal(err)
	}
	if !same(got, want) {
		t.Errorf("read back\n%+v\nwant\n%+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	var good bytes.Buffer
	if err := Encode(&good, whole()); err != nil {
		t.Fatal(err)
	}
	change := func(old, replacement string) string {
		if !strings.Contains(good.String(), old) {
			t.Fatalf("the file has no %q to change", old)
		}
		return strings.Replace(good.String(), old, replacement, 1)
	}
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "not JSON"},
		{"a web page", "<html>", "not JSON"},
		{"a list", "[1]", "not JSON as"},
		{"the JSON of another program", `{"rounds": 3}`, "goswan_bench is missing"},
		{"another format", `{"goswan_bench": 2, "whatever": 1}`, "format 2; this goswan reads format 1"},
		{"cut short", good.String()[:good.Len()/2], "not JSON as"},
		{"a field that there is not", change(`"seconds"`, `"sekonds"`), `unknown field "sekonds"`},
		{"something behind the end", good.String() + "{}", "something follows"},
		{"a text for a number", change("90.5", `"long"`), "cannot unmarshal"},
		{"no bench", change(`"bench": "crypto"`, `"bench": ""`), "bench is missing"},
		{"negative time", change("90.5", "-1"), "-1 seconds"},
		{"negative rounds", change(`"rounds": 3`, `"rounds": -3`), "-3 rounds"},
		{"more values than rounds", change(`"rounds": 3`, `"rounds": 1`), "values of 1 rounds"},
		{"no subject", change(`"subject": "goswan"`, `"subject": ""`), "measurement 0: subject is missing"},
		{"no direction", change(`"better": "less"`, `"better": "up"`), `figure.better is "up"`},
		{"no unit", change(`"unit": "ns"`, `"unit": ""`), "figure.unit is missing"},
		{"no figure", change(`"name": "time per packet"`, `"name": ""`), "figure.name is missing"},
		{"two alike", change(`"subject": "openssl"`, `"subject": "goswan"`), "measurement 1: the same as one before"},
		{"a negative size", change(`"size": 1420`, `"size": -1`), "a number below 0"},
		{"a terminal's escape", change("AMD EPYC", `\u001b[2J`), "cannot be printed"},
		{"octets that are no text", change("AMD EPYC", "\xff\xfe"), ""},
		{"a long text", change("AMD EPYC", strings.Repeat("x", maxText+1)), "a text of 4097 octets"},
		{"a value beyond all numbers", change("150", "1e999"), "cannot unmarshal"},
		{"a negative goal", change(`"most": 0.5`, `"most": -1`), "comparison 0: its goal"},
		{"longer than any run", strings.Repeat(" ", maxFile+1), "longer than"},
	} {
		got, err := Decode(strings.NewReader(test.text))
		switch {
		case test.want == "":
			if err != nil || strings.Contains(got.Machine.CPU, "\xff") {
				t.Errorf("%s: %v (%v), want the replacement character", test.name, got, err)
			}
		case err == nil || !strings.Contains(err.Error(), test.want):
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

// TestEncodeRefusesWhatIsNotReadBack: a file is never written that Decode would not take.
func TestEncodeRefusesWhatIsNotReadBack(t *testing.T) {
	r := whole()
	r.Measurements[0].Values[0] = math.Inf(1)
	if err := Encode(&bytes.Buffer{}, r); err == nil {
		t.Error("an infinite value is written")
	}
}

func TestRatios(t *testing.T) {
	nan := math.NaN()
	for _, test := range []struct {
		name     string
		of, base Values
		want     []float64
	}{
		{"within each round", Values{6, 3}, Values{2, 1}, []float64{3, 3}},
		{"a round without either side", Values{6, nan, 9, 8}, Values{2, 1, nan, 4}, []float64{3, 2}},
		{"rounds that one side has not", Values{6, 9}, Values{2}, []float64{3}},
		{"a base of 0", Values{6}, Values{0}, nil},
	} {
		if got := Ratios(test.of, test.base); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestComparison(t *testing.T) {
	r := whole()
	ratio, itself := r.Comparisons[0], r.Comparisons[1]
	if got := r.Compare(ratio); !slices.Equal(got, []float64{0.5}) {
		t.Errorf("the ratios are %v, want that of the one round that both have", got)
	}
	if got := r.Compare(itself); !slices.Equal(got, []float64{75.7}) {
		t.Errorf("without another side: %v, want the value", got)
	}
	if r.Compare(Comparison{Of: Key{Subject: "nobody"}}) != nil {
		t.Error("what was not measured is compared")
	}
	for _, test := range []struct {
		c             Comparison
		values        []float64
		goal, verdict string
	}{
		{ratio, []float64{0.5}, "≤ 0.5", "met"},
		{ratio, []float64{0.6}, "≤ 0.5", "missed"},
		{itself, []float64{75.7, 20, 80}, "≥ 50", "met"},
		{itself, []float64{49}, "≥ 50", "missed"},
		{itself, nil, "≥ 50", ""},
		{Comparison{Least: 1, Most: 2}, []float64{3}, "1 … 2", "missed"},
		{Comparison{}, []float64{3}, "", ""},
	} {
		if got, verdict := test.c.Goal(), test.c.Verdict(test.values); got != test.goal || verdict != test.verdict {
			t.Errorf("%v against %+v: %q of %q, want %q of %q", test.values, test.c, verdict, got, test.verdict, test.goal)
		}
	}
}

func TestRecorder(t *testing.T) {
	r := whole()
	if r.Rounds != 3 || len(r.Measurements) != 4 {
		t.Fatalf("%d rounds and %d measurements, want 3 and 4", r.Rounds, len(r.Measurements))
	}
	v := r.Measurements[0].Values
	if len(v) != 3 || v[0] != 150 || !math.IsNaN(v[1]) || v[2] != 160 {
		t.Errorf("rounds 1 and 3 have %v", v)
	}
	if got := v.Present(); !slices.Equal(got, []float64{150, 160}) {
		t.Errorf("present are %v", got)
	}
	if got := r.Figures(); !slices.Equal(got, []Figure{PacketTime, Throughput, Allocations}) {
		t.Errorf("the figures are %v", got)
	}
	if got := r.Of(PacketTime); len(got) != 2 || got[1].Subject != "openssl" {
		t.Errorf("the times per packet are %v", got)
	}
	r.Note("once")
	r.Note("once")
	if len(r.Notes) != 2 {
		t.Errorf("the notes are %q", r.Notes)
	}
}

// FuzzDecode: whatever is read is refused with an error or is a run that is written and read back as it is.
func FuzzDecode(f *testing.F) {
	var good bytes.Buffer
	if err := Encode(&good, whole()); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte(`{"goswan_bench":1,"bench":"x","rounds":1,"measurements":[{"figure":{"name":"a","unit":"1","better":"more"},"subject":"s","values":[null]}]}`))
	f.Add([]byte(`{"goswan_bench":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(bytes.NewReader(text))
		if err != nil {
			return
		}
		for _, m := range r.Measurements {
			Rounded(m.Values.Present())
			SpreadText(m.Values.Present())
		}
		for _, c := range r.Comparisons {
			c.Verdict(r.Compare(c))
		}
		var again bytes.Buffer
		if err := Encode(&again, r); err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		if back, err := Decode(&again); err != nil || !same(r, back) {
			t.Fatalf("what was written is read as %+v (%v), want %+v", back, err, r)
		}
	})
}
