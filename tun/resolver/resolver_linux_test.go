package resolver

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/goswan/goswan/tun/tuntest/need"
)

// own is what a host's resolv.conf has.
const own = "# by the network manager\nnameserver 192.0.2.53\nsearch home.example\n"

func servers(all ...string) (list []netip.Addr) {
	for _, a := range all {
		list = append(list, netip.MustParseAddr(a))
	}
	return list
}

// noBus is a D-Bus that is not there.
const noBus = "unix:path=/nonexistent/bus"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantFile(t *testing.T, when, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s the file is (%v)\n%s\nwant\n%s", when, err, got, want)
	}
}

// host is a directory with a resolv.conf.
func host(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	c := Config{Device: "ipsec0", File: filepath.Join(dir, "resolv.conf"), StateDir: filepath.Join(dir, "state"), Bus: noBus}
	must(t, os.WriteFile(c.File, []byte(own), 0o644))
	return c
}

const ours = "# goswan ipsec0: name servers of the tunnel\nnameserver 10.1.0.53\n# goswan ipsec0: end\n"

func TestResolvConf(t *testing.T) {
	c := host(t)
	r, err := Open(c)
	must(t, err)
	must(t, r.Set(nil, nil))
	wantFile(t, "before anything is assigned", c.File, own)
	must(t, r.Set(servers("10.1.0.53"), []string{"corp.example"}))
	wantFile(t, "with a name server", c.File, ours+own)
	must(t, r.Set(servers("10.1.0.53", "fd01::53"), nil))
	wantFile(t, "with two", c.File, strings.Replace(ours, "53\n", "53\nnameserver fd01::53\n", 1)+own)
	must(t, r.Set(nil, nil))
	wantFile(t, "without", c.File, own)
	must(t, r.Set(servers("10.1.0.53"), nil))
	// Somebody else changes the file in the meantime.
	must(t, os.WriteFile(c.File, []byte("# new\n"+ours+"nameserver 192.0.2.54\n"), 0o600))
	must(t, os.Chmod(c.File, 0o600))
	must(t, r.Close())
	wantFile(t, "after Close", c.File, "# new\nnameserver 192.0.2.54\n")
	must(t, r.Close())
	if info, err := os.Stat(c.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v (%v), want as it was", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(c.StateDir, "*")); err != nil || len(left) != 0 {
		t.Errorf("after Close the state directory has %v (%v)", left, err)
	}
	if err := r.Set(servers("10.1.0.53"), nil); err == nil {
		t.Error("a closed resolver is set")
	}
}

// TestLinkedResolvConf keeps a link that the host has in the file's place.
func TestLinkedResolvConf(t *testing.T) {
	c := host(t)
	target := c.File + ".real"
	must(t, os.Rename(c.File, target))
	must(t, os.Symlink(target, c.File))
	r, err := Open(c)
	must(t, err)
	must(t, r.Set(servers("10.1.0.53"), nil))
	wantFile(t, "behind the link", target, ours+own)
	must(t, r.Close())
	if info, err := os.Lstat(c.File); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	wantFile(t, "after Close", target, own)
}

// TestWhatAKilledProcessLeft opens a second resolver although the first was never closed.
func TestWhatAKilledProcessLeft(t *testing.T) {
	c := host(t)
	r, err := Open(c)
	must(t, err)
	must(t, r.Set(servers("10.1.0.53"), nil))
	wantFile(t, "of the killed process", c.File, ours+own)
	r, err = Open(c)
	must(t, err)
	wantFile(t, "after the next start", c.File, own)
	must(t, r.Close())
	// A journal that was cut says nothing that was done.
	journals, err := filepath.Glob(filepath.Join(c.StateDir, "*"))
	must(t, err)
	if len(journals) != 0 {
		t.Errorf("after the next start there is a journal still: %v", journals)
	}
	must(t, os.WriteFile(c.journal(), []byte(`{"file": "/etc/pass`), 0o600))
	_, err = Open(c)
	must(t, err)
	wantFile(t, "after a start with half a journal", c.File, own)
}

