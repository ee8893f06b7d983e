package settings

import "strings"

// minPrefix is how many letters name more than chance would.
const minPrefix = 4

// Nearest is the name that is most likely meant by one that is not among them, "" if none is near: at most a third of
// its letters are wrong, missing, too many or swapped with a neighbour, or one of the two is the beginning of the other.
func Nearest(name string, names []string) string {
	best, least := "", len(name)/3+1
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(candidate), least); d < least {
			best, least = candidate, d
		}
	}
	if best != "" || len(name) < minPrefix {
		return best
	}
	for _, candidate := range names {
		short, long := strings.ToLower(name), strings.ToLower(candidate)
		if len(short) > len(long) {
			short, long = long, short
		}
		if len(short) >= minPrefix && strings.HasPrefix(long, short) {
			return candidate
		}
	}
	return ""
}

// distance is how many letters have to be changed, added, removed or swapped with their neighbour; limit or more is limit.
func distance(a, b string, limit int) int {
	if len(a) > maxName || len(b) > maxName || len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit)
}
