//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Swanctl runs Debian's swanctl against the host's daemon and returns all it printed.
func (h *Host) Swanctl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := h.swanctl(ctx, args...).CombinedOutput()
	return string(out), err
}

// swanctl is the command, not yet started.
func (h *Host) swanctl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, programs.swanctl, append(args, "--uri", h.VICI())...)
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+h.settingsFile(), "SWANCTL_DIR="+h.SwanctlDir())
	return cmd
}

// mustSwanctl is Swanctl for what has to succeed.
func (h *Host) mustSwanctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := h.Swanctl(args...)
	if err != nil {
		t.Fatalf("%s (%s): swanctl %s: %v\n%s", h.Name, h.Daemon, strings.Join(args, " "), err, out)
	}
	return out
}

// LoadAll loads the configuration anew.
func (h *Host) LoadAll(t testing.TB) {
	t.Helper()
	h.mustSwanctl(t, "--load-all", "--noprompt")
}

// Initiate brings Child SAs up, by their configured names.
func (h *Host) Initiate(t testing.TB, children ...string) {
	t.Helper()
	for _, child := range children {
		h.mustSwanctl(t, "--initiate", "--child", child)
	}
}

// InitiateFails tries to bring a Child SA up, which must not succeed, and returns what swanctl printed.
func (h *Host) InitiateFails(t testing.TB, child string) string {
	t.Helper()
	out, err := h.Swanctl("--initiate", "--child", child)
	if err == nil {
		t.Fatalf("%s (%s): Child SA %s came up, although it must not:\n%s", h.Name, h.Daemon, child, out)
	}
	return out
}

// Terminate takes the connection down, with notice to the peer.
func (h *Host) Terminate(t testing.TB, connection string) {
	t.Helper()
	h.mustSwanctl(t, "--terminate", "--ike", connection)
}

// SAs are the IKE SAs of the daemon with their Child SAs.
func (h *Host) SAs(t testing.TB) []IKESA {
	t.Helper()
	out := h.mustSwanctl(t, "--list-sas", "--raw")
	sas, err := parseSAs(out)
	if err != nil {
		t.Fatalf("%s (%s): swanctl --list-sas --raw: %v\n%s", h.Name, h.Daemon, err, out)
	}
	return sas
}

// SA is the daemon's only IKE SA.
func (h *Host) SA(t testing.TB) IKESA {
	t.Helper()
	sas := h.SAs(t)
	if len(sas) != 1 {
		t.Fatalf("%s (%s) has %d IKE SAs, want 1:\n%v", h.Name, h.Daemon, len(sas), sas)
	}
	return sas[0]
}

// Child is the only installed Child SA of that name.
func (h *Host) Child(t testing.TB, name string) ChildSA {
	t.Helper()
	sa := h.SA(t)
	installed := sa.installed(name)
	if len(installed) != 1 {
		t.Fatalf("%s (%s) has %d installed Child SAs %s, want 1:\n%v", h.Name, h.Daemon, len(installed), name, sa)
	}
	return installed[0]
}

// WaitUp waits until both ends have exactly one IKE SA, established, with exactly one Child SA of each name, installed,
// until they are the same SAs, and until no exchange about them is under way. Both ends, because the responder is up
// first. What was rekeyed may still be there to receive what is on its way.
func (n *Net) WaitUp(t testing.TB, children ...string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("both ends have Child SAs %v", children), func() (bool, string) {
		left, right := n.Left.SAs(t), n.Right.SAs(t)
		return sameSAs(left, right, children), fmt.Sprintf("left:  %v\nright: %v", left, right)
	})
}

// settledStates are the states of a Child SA about which no exchange is under way. A peer may refuse to rekey the IKE SA
// with TEMPORARY_FAILURE while there is one. RFC 7296 §2.25.2
var settledStates = []string{"INSTALLED", "REKEYED", "DELETED"}

// sameSAs tells whether two ends agree on one established IKE SA and on one installed Child SA of each name, and on
// nothing else.
func sameSAs(left, right []IKESA, children []string) bool {
	if len(left) != 1 || len(right) != 1 {
		return false
	}
	l, r := left[0], right[0]
	if l.State != "ESTABLISHED" || r.State != "ESTABLISHED" ||
		l.InitiatorSPI != r.InitiatorSPI || l.ResponderSPI != r.ResponderSPI {
		return false
	}
	for _, name := range children {
		lc, rc := l.installed(name), r.installed(name)
		if len(lc) != 1 || len(rc) != 1 || lc[0].SPIIn != rc[0].SPIOut || lc[0].SPIOut != rc[0].SPIIn {
			return false
		}
	}
	for _, child := range slices.Concat(l.Children, r.Children) {
		if !slices.Contains(children, child.Name) || !slices.Contains(settledStates, child.State) {
			return false
		}
	}
	return true
}

// WaitGone waits until neither end has an IKE SA.
func (n *Net) WaitGone(t testing.TB) {
	t.Helper()
	waitFor(t, "neither end has an IKE SA", func() (bool, string) {
		left, right := n.Left.SAs(t), n.Right.SAs(t)
		return len(left) == 0 && len(right) == 0, fmt.Sprintf("left:  %v\nright: %v", left, right)
	})
}