func TestHostsWithoutResolvConf(t *testing.T) {
	c := host(t)
	must(t, os.Remove(c.File))
	r, err := Open(c)
	must(t, err)
	must(t, r.Set(servers("10.1.0.53"), nil))
	wantFile(t, "where there was none", c.File, ours)
	must(t, r.Close())
	wantFile(t, "after Close", c.File, "")
	must(t, os.WriteFile(c.File, make([]byte, maxFile+1), 0o600))
	r, err = Open(c)
	must(t, err)
	if err := r.Set(servers("10.1.0.53"), nil); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a file that is no resolv.conf gives %v", err)
	}
}

// manager is systemd-resolved as far as we call it.
type manager struct {
	mu     sync.Mutex // guards what follows
	calls  []string
	refuse bool
}

func (m *manager) note(format string, args ...any) *dbus.Error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, fmt.Sprintf(format, args...))
	if m.refuse {
		return dbus.MakeFailedError(fmt.Errorf("not now"))
	}
	return nil
}

// The methods of org.freedesktop.resolve1.Manager.

func (m *manager) SetLinkDNS(link int32, all []linkAddress) *dbus.Error {
	return m.note("DNS %d %v", link, all)
}
func (m *manager) SetLinkDomains(link int32, all []linkDomain) *dbus.Error {
	return m.note("Domains %d %v", link, all)
}
func (m *manager) SetLinkDefaultRoute(link int32, yes bool) *dbus.Error {
	return m.note("DefaultRoute %d %v", link, yes)
}
func (m *manager) RevertLink(link int32) *dbus.Error { return m.note("Revert %d", link) }

// bus starts a D-Bus daemon and the manager on it.
func bus(t *testing.T) (address string, m *manager) {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		need.Lacking(t, "there is no dbus-daemon here to be the bus (Debian package dbus-daemon)")
	}
	dir := t.TempDir()
	address = "unix:path=" + filepath.Join(dir, "bus")
	policy := `<busconfig><listen>` + address + `</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>`
	must(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(policy), 0o600))
	daemon := exec.Command(program, "--nofork", "--print-address", "--config-file", filepath.Join(dir, "conf"))
	out, err := daemon.StdoutPipe()
	must(t, err)
	must(t, daemon.Start())
	t.Cleanup(func() { _ = daemon.Process.Kill(); _ = daemon.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil { // it prints its address when it listens
		t.Fatal(err)
	}
	conn, err := dbus.Connect(address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	m = &manager{}
	must(t, conn.Export(m, resolvedPath, resolvedName+".Manager"))
	_, err = conn.RequestName(resolvedName, dbus.NameFlagDoNotQueue)
	must(t, err)
	return address, m
}

func TestSystemdResolved(t *testing.T) {
	c := host(t)
	var m *manager
	c.Bus, m = bus(t)
	c.Device = "lo" // which every host has, with number 1
	r, err := Open(c)
	must(t, err)
	must(t, r.Set(servers("10.1.0.53", "fd01::53"), []string{"corp.example"}))
	must(t, r.Set(servers("10.1.0.53"), nil))
	must(t, r.Set(nil, nil))
	must(t, r.Close())
	want := `DNS 1 [{2 [10 1 0 53]} {10 [253 1 0 0 0 0 0 0 0 0 0 0 0 0 0 83]}]
Domains 1 [{corp.example false}]
DefaultRoute 1 false
DNS 1 [{2 [10 1 0 53]}]
Domains 1 [{. true}]
DefaultRoute 1 true
Revert 1`
	m.mu.Lock()
	defer m.mu.Unlock()
	if got := strings.Join(m.calls, "\n"); got != want {
		t.Errorf("systemd-resolved is told\n%s\nwant\n%s", got, want)
	}
	wantFile(t, "with systemd-resolved", c.File, own)
}

func TestSystemdResolvedRefuses(t *testing.T) {
	c := host(t)
	var m *manager
	c.Bus, m = bus(t)
	m.mu.Lock()
	m.refuse = true
	m.mu.Unlock()
	c.Device = "lo"
	r, err := Open(c)
	must(t, err)
	if err := r.Set(servers("10.1.0.53"), nil); err == nil || !strings.Contains(err.Error(), "SetLinkDNS: not now") {
		t.Errorf("a refusal gives %v", err)
	}
}
