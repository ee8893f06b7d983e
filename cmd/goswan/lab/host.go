//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Host is a gateway: a namespace with a daemon in it.
type Host struct {
	*Namespace
	Daemon Daemon
	// Dir has swanctl/ (a copy of the scenario's files), strongswan.conf, vici (the socket), keylog/ and log.
	Dir string

	process *os.Process
	exited  chan struct{} // closed when process has ended
	before  string        // what was on the host before the daemon first started
}

// newHost turns the bare gateway of newNet into one with a directory and a daemon, not yet started.
func (n *Net) newHost(t testing.TB, role string, daemon Daemon, scenario string) *Host {
	t.Helper()
	h := n.Left
	if role == "right" {
		h = n.Right
	}
	h.Daemon, h.Dir = daemon, filepath.Join(n.dir, role)
	for _, dir := range []string{h.SwanctlDir(), h.KeyLogDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.Configure(t, filepath.Join(scenario, role))
	h.before = h.state(t)
	t.Cleanup(func() {
		h.Stop(t)
		h.checkEnd(t)
		if t.Failed() {
			t.Logf("last lines of %s (%s):\n%s", role, daemon, tail(h.Log(t), 60))
		}
	})
	return h
}

// state is what a daemon may put on a host: rules, routes, interfaces and addresses. Link-local addresses come and go by
// themselves.
func (h *Host) state(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, args := range []string{
		"-4 rule", "-6 rule", "-4 route show table all", "-6 route show table all", "-br address",
	} {
		out, err := exec.Command("ip", append([]string{"-n", h.Name}, strings.Fields(args)...)...).CombinedOutput()
		if err != nil {
			t.Errorf("ip %s: %v\n%s", args, err, out)
		}
		all.Write(out)
	}
	return volatile.ReplaceAllString(all.String(), "")
}

// volatile are the parts of state that nobody puts there: the kernel's own of IPv6, which come a while after an address, and
// whether a link is up yet.
var volatile = regexp.MustCompile(`(?m)^.*(fe80::|ff00::).*dev .*\n| fe80::[0-9a-f:]+/64|^anycast .*\n|^local [0-9a-f]+:[0-9a-f:]+ dev .*\n| linkdown`)

// crashed is what the Go runtime prints and goswan itself never does.
var crashed = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*|WARNING: DATA RACE)(\n.*){0,40}`)

// checkEnd asserts that goswan has taken back all that it put on the host, and that it has not crashed.
func (h *Host) checkEnd(t testing.TB) {
	t.Helper()
	if h.Daemon != Goswan {
		return
	}
	if after := h.state(t); after != h.before {
		t.Errorf("%s: goswan has ended, but the host is not as it was. Before:\n%s\nafter:\n%s", h.Name, h.before, after)
	}
	if crash := crashed.FindString(h.Log(t)); crash != "" {
		t.Errorf("%s: goswan has crashed:\n%s", h.Name, crash)
	}
}

// SwanctlDir is the directory of swanctl.conf.
func (h *Host) SwanctlDir() string { return filepath.Join(h.Dir, "swanctl") }

// KeyLogDir is where a daemon that can writes its keys.
func (h *Host) KeyLogDir() string { return filepath.Join(h.Dir, "keylog") }

// VICI is the URI of the control socket.
func (h *Host) VICI() string { return "unix://" + filepath.Join(h.Dir, "vici") }

// LeasesFile is where goswan keeps the leases of address pools.
func (h *Host) LeasesFile() string { return filepath.Join(h.Dir, "leases.db") }

// ResolvConf is the host's own resolv.conf.
func (h *Host) ResolvConf() string { return filepath.Join(h.Dir, "resolv.conf") }

func (h *Host) logFile() string      { return filepath.Join(h.Dir, "log") }
func (h *Host) settingsFile() string { return filepath.Join(h.Dir, "strongswan.conf") }

// testdata is the absolute path of a file of testdata/lab, as seen from this package's directory, where `go test` runs.
func testdata(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"../../../testdata/lab"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Configure copies the files of testdata/lab/dir over the host's configuration. A running daemon sees it at the next
// LoadAll.
func (h *Host) Configure(t testing.TB, dir string) {
	t.Helper()
	files, err := filepath.Glob(testdata(t, dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no configuration in testdata/lab/%s: %v", dir, err)
	}
	var own string
	for _, file := range files {
		if filepath.Base(file) == "strongswan.conf" {
			own = "include " + file + "\n"
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h.WriteConfig(t, filepath.Base(file), string(text))
	}
	settings := fmt.Sprintf(`include %s
