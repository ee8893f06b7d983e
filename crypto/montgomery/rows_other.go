//go:build !amd64

package montgomery

// accelerated is false where there is no assembly.
const accelerated = false

func (m *Modulus) rows(t, x, y []uint64) (carry uint64) { return m.rowsGeneric(t, x, y) }
