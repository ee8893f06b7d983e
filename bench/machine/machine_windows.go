package machine

import (
	"fmt"

	"github.com/goswan/goswan/bench/report"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// describe reads the registry.
func describe(m *report.Machine) {
	v := windows.RtlGetVersion()
	m.Kernel = fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber)
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, `HARDWARE\DESCRIPTION\System\CentralProcessor\0`, registry.QUERY_VALUE)
	if err != nil {
		return
	}
	defer key.Close()
	m.CPU, _, _ = key.GetStringValue("ProcessorNameString")
	mhz, _, _ := key.GetIntegerValue("~MHz")
	m.MHz = float64(mhz)
}
