package packet

import (
	"math/bits"
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// chosen is the widest assembly that runs here, unless somebody asked for plain Go.
var chosen = choose(os.Getenv("GOSWAN_NOASM") == "1", runs)

func choose(no bool, runs func(assembly) bool) assembly {
	switch {
	case no:
		return plain
	case runs(avx512):
		return avx512
	case runs(avx2):
		return avx2
	}
	return plain
}

// runs tells whether the processor has what an assembly is made of, and the operating system keeps its registers, which
// cpu.X86.HasAVX2 and HasAVX512 include.
func runs(a assembly) bool {
	switch a {
	case avx512:
		return cpu.X86.HasBMI2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
	case avx2:
		return cpu.X86.HasAVX2
	}
	return false
}

// sum512 is the plain sum of n octets as little-endian words of 32 bits; no sum of less than 2³⁴ octets overflows.
//
//go:noescape
func sum512(p *byte, n int) uint64

// sum256 is the same of n octets, a multiple of 32.
//
//go:noescape
func sum256(p *byte, n int) uint64

// sumVector is sum by the wide registers, for any length.
func sumVector(a assembly, b []byte, acc uint64) uint64 {
	if a == avx2 {
		whole := len(b) &^ 31
		acc, c := bits.Add64(acc, sum256(unsafe.SliceData(b), whole), 0)
		return sumGeneric(b[whole:], acc+c)
	}
	acc, c := bits.Add64(acc, sum512(unsafe.SliceData(b), len(b)), 0)
	return acc + c
}
