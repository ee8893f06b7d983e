package report

import (
	"math"
	"slices"
)

// exactUpTo is the number of values on either side up to which the orders are counted out.
const exactUpTo = 20

// MannWhitney is the two-sided Mann–Whitney U test (rank-sum test): the probability with which two samples of one distribution
// come out as far apart as a and b, or farther. It is exact, equal values included, for up to 20 values on each side, and beyond
// that the normal approximation corrected for ties and continuity. Of no values it is 1.
func MannWhitney(a, b []float64) float64 {
	n, m := len(a), len(b)
	if n == 0 || m == 0 {
		return 1
	}
	ranks, ties := doubledRanks(slices.Concat(a, b))
	sum := 0
	for _, r := range ranks[:n] {
		sum += r
	}
	far := math.Abs(float64(sum - n*(n+m+1))) // from the mean; doubled like the ranks
	if n <= exactUpTo && m <= exactUpTo {
		return asFar(ranks, n, far)
	}
	total := float64(n + m)
	variance := float64(n*m) / 12 * (total + 1 - ties/(total*(total-1)))
	if variance <= 0 {
		return 1 // all are equal
	}
	return math.Min(1, math.Erfc((far/2-0.5)/math.Sqrt(2*variance)))
}

// doubledRanks returns twice the rank of each value, counted from 1, where equal ones share the mean of theirs, and the sum of
// t³-t over the groups of t equal values.
func doubledRanks(values []float64) (ranks []int, ties float64) {
	sorted := slices.Sorted(slices.Values(values))
	for _, v := range values {
		first, _ := slices.BinarySearch(sorted, v)
		behind := first
		for behind < len(sorted) && sorted[behind] == v {
			behind++
		}
		ranks = append(ranks, first+1+behind)
		t := float64(behind - first)
		ties += t*t - 1 // t times in a group of t
	}
	return ranks, ties
}

// asFar is the share of the choices of n of the ranks whose sum is far from the mean, or farther.
func asFar(ranks []int, n int, far float64) float64 {
	most := 0
	for _, r := range ranks {
		most += r
	}
	// choices[k][s] are those of k ranks with the sum s among the ranks seen so far.
	choices := make([][]float64, n+1)
	for k := range choices {
		choices[k] = make([]float64, most+1)
	}
	choices[0][0] = 1
	for _, r := range ranks {
		for k := n; k >= 1; k-- {
			for s := most; s >= r; s-- {
				choices[k][s] += choices[k-1][s-r]
			}
		}
	}
	var some, all float64
	mean := float64(n * (len(ranks) + 1))
	for s, c := range choices[n] {
		all += c
		if math.Abs(float64(s)-mean) >= far {
			some += c
		}
	}
	return some / all
}
