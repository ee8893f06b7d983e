package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestMannWhitney has values of the tables of Mann and Whitney (1947), table I, doubled for both sides, and cases that are counted
// by hand.
func TestMannWhitney(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b []float64
		want float64
	}{
		{"nothing", nil, []float64{1}, 1},
		{"one and one", []float64{1}, []float64{2}, 1},
		{"3 and 3, U=0", []float64{1, 2, 3}, []float64{4, 5, 6}, 2 * 0.050},
		{"3 and 3, U=1", []float64{1, 2, 4}, []float64{3, 5, 6}, 2 * 0.100},
		{"4 and 4, U=0", []float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 2. / 70},
		{"4 and 4, U=2", []float64{1, 2, 3, 6}, []float64{4, 5, 7, 8}, 2 * 0.057},
		{"5 and 5, U=0", []float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, 2. / 252},
		{"5 and 3, U=1", []float64{1, 2, 3, 4, 6}, []float64{5, 7, 8}, 4. / 56},
		{"in the middle", []float64{1, 4}, []float64{2, 3}, 1},
		{"all equal", []float64{1, 1, 1}, []float64{1, 1}, 1},
		{"equal within the sides", []float64{0, 0, 0, 0, 0}, []float64{1, 1, 1, 1, 1}, 2. / 252},
		{"equal across the sides", []float64{1, 2}, []float64{2, 3}, 4. / 6}, // ranks 1, 2½, 2½, 4: sums 3½ and 6½, each of two choices
	} {
		for _, got := range []float64{MannWhitney(test.a, test.b), MannWhitney(test.b, test.a)} {
			if math.Abs(got-test.want) > 0.001 {
				t.Errorf("%s: %v and %v are %.4f, want %.4f", test.name, test.a, test.b, got, test.want)
			}
		}
	}
}

// TestMannWhitneyOfMany: where orders are no longer counted the approximation goes on from them.
func TestMannWhitneyOfMany(t *testing.T) {
	series := func(n int, shift float64) (v []float64) {
		for i := range n {
			v = append(v, float64(i)+shift)
		}
		return v
	}
	exact, approximate := MannWhitney(series(20, 0), series(20, 5.5)), MannWhitney(series(21, 0), series(21, 5.5))
	if exact < 0.005 || exact > 0.02 || math.Abs(exact-approximate) > 0.005 {
		t.Errorf("of 20 values %.4f, of 21 approximately %.4f", exact, approximate)
	}
	equal := make([]float64, 30)
	if got := MannWhitney(equal, equal); got != 1 {
		t.Errorf("30 equal values on both sides are %v", got)
	}
}

func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		old, new []float64
		better   Better
		want     Verdict
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, More, Improved},
		{[]float64{1, 2, 3, 4, 5}, []float64{6, 7, 8, 9, 10}, Less, Worsened},
		{[]float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, Less, Improved},
		{[]float64{1, 2, 3, 4, 6}, []float64{5, 7, 8, 9, 10}, More, Unchanged}, // U=1: 4/252
		{[]float64{1, 1.1}, []float64{1.2, 1.3}, More, Improved},               // the ranges do not overlap
		{[]float64{1, 1.2}, []float64{1.1, 1.3}, More, Unchanged},
		{[]float64{1, 2, 3, 4, 5}, []float64{9, 9.5}, Less, Worsened}, // as many rounds as the smaller run has
		{[]float64{1}, []float64{100}, More, TooFew},
		{[]float64{1, 1}, nil, More, TooFew},
		{[]float64{0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0}, Less, Unchanged},
		{[]float64{0, 0, 0, 0, 0}, []float64{1, 1, 1, 1, 1}, Less, Worsened},
	} {
		if got := change(Key{Figure: Figure{"f", "1", test.better}}, test.old, test.new).Verdict; got != test.want {
			t.Errorf("from %v to %v, %s is better: %q, want %q", test.old, test.new, test.better, got, test.want)
		}
	}
}

// series is a run of one suite with a time per packet and its throughput.
func series(suite string, unit string, values ...float64) *Run {
	r := &Run{Bench: "crypto", Machine: Machine{CPU: "A", GOMAXPROCS: 2}}
	rec := NewRecorder(r)
	k := Key{Figure: Figure{"time per packet", unit, Less}, Subject: "goswan", Suite: suite, Operation: "seal", Size: 64, Cores: 1}
	for round, v := range values {
		rec.Record(round, k, v)
		speed := k
		speed.Figure = Throughput
		rec.Derive(round, speed, k.Figure, 1/v)
	}
	return r
}

func TestDiff(t *testing.T) {
	old, new := series("aes128gcm16", "ns", 100, 101, 102, 103, 104), series("aes128gcm16", "ns", 80, 81, 82, 83, 84)
	new.Machine.CPU = "B"
	text := diffText(t, old, new)
	for _, want := range []string{
		"other machine: the processor was A and is B",
		"goswan aes128gcm16 seal 64 B 1 core, time per packet in ns 102 ±2% 82 ±2% -19.6% better",
		"1 measurement: 1 better, 0 worse, 0 the same within the noise",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the difference lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "throughput") || strings.Contains(text, "GOMAXPROCS") {
		t.Errorf("what was computed, or is equal, is compared too:\n%s", text)
	}
}

func TestDiffApart(t *testing.T) {
	text := diffText(t, series("aes128gcm16", "ns", 1), series("aes128gcm16", "µs", 1))
	if want := "0 measurements: 0 better, 0 worse, 0 the same within the noise not compared: time per packet is in ns in the old run and in µs in the new one"; text != want {
		t.Errorf("of two units:\n%s\nwant\n%s", text, want)
	}
	text = diffText(t, series("aes128gcm16", "ns", 1), series("aes256gcm16", "ns", 1))
	for _, want := range []string{"not compared: 1 measurement only in the old run", "not compared: 1 measurement only in the new run"} {
		if !strings.Contains(text, want) {
			t.Errorf("of two suites the difference lacks %q:\n%s", want, text)
		}
	}
	text = diffText(t, series("aes128gcm16", "ns", 1), series("aes128gcm16", "ns", 2))
	if want := "1 of one round, which does not tell"; !strings.Contains(text, want) {
		t.Errorf("of one round the difference lacks %q:\n%s", want, text)
	}
	other := series("x", "ns", 1)
	other.Bench = "ike"
	if _, err := Diff(series("x", "ns", 1), other); err == nil {
		t.Error("different benchmarks are compared")
	}
}

// TestDiffSaysWhatChanceDoes: of 200 tests at 1 % two are expected.
func TestDiffSaysWhatChanceDoes(t *testing.T) {
	run := &Run{Bench: "crypto"}
	rec := NewRecorder(run)
	for i := range 200 {
		for round := range 5 {
			rec.Record(round, Key{Figure: PacketTime, Subject: fmt.Sprint(i)}, 1)
		}
	}
	if text := diffText(t, run, run); !strings.HasSuffix(text, "200 the same within the noise; chance alone would change about 2") {
		t.Errorf("the summary is %q", text)
	}
}

// diffText is the difference with single spaces.
func diffText(t *testing.T, old, new *Run) string {
	t.Helper()
	d, err := Diff(old, new)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := d.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}
