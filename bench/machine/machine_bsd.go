//go:build darwin || freebsd

package machine

import (
	"runtime"

	"github.com/goswan/goswan/bench/report"
	"golang.org/x/sys/unix"
)

// describe asks sysctl.
func describe(m *report.Machine) {
	model := "hw.model"
	if runtime.GOOS == "darwin" {
		model = "machdep.cpu.brand_string"
	}
	m.CPU, _ = unix.Sysctl(model)
	m.Kernel, _ = unix.Sysctl("kern.osrelease")
	if hz, err := unix.SysctlUint64("hw.cpufrequency"); err == nil { // of Macs with Intel's processors
		m.MHz = float64(hz) / 1e6
	}
}
