//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace made by `ip netns add`.
type Namespace struct {
	Name string
}

// netnsDir is where iproute2 keeps the handles of named namespaces.
const netnsDir = "/run/netns"

// namespaceName is the name of every namespace of this package; the first group is the process that made it.
var namespaceName = regexp.MustCompile(`^gs-([0-9]+)-[0-9]+-[a-z]+$`)

// newNamespace makes a namespace that forwards, does not filter by reverse path, and has its loopback up.
func newNamespace(t testing.TB, name string) *Namespace {
	t.Helper()
	ns := &Namespace{Name: name}
	mustRun(t, "ip", "netns", "add", name)
	t.Cleanup(ns.Remove)
	ns.IP(t,
		"link set dev lo up",
	)
	ns.mustIn(t, func() error {
		return errors.Join(
			sysctl("net/ipv4/ip_forward", "1"),
			sysctl("net/ipv4/conf/all/rp_filter", "0"),
			sysctl("net/ipv4/conf/default/rp_filter", "0"),
			sysctl("net/ipv6/conf/all/disable_ipv6", "0"),
			sysctl("net/ipv6/conf/default/disable_ipv6", "0"),
			sysctl("net/ipv6/conf/default/accept_dad", "0"),
			sysctl("net/ipv6/conf/all/forwarding", "1"),
		)
	})
	return ns
}

// sysctl writes one setting of the calling thread's namespace.
func sysctl(key, value string) error {
	return os.WriteFile("/proc/sys/"+key, []byte(value), 0o644)
}

// Remove kills what still runs in the namespace, then removes it.
func (ns *Namespace) Remove() {
	out, _ := exec.Command("ip", "netns", "pids", ns.Name).Output()
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil && pid != os.Getpid() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = exec.Command("ip", "netns", "del", ns.Name).Run()
}

// IP runs `ip` commands in the namespace, in one batch.
func (ns *Namespace) IP(t testing.TB, commands ...string) {
	t.Helper()
	ip := exec.Command("ip", "-n", ns.Name, "-batch", "-")
	ip.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := ip.CombinedOutput(); err != nil {
		t.Fatalf("ip -n %s -batch: %v\n%s\n%s", ns.Name, err, strings.Join(commands, "\n"), out)
	}
}

// Command is a command that will run in the namespace. It is killed when ctx ends.
func (ns *Namespace) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", ns.Name, name}, args...)...)
}

// In calls f on a thread that is in the namespace. Sockets that f makes stay there. The thread ends with f, because it
// is never unlocked; f must not leave the work to another goroutine.
func (ns *Namespace) In(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			fd, err := unix.Open(filepath.Join(netnsDir, ns.Name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("lab: namespace %s: %w", ns.Name, err)
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("lab: enter namespace %s: %w", ns.Name, err)
			}
			return f()
		}()
	}()
	return <-done
}

// mustIn is In for what cannot fail in a working lab.
func (ns *Namespace) mustIn(t testing.TB, f func() error) {
	t.Helper()
	if err := ns.In(f); err != nil {
		t.Fatal(err)
	}
}

// mustRun runs a command of the host.
func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// RemoveLeftovers removes the namespaces and directories of runs whose process is gone.
func RemoveLeftovers() {
	removeRuns(func(pid string) bool { return !alive(pid) })
}

// removeOnSignal removes what this process made when it is told to end, then ends it.
func removeOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		removeRuns(func(pid string) bool { return pid == strconv.Itoa(os.Getpid()) })
		os.Exit(1)
	}()
}

// removeRuns removes the namespaces and directories of processes for which gone is true.
func removeRuns(gone func(pid string) bool) {
	entries, _ := os.ReadDir(netnsDir)
	for _, entry := range entries {
		if m := namespaceName.FindStringSubmatch(entry.Name()); m != nil && gone(m[1]) {
			(&Namespace{Name: entry.Name()}).Remove()
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), runDirPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), runDirPrefix), "-")
		if _, err := strconv.Atoi(pid); err == nil && gone(pid) {
			_ = os.RemoveAll(dir)
		}
	}
}

// alive tells whether there is a process of that number.
func alive(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && !errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}
