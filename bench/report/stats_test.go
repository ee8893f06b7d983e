package report

import (
	"math"
	"testing"
)

func TestStatistics(t *testing.T) {
	for _, test := range []struct {
		values                 []float64
		median, p50, p99, half float64
	}{
		{[]float64{3}, 3, 3, 3, 0},
		{[]float64{4, 1}, 2.5, 1, 4, 1.5},
		{[]float64{9, 1, 5}, 5, 5, 9, 4},
	} {
		half, known := Spread(test.values)
		if Median(test.values) != test.median || Quantile(test.values, 0.5) != test.p50 || Quantile(test.values, 0.99) != test.p99 || half != test.half {
			t.Errorf("of %v: median %g, quantiles %g and %g, half the range %g; want %g, %g, %g, %g", test.values, Median(test.values),
				Quantile(test.values, 0.5), Quantile(test.values, 0.99), half, test.median, test.p50, test.p99, test.half)
		}
		if known != (len(test.values) > 1) {
			t.Errorf("of %d values the spread is known: %v", len(test.values), known)
		}
	}
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	if got := Quantile(hundred, 0.99); got != 99 {
		t.Errorf("the 99th percentile of 1…100 is %g, want 99", got)
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Quantile[float64](nil, 0.5)) {
		t.Error("no values have a median or a quantile")
	}
}

// TestRounded shows that no digit is printed that the spread makes meaningless.
func TestRounded(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   string
		spread string
	}{
		{nil, "-", "-"},
		{[]float64{5e-324, 5e-324}, "0", "-"}, // below what powers of ten there are
		{[]float64{0, 0}, "0", "-"},
		{[]float64{5.8372}, "5.8", "-"}, // one round: as noisy as usual
		{[]float64{5.8372, 5.8372}, "5.84", "±0%"},
		{[]float64{5.4, 5.83, 6.2}, "5.8", "±7%"},
		{[]float64{643, 560, 700}, "640", "±11%"},
		{[]float64{0.143, 0.151, 0.139}, "0.143", "±4%"},
		{[]float64{1, 3, 50}, "3", "±817%"}, // noise above the figure leaves one digit
		{[]float64{48123, 48125}, "48100", "±0%"},
	} {
		if got := Rounded(test.values); got != test.want {
			t.Errorf("%v is printed as %s, want %s", test.values, got, test.want)
		}
		if got := SpreadText(test.values); got != test.spread {
			t.Errorf("the spread of %v is printed as %s, want %s", test.values, got, test.spread)
		}
	}
}
