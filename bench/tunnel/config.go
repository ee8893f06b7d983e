package tunnel

import (
	"errors"

	"github.com/goswan/goswan/bench/turns"
)

// Config is what to measure.
type Config struct {
	Rounds  int
	Seconds int    // of each measurement, and of all of those inside the process
	Only    string // what is to be measured, separated by commas, each whole or what several begin with; "" is all that need not be asked for
	Goals   bool   // the goals stand beside the ratios
	// Say is told in a line what is left out or has failed while the rest goes on; nil is not told. Failures are in the error, too.
	Say      func(line string)
	Progress turns.Progress
}

// Choice is a name for Only.
type Choice struct {
	Name  string
	What  string
	Asked bool // it is measured only when it is asked for
}

// ErrSystem says that this system has no network namespaces.
var ErrSystem = errors.New("tunnels are compared in the network namespaces of Linux, which this system has not")

func (c Config) say(line string) {
	if c.Say != nil {
		c.Say(line)
	}
}
