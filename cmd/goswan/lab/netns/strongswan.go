//go:build linux

package netns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CharonSystemd and Swanctl are where Debian puts them.
const (
	CharonSystemd = "/usr/sbin/charon-systemd"
	Swanctl       = "/usr/sbin/swanctl"
)

// CopyStrongSwan copies Debian's charon-systemd and swanctl into a directory and returns the paths of the copies. The
// copies are there because an AppArmor profile goes with the path of a program, and Debian's confine charon and swanctl
// to /etc and /run. Where strongSwan is not installed the error is an fs.ErrNotExist.
func CopyStrongSwan(dir string) (charon, swanctl string, err error) {
	charon, swanctl = filepath.Join(dir, "charon-systemd"), filepath.Join(dir, "swanctl")
	return charon, swanctl, errors.Join(copyProgram(CharonSystemd, charon), copyProgram(Swanctl, swanctl))
}

// copyProgram copies an executable file.
func copyProgram(from, to string) error {
	octets, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("netns: %w", err)
	}
	return os.WriteFile(to, octets, 0o700)
}
