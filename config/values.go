package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/config/settings"
)

// word is a keyword and what it stands for.
type word[V any] struct {
	word  string
	value V
}

// choose reads one of several keywords, in capitals or not.
func choose[V any](v settings.Value, words []word[V]) (V, error) {
	var names []string
	for _, w := range words {
		if strings.EqualFold(w.word, v.Text) {
			return w.value, nil
		}
		names = append(names, w.word)
	}
	var none V
	fix := "write one of " + strings.Join(names, ", ")
	if near := settings.Nearest(v.Text, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	return none, bad(fix, "%q is not a value of %s", v.Text, v.Key)
}

// oneOf is a key with keywords.
func oneOf[T, V any](field func(*T) *V, words ...word[V]) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) (err error) {
		got, err := choose(v, words)
		if err == nil {
			*field(into) = got
		}
		return err
	}
}

// switches are what strongSwan takes for yes and no.
var switches = []word[bool]{
	{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"enabled", true}, {"disabled", false}, {"1", true}, {"0", false},
}

// parseBool reads a yes or no.
func parseBool(v settings.Value) (bool, error) {
	got, err := choose(v, switches)
	if err != nil {
		return false, bad("write yes or no", "%q is neither yes nor no", v.Text)
	}
	return got, nil
}

// boolean is a key with yes and no.
func boolean[T any](field func(*T) *bool) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		got, err := parseBool(v)
		if err == nil {
			*field(into) = got
		}
		return err
	}
}

// maxSpan bounds durations: a century.
const maxSpan = 100 * 365 * 24 * time.Hour

// parseSpan reads a time: seconds, or a number with s, m, h or d behind it.
func parseSpan(v settings.Value) (time.Duration, error) {
	number, unit := strings.TrimSpace(v.Text), time.Second
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if n := len(number); n > 0 {
		if u, ok := units[number[n-1]|0x20]; ok {
			number, unit = strings.TrimSpace(number[:n-1]), u
		}
	}
	n, err := parseNumber(number)
	switch {
	case err != nil:
		return 0, bad("write a whole number with s, m, h or d behind it, as in 4h", "%q is not a time", v.Text)
	case n > uint64(maxSpan/unit):
		return 0, bad("write at most 36500d; 0 turns it off", "%q is too long", v.Text)
	}
	return time.Duration(n) * unit, nil
}

// span is a key with a time.
func span[T any](field func(*T) *time.Duration) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		got, err := parseSpan(v)
		if err == nil {
			*field(into) = got
		}
		return err
	}
}

// parseVolume reads a number of octets, with k, m or g for powers of 1024. What is too large is the largest number.
func parseVolume(v settings.Value) (uint64, error) {
	number, shift := strings.TrimSpace(v.Text), 0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("kmg", number[n-1]|0x20); i >= 0 {
			number, shift = strings.TrimSpace(number[:n-1]), 10*(i+1)
		}
	}
	n, err := parseNumber(number)
	if err != nil {
		return 0, bad("write a whole number, with k, m or g behind it for KiB, MiB and GiB, as in 500m", "%q is not a number of octets", v.Text)
	}
	if n > math.MaxUint64>>shift {
		return math.MaxUint64, nil
	}
	return n << shift, nil
}

// volume is a key with a number of octets.
func volume[T any](field func(*T) *uint64) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		got, err := parseVolume(v)
		if err == nil {
			*field(into) = got
		}
		return err
	}
}

// parseNumber reads a decimal number or, behind 0x, a hexadecimal one.
func parseNumber(s string) (uint64, error) {
	if digits, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		return strconv.ParseUint(digits, 16, 64)
	}
	return strconv.ParseUint(s, 10, 64)
}

// number is a key with a number between two limits.
func number[T any, V ~int | ~uint8 | ~uint16 | ~uint32 | ~uint64](field func(*T) *V, least, most uint64) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		n, err := parseNumber(v.Text)
		if err != nil || n < least || n > most {
			fix := fmt.Sprintf("write a number from %d to %d", least, most)
			if most >= math.MaxInt64 {
				fix = "write a whole number"
			}
			return bad(fix, "%q is not a number that %s can have", v.Text, v.Key)
		}
		*field(into) = V(n)
		return nil
	}
}

// text is a key with any text.
func text[T any](field func(*T) *string) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		*field(into) = v.Text
		return nil
	}
}

// off is a key that strongSwan knows and goswan does not: a value that does not switch it on is fine.
func off[T any](what, fix string, harmless ...string) func(*T, settings.Value) error {
	return func(_ *T, v settings.Value) error {
		if isOff(v, harmless) {
			return nil
		}
		return missing(what, fix)
	}
}

// noEffect is a key that goswan knows, but that changes nothing here; a value that asks for nothing is not worth a warning.
func noEffect[T any](why string, harmless ...string) func(*T, settings.Value) error {
	return func(_ *T, v settings.Value) error {
		if isOff(v, harmless) {
			return nil
		}
		return warning("", "has no effect in goswan: %s", why)
	}
}

// notObeyed is a key that is read, and that nothing obeys in this version; anyway are the values that ask for what
// happens anyway.
func notObeyed[T any](read func(*T, settings.Value) error, why string, anyway ...string) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		if err := read(into, v); err != nil || isOff(v, anyway) {
			return err
		}
		return warning("", "has no effect in this version of goswan: %s", why)
	}
}

// silent is a key whose value is checked and means what goswan does anyway.
func silent[T any](words ...string) func(*T, settings.Value) error {
	rows := make([]word[struct{}], len(words))
	for i, w := range words {
		rows[i].word = w
	}
	return func(_ *T, v settings.Value) error {
		_, err := choose(v, rows)
		return err
	}
}

// isOff tells a value that asks for nothing. harmless "no" stands for every way to say no.
func isOff(v settings.Value, harmless []string) bool {
	for _, h := range harmless {
		if strings.EqualFold(h, v.Text) {
			return true
		}
		if h == "no" {
			if on, err := parseBool(v); err == nil && !on {
				return true
			}
		}
	}
	return false
}
