package report

import (
	"math"
	"slices"
	"strconv"
)

// Quantile is the smallest value that at least a share q of the values does not exceed (nearest rank), and NaN of none.
// q is within 0…1.
func Quantile[T int64 | float64](values []T, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return float64(sorted[max(rank, 1)-1])
}

// Median is the middle value, or the mean of the two middle ones, and NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return sorted[(n-1)/2]/2 + sorted[n/2]/2
}

// assumedNoise is the relative spread that is assumed of a figure that was measured once.
const assumedNoise = 0.15

// Spread is half the distance of the smallest and the largest value. Of fewer than two it is not known.
func Spread(values []float64) (half float64, known bool) {
	if len(values) < 2 {
		return 0, false
	}
	return slices.Max(values)/2 - slices.Min(values)/2, true
}

// Rounded writes the median with the digits that the spread leaves it: the last one is of the spread's own magnitude,
// and there are at most three. Of no values it is "-".
func Rounded(values []float64) string {
	value := Median(values)
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return "-"
	}
	if math.Abs(value) < smallest {
		return "0"
	}
	noise, known := Spread(values)
	if !known {
		noise = assumedNoise * math.Abs(value)
	}
	last := magnitude(value) - 2
	if noise > 0 {
		last = max(last, magnitude(noise))
	}
	last = min(last, magnitude(value)) // one digit is always left
	unit := math.Pow10(last)
	return strconv.FormatFloat(math.Round(value/unit)*unit, 'f', max(0, -last), 64)
}

// smallest is what is more than 0. Powers of ten end not far below it.
const smallest = 1e-300

// magnitude is the power of ten of the first digit.
func magnitude(v float64) int { return int(math.Floor(math.Log10(math.Abs(v)))) }

// SpreadText is the spread in percent of the median, or "-" where it is not known.
func SpreadText(values []float64) string {
	half, known := Spread(values)
	middle := Median(values)
	if !known || middle == 0 {
		return "-"
	}
	return "±" + strconv.FormatFloat(100*half/math.Abs(middle), 'f', 0, 64) + "%"
}