%scharon {
	filelog {
		stderr {
			time_format = %%H:%%M:%%S
			ike_name = yes
			default = 1
		}
	}
	plugins {
		vici {
			socket = %s
		}
		resolve {
			file = %s
		}
	}
}
`, testdata(t, "strongswan.conf"), own, h.VICI(), h.ResolvConf())
	if err := os.WriteFile(h.settingsFile(), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
}

// WriteConfig writes one file of the host's swanctl directory.
func (h *Host) WriteConfig(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.SwanctlDir(), name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// AddSettings adds to the host's strongswan.conf. A daemon reads it when it starts.
func (h *Host) AddSettings(t testing.TB, text string) {
	t.Helper()
	f, err := os.OpenFile(h.settingsFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Start starts the daemon and waits until it answers on its control socket and has loaded its configuration.
func (h *Host) Start(t testing.TB) {
	t.Helper()
	if h.Daemon == Goswan {
		if err := buildGoswan(); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.OpenFile(h.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	argv := h.Daemon.argv(h)
	cmd := exec.Command("ip", append([]string{"netns", "exec", h.Name}, argv...)...)
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+h.settingsFile(), "SWANCTL_DIR="+h.SwanctlDir())
	cmd.Stdout, cmd.Stderr = log, log
	// A signal for the test's terminal is not one for the daemon: the test stops it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %s: %v", h.Name, strings.Join(argv, " "), err)
	}
	h.process, h.exited = cmd.Process, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(h.exited)
	h.waitReady(t)
	if h.Daemon == StrongSwan {
		h.LoadAll(t) // charon has no configuration of its own at start
	}
}

// waitReady waits until the control socket answers; a daemon that ends instead is a failure at once.
func (h *Host) waitReady(t testing.TB) {
	t.Helper()
	waitFor(t, h.Name+" answers on its vici socket", func() (bool, string) {
		select {
		case <-h.exited:
			t.Fatalf("%s: %s ended at start:\n%s", h.Name, h.Daemon, tail(h.Log(t), 20))
		default:
		}
		out, err := h.Swanctl("--stats")
		return err == nil, out
	})
}

// Stop ends the daemon with SIGTERM, so that it takes leave of its peers; after patience with SIGKILL, which is a failure.
func (h *Host) Stop(t testing.TB) {
	t.Helper()
	if h.process == nil {
		return
	}
	_ = h.process.Signal(syscall.SIGTERM)
	select {
	case <-h.exited:
	case <-time.After(patience):
		t.Errorf("%s: %s did not end within %v of SIGTERM", h.Name, h.Daemon, patience)
		_ = h.process.Kill()
		<-h.exited
	}
	h.process = nil
}

// Restart stops the daemon and starts it again.
func (h *Host) Restart(t testing.TB) {
	t.Helper()
	h.Stop(t)
	h.Start(t)
}

// Kill ends the daemon with SIGKILL: the peer hears nothing of it.
func (h *Host) Kill(t testing.TB) {
	t.Helper()
	_ = h.process.Kill()
	<-h.exited
	h.process = nil
	if err := os.Remove(filepath.Join(h.Dir, "vici")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// Log is what the daemon has logged so far, over all its starts.
func (h *Host) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(h.logFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// WaitLogFrom waits until the daemon has logged what the expression matches, after the first octets of its log.
func (h *Host) WaitLogFrom(t testing.TB, from int, expression string) {
	t.Helper()
	re := regexp.MustCompile(expression)
	waitFor(t, fmt.Sprintf("%s (%s) logs %q", h.Name, h.Daemon, expression), func() (bool, string) {
		return re.MatchString(h.Log(t)[from:]), ""
	})
}

// tail is the last n lines.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
