package settings

import (
	"cmp"
	"errors"
	"slices"
)

// Problem is something wrong, or worth a warning, at a place of the configuration.
type Problem struct {
	At Position
	// What is what is wrong, Fix what would be right; both without a full stop. Fix may be "".
	What, Fix string
	// Unread, of a warning, says that the file it is about is not used for that.
	Unread bool
}

// Error is "file:line: what; fix".
func (p *Problem) Error() string {
	text := p.What
	if p.At.File != "" {
		text = p.At.String() + ": " + text
	}
	if p.Fix != "" {
		text += "; " + p.Fix
	}
	return text
}

// Sort orders problems by file and line; what has no place comes last.
func Sort(problems []*Problem) {
	slices.SortStableFunc(problems, func(a, b *Problem) int {
		if (a.At.File == "") != (b.At.File == "") {
			if a.At.File == "" {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.At.File, b.At.File), cmp.Compare(a.At.Line, b.At.Line))
	})
}

// Join is all problems as one error, sorted, one a line; nil if there are none.
func Join(problems []*Problem) error {
	Sort(problems)
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}
