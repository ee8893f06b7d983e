//go:build !amd64

package packet

// chosen is plain Go where there is no assembly.
const chosen = plain

func runs(assembly) bool { return false }

func sumVector(assembly, []byte, uint64) uint64 { panic("packet: no assembly for this processor") }
