//go:build !linux

package tunnel

import (
	"context"

	"github.com/goswan/goswan/bench/report"
)

// Choices are the names for Config.Only: none.
func Choices() []Choice { return nil }

// Measure returns ErrSystem.
func Measure(context.Context, *report.Run, Config) error { return ErrSystem }
