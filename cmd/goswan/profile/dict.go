package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goswan/goswan/crypto/secret"
)

// report collects what a profile has that is not taken over.
type report struct{ warnings []string }

// maxWarnings is how many are told.
const maxWarnings = 100

// maxSecret bounds a secret, in octets.
const maxSecret = 4096

func (r *report) warn(format string, args ...any) {
	if len(r.warnings) < maxWarnings {
		r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
	}
}

// dict is a dictionary of a profile that somebody else wrote. What nobody takes of it, rest tells.
type dict struct {
	path   string
	values map[string]any
	taken  map[string]bool
	*report
}

func newDict(r *report, path string, values map[string]any) *dict {
	return &dict{path, values, map[string]bool{}, r}
}

// at is the name of a key for a person.
func (d *dict) at(key string) string {
	if d.path == "" {
		return fmt.Sprintf("%.100q", key)
	}
	return fmt.Sprintf("%s.%.100q", d.path, key)
}

// take gives a value and marks it as known. What is of another type than T is told, and is none.
func take[T any](d *dict, key, what string) (value T, ok bool) {
	raw, there := d.values[key]
	d.taken[key] = true
	if !there {
		return value, false
	}
	if value, ok = raw.(T); !ok {
		d.warn("%s is not %s, and is left out", d.at(key), what)
	}
	return value, ok
}

// text is a text without what does not print; "" is none.
func (d *dict) text(key string) string {
	s, ok := take[string](d, key, "a text")
	if !ok {
		return ""
	}
	if err := plain(d.at(key), s); err != nil {
		d.warn("%v; it is left out", err)
		return ""
	}
	return strings.TrimSpace(s)
}

// secret is a key or password as it stands there, blanks and all. No message shows it. nil is none.
func (d *dict) secret(key string) secret.Bytes {
	s, _ := take[string](d, key, "a text")
	switch {
	case s == "":
		return nil
	case len(s) > maxSecret:
		d.warn("%s has more than %d octets, and is left out", d.at(key), maxSecret)
		return nil
	}
	return secret.Bytes(s)
}

// user is the name of a user of EAP. swanctl.conf takes one with a * for a pattern, which nobody is.
func (d *dict) user(key string) string {
	name := d.text(key)
	if strings.Contains(name, "*") {
		d.warn("%s is not taken over: %q is a pattern for swanctl.conf, and not one user", d.at(key), name)
		return ""
	}
	return name
}

// number is a number that counts something; 0 is none.
func (d *dict) number(key string) int {
	raw := d.values[key]
	d.taken[key] = true
	switch n := raw.(type) {
	case nil:
		return 0
	case uint64:
		if n < 1<<31 {
			return int(n)
		}
	case float64:
		if n >= 0 && n < 1<<31 && n == float64(int(n)) {
			return int(n)
		}
	}
	d.warn("%s is not a number from 0 to 2147483647, and is left out", d.at(key))
	return 0
}

// flag is true or false, also as 1 or 0.
func (d *dict) flag(key string, otherwise bool) bool {
	raw := d.values[key]
	d.taken[key] = true
	switch v := raw.(type) {
	case nil:
		return otherwise
	case bool:
		return v
	case uint64:
		return v != 0
	case float64:
		return v != 0
	}
	d.warn("%s is neither true nor false, and is left out", d.at(key))
	return otherwise
}

// sub is a dictionary within; without values if there is none.
func (d *dict) sub(key string) *dict {
	values, _ := take[map[string]any](d, key, "a dictionary")
	return newDict(d.report, d.at(key), values)
}

// list are texts: of an array, or of one text with spaces between.
func (d *dict) list(key string) (all []string) {
	if s, ok := d.values[key].(string); ok {
		d.taken[key] = true
		return strings.Fields(s)
	}
	items, _ := take[[]any](d, key, "a list")
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			d.warn("%s has something in it that is no text, and it is left out", d.at(key))
			continue
		}
		all = append(all, strings.ReplaceAll(s, " ", ""))
	}
	return all
}

// known marks keys that mean nothing here, and about which nobody has to be told.
func (d *dict) known(keys ...string) {
	for _, key := range keys {
		d.taken[key] = true
	}
}

// unmapped tells of a key that is known and cannot be taken over, if it is there and not off.
func (d *dict) unmapped(key, why string) {
	raw, there := d.values[key]
	d.taken[key] = true
	if there && raw != false && raw != uint64(0) && raw != float64(0) && raw != "" {
		d.warn("%s is not taken over: %s", d.at(key), why)
	}
}

// rest tells of the keys that nobody took.
func (d *dict) rest() {
	for _, key := range slices.Sorted(maps.Keys(d.values)) {
		if !d.taken[key] {
			d.warn("%s is not taken over: goswan does not know it", d.at(key))
		}
	}
}
