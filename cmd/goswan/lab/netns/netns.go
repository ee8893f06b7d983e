//go:build linux

// Package netns makes use of network namespaces: what the lab and the benchmark of tunnels share, without what only tests need.
//
// Namespaces are called gs-PID-N-ROLE after the process that made them, so that what an interrupted run leaves is known.
package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace made by `ip netns add`.
type Namespace struct {
	Name string
}

// handles is where iproute2 keeps the handles of named namespaces.
const handles = "/run/netns"

// NamePattern is the name of every namespace; the first group is the process that made it.
var NamePattern = regexp.MustCompile(`^gs-([0-9]+)-[0-9]+-[a-z]+$`)

// DirPrefix begins the name of a directory with the files of a run, in the directory for temporary files; the pid follows.
const DirPrefix = "goswan-lab-"

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
			fd, err := unix.Open(filepath.Join(handles, ns.Name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("netns: namespace %s: %w", ns.Name, err)
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("netns: enter namespace %s: %w", ns.Name, err)
			}
			return f()
		}()
	}()
	return <-done
}

// RemoveLeftovers removes the namespaces and directories of runs whose process is gone.
func RemoveLeftovers() {
	removeRuns(func(pid string) bool { return !alive(pid) })
}

// RemoveOwn removes the namespaces and directories of this process.
func RemoveOwn() {
	removeRuns(func(pid string) bool { return pid == strconv.Itoa(os.Getpid()) })
}

// removeRuns removes the namespaces and directories of processes for which gone is true.
func removeRuns(gone func(pid string) bool) {
	entries, _ := os.ReadDir(handles)
	for _, entry := range entries {
		if m := NamePattern.FindStringSubmatch(entry.Name()); m != nil && gone(m[1]) {
			(&Namespace{Name: entry.Name()}).Remove()
		}
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), DirPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), DirPrefix), "-")
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
