//go:build linux

package main

import (
	"math"
	"slices"
	"strconv"
)

// quantile is the smallest value that at least a share q of the values does not exceed (nearest rank), and NaN of none.
// q is within 0…1.
func quantile[T int64 | float64](values []T, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return float64(sorted[max(rank, 1)-1])
}

// median is the middle value, or the mean of the two middle ones, and NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// assumedNoise is the relative spread that is assumed of a figure that was measured once.
const assumedNoise = 0.15

// spread is half the distance of the smallest and the largest value. Of fewer than two it is not known.
func spread(values []float64) (half float64, known bool) {
	if len(values) < 2 {
		return 0, false
	}
	return (slices.Max(values) - slices.Min(values)) / 2, true
}

// rounded writes the median with the digits that the spread leaves it: the last one is of the spread's own magnitude,
// and there are at most three.
func rounded(values []float64) string {
	value := median(values)
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return "-"
	}
	if value == 0 {
		return "0"
	}
	noise, known := spread(values)
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

// magnitude is the power of ten of the first digit.
func magnitude(v float64) int { return int(math.Floor(math.Log10(math.Abs(v)))) }

// spreadText is the spread in percent of the median, or "-" where it is not known.
func spreadText(values []float64) string {
	half, known := spread(values)
	middle := median(values)
	if !known || middle == 0 {
		return "-"
	}
	return "±" + strconv.FormatFloat(100*half/math.Abs(middle), 'f', 0, 64) + "%"
}
