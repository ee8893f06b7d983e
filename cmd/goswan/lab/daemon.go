//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
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

// charonSystemd and swanctl are where Debian puts them.
const (
	charonSystemd  = "/usr/sbin/charon-systemd"
	debianSwanctl  = "/usr/sbin/swanctl"
	goswanPackage  = "github.com/goswan/goswan/cmd/goswan"
	goswanTUN      = "ipsec0"
	goswanBuildDir = "bin"
)

// argv is the command line of the daemon on that host.
func (d Daemon) argv(h *Host) []string {
	if d == StrongSwan {
		return []string{programs.charon}
	}
	return []string{programs.goswan, "run",
		"--swanctl-dir", h.SwanctlDir(), "--vici", h.VICI(), "--tun", goswanTUN, "--keylog", h.KeyLogDir()}
}

// programs are the binaries that the lab runs, made once for the test process by prepare.
var programs struct {
	once                    sync.Once
	err                     error
	dir                     string
	charon, swanctl, goswan string
}

// prepare copies strongSwan's programs and builds goswan. The copies are there because an AppArmor profile goes with the
// path of a program, and Debian's confine charon and swanctl to /etc and /run.
func prepare() error {
	programs.once.Do(func() {
		programs.dir = filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-%s", runDirPrefix, os.Getpid(), goswanBuildDir))
		programs.err = os.Mkdir(programs.dir, 0o700)
		for _, program := range []struct {
			from string
			to   *string
		}{{charonSystemd, &programs.charon}, {debianSwanctl, &programs.swanctl}} {
			*program.to = filepath.Join(programs.dir, filepath.Base(program.from))
			if programs.err == nil {
				programs.err = copyProgram(program.from, *program.to)
			}
		}
	})
	return programs.err
}

// copyProgram copies an executable file.
func copyProgram(from, to string) error {
	octets, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return os.WriteFile(to, octets, 0o700)
}

var goswanBuild sync.Once

// buildGoswan builds the binary once for the test process, as `make build` does.
func buildGoswan(t testing.TB) {
	t.Helper()
	goswanBuild.Do(func() {
		binary := filepath.Join(programs.dir, "goswan")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, goswanPackage)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(build.Args, " "), err, out)
		}
		programs.goswan = binary
	})
	if programs.goswan == "" {
		t.Fatal("goswan did not build")
	}
}

// removePrograms removes what prepare and buildGoswan made.
func removePrograms() {
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir)
	}
}
