//go:build linux

package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// Namespace is a network namespace with what tests do in it.
type Namespace struct {
	netns.Namespace
}

// newNamespace makes a namespace that forwards, does not filter by reverse path, and has its loopback up.
func newNamespace(t testing.TB, name string) *Namespace {
	t.Helper()
	ns := &Namespace{netns.Namespace{Name: name}}
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

// IP runs `ip` commands in the namespace, in one batch.
func (ns *Namespace) IP(t testing.TB, commands ...string) {
	t.Helper()
	ip := exec.Command("ip", "-n", ns.Name, "-batch", "-")
	ip.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := ip.CombinedOutput(); err != nil {
		t.Fatalf("ip -n %s -batch: %v\n%s\n%s", ns.Name, err, strings.Join(commands, "\n"), out)
	}
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

// removeOnSignal removes what this process made when it is told to end, then ends it.
func removeOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		netns.RemoveOwn()
		os.Exit(1)
	}()
}
