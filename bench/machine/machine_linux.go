package machine

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/bench/report"
	"golang.org/x/sys/unix"
)

// describe reads /proc and /sys.
func describe(m *report.Machine) {
	text, _ := os.ReadFile("/proc/cpuinfo")
	info := parseCPUInfo(string(text))
	m.CPU = info.model
	if len(info.flags) > 0 {
		m.Flags = pick(func(name string) bool { return slices.Contains(info.flags, name) })
	}
	const frequency = "/sys/devices/system/cpu/cpu0/cpufreq/"
	m.Governor = line(frequency + "scaling_governor")
	if kHz, err := strconv.ParseFloat(line(frequency+"base_frequency"), 64); err == nil {
		m.MHz = kHz / 1000
	} else if m.MHz = nominal(m.CPU); m.MHz == 0 {
		m.MHz = info.mhz
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
}

// line is the one line of a file, "" if there is none.
func line(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// cpuInfo is what /proc/cpuinfo tells of the first processor.
type cpuInfo struct {
	model string
	flags []string
	mhz   float64 // now, unless it is a virtual machine's, where it is that of the time stamp counter
}

// parseCPUInfo reads the names of x86 ("model name", "flags") and of ARM ("Features").
func parseCPUInfo(text string) (info cpuInfo) {
	first, _, _ := strings.Cut(text, "\n\n")
	for l := range strings.Lines(first) {
		name, value, _ := strings.Cut(l, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "model name":
			info.model = value
		case "flags", "Features":
			info.flags = strings.Fields(value)
		case "cpu MHz":
			info.mhz, _ = strconv.ParseFloat(value, 64) // 0 when it is none
		}
	}
	return info
}
