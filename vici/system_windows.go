package vici

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/windows"
)

func hostSystem() system {
	v := windows.RtlGetVersion()
	return system{"Windows", fmt.Sprintf("%d.%d.%d", v.MajorVersion, v.MinorVersion, v.BuildNumber), runtime.GOARCH}
}
