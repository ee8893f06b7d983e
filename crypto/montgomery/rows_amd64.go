package montgomery

import (
	"os"

	"golang.org/x/sys/cpu"
)

// accelerated tells whether the processor has the two independent carries that rows_amd64.s is made of, and nobody asked
// for plain Go.
var accelerated = os.Getenv("GOSWAN_NOASM") != "1" && cpu.X86.HasADX && cpu.X86.HasBMI2

// addRows is rowsGeneric for n limbs, a multiple of four.
//
//go:noescape
func addRows(t, x, y, m *uint64, inv uint64, n int) (carry uint64)

func (m *Modulus) rows(t, x, y []uint64) (carry uint64) {
	n := len(m.m)
	if !accelerated || n%4 != 0 {
		return m.rowsGeneric(t, x, y)
	}
	_, _, _ = t[2*n-1], x[n-1], y[n-1]
	return addRows(&t[0], &x[0], &y[0], &m.m[0], m.inv, n)
}
