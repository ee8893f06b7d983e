//go:build !amd64

package packet

// accelerated is false where there is no assembly.
const accelerated = false

func sumVector([]byte) uint64 { panic("packet: no assembly for this processor") }
