//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// Daemon is which IKE daemon runs on a host.
type Daemon string

// The daemons of the lab. StrongSwan is Debian's charon-systemd with its userspace data path, kernel-libipsec.
const (
	Goswan     Daemon = "goswan"
	StrongSwan Daemon = "strongswan"
)

// Pair is who runs at the two ends.
type Pair struct {
	Left, Right Daemon
}

// String is "left-right", the form of GOSWAN_LAB_PAIRS.
func (p Pair) String() string { return string(p.Left) + "-" + string(p.Right) }

const (
	goswanPackage = "github.com/goswan/goswan/cmd/goswan"
	goswanTUN     = "ipsec0"
)

// argv is the command line of the daemon on that host.
func (d Daemon) argv(h *Host) []string {
	if d == StrongSwan {
		return []string{programs.charon}
	}
	return []string{programs.goswan, "run",
		"--swanctl-dir", h.SwanctlDir(), "--vici", h.VICI(), "--tun", goswanTUN, "--keylog", h.KeyLogDir(),
		"--leases", h.LeasesFile()}
}

// programs are the binaries that the lab runs, made once for the test process by prepare.
var programs struct {
	dir                     string
	charon, swanctl, goswan string
}

// prepare makes the directory of the programs and copies strongSwan's into it.
func prepare() (err error) {
	programs.dir = filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-bin", netns.DirPrefix, os.Getpid()))
	// Unprivileged users run the programs in it, too.
	if err := os.Mkdir(programs.dir, 0o711); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	programs.charon, programs.swanctl, err = netns.CopyStrongSwan(programs.dir)
	return err
}

// buildGoswan builds the binary as `make build` does, once for the test process; with GOSWAN_LAB_RACE set, with the race
// detector.
var buildGoswan = sync.OnceValue(func() error {
	programs.goswan = filepath.Join(programs.dir, "goswan")
	flags, cgo := []string{"build", "-trimpath", "-o", programs.goswan}, "CGO_ENABLED=0"
	if os.Getenv("GOSWAN_LAB_RACE") != "" {
		flags, cgo = append(flags, "-race"), "CGO_ENABLED=1"
	}
	build := exec.Command("go", append(flags, goswanPackage)...)
	build.Env = append(os.Environ(), cgo)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: %s: %w\n%s", strings.Join(build.Args, " "), err, out)
	}
	return nil
})

// removePrograms removes what prepare and buildGoswan made.
func removePrograms() {
	_ = os.RemoveAll(programs.dir)
}
