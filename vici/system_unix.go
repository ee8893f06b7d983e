//go:build unix

package vici

import (
	"runtime"

	"golang.org/x/sys/unix"
)

func hostSystem() system {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return system{runtime.GOOS, "", runtime.GOARCH}
	}
	return system{unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])}
}
