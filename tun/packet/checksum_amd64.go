package packet

import (
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// accelerated tells whether the processor has what checksum_amd64.s is made of, and the operating system keeps the 512-bit
// registers (which cpu.X86.HasAVX512 includes), and nobody asked for plain Go.
var accelerated = os.Getenv("GOSWAN_NOASM") != "1" &&
	cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL

// sum512 is the plain sum of n octets as little-endian words of 32 bits; no sum of less than 2³⁴ octets overflows.
//
//go:noescape
func sum512(p *byte, n int) uint64

// sumVector is the sum of b, to be added with an end-around carry.
func sumVector(b []byte) uint64 { return sum512(unsafe.SliceData(b), len(b)) }
