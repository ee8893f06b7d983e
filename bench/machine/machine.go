// Package machine describes the machine that a benchmark runs on.
package machine

import (
	"os"
	"regexp"
	"runtime"
	"strconv"

	"github.com/goswan/goswan/bench/report"
	"golang.org/x/sys/cpu"
)

// Describe asks the processor and the system. What they do not tell stays empty.
func Describe() report.Machine {
	m := report.Machine{
		LogicalCPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
		NoASM: os.Getenv("GOSWAN_NOASM") == "1", Flags: flags(),
	}
	describe(&m)
	if m.MHz == 0 {
		m.MHz = nominal(m.CPU)
	}
	return m
}

// wanted are the features of processors that goswan or Go's library has code for, as Linux names them.
var wanted = []string{
	"aes", "pclmulqdq", "vaes", "vpclmulqdq", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512ifma", "sha_ni", "bmi2", "adx",
	"pmull", "sha1", "sha2", "sha512", "sve",
}

// flags are those of the wanted features that Go knows of the processor. It knows nothing of sha_ni.
func flags() (names []string) {
	has := map[string]bool{
		"aes": cpu.X86.HasAES || cpu.ARM64.HasAES, "pclmulqdq": cpu.X86.HasPCLMULQDQ, "pmull": cpu.ARM64.HasPMULL,
		"vaes": cpu.X86.HasAVX512VAES, "vpclmulqdq": cpu.X86.HasAVX512VPCLMULQDQ, "avx2": cpu.X86.HasAVX2,
		"avx512f": cpu.X86.HasAVX512F, "avx512bw": cpu.X86.HasAVX512BW, "avx512vl": cpu.X86.HasAVX512VL, "avx512ifma": cpu.X86.HasAVX512IFMA,
		"bmi2": cpu.X86.HasBMI2, "adx": cpu.X86.HasADX,
		"sha1": cpu.ARM64.HasSHA1, "sha2": cpu.ARM64.HasSHA2, "sha512": cpu.ARM64.HasSHA512, "sve": cpu.ARM64.HasSVE,
	}
	return pick(func(name string) bool { return has[name] })
}

func pick(has func(string) bool) (names []string) {
	for _, name := range wanted {
		if has(name) {
			names = append(names, name)
		}
	}
	return names
}

// inName is the frequency that some processors have in their names: "@ 2.40GHz".
var inName = regexp.MustCompile(`@ ([0-9]+\.[0-9]+)GHz`)

// nominal is the MHz that a processor's name tells, or 0.
func nominal(name string) float64 {
	if m := inName.FindStringSubmatch(name); m != nil {
		ghz, _ := strconv.ParseFloat(m[1], 64) // digits around a point
		return ghz * 1000
	}
	return 0
}
