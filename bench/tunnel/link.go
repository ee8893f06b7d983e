//go:build linux

package tunnel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// The addresses. The inner ones are single: what goes from one to the other came through the tunnel.
const (
	leftOuter, rightOuter = "192.0.2.1", "192.0.2.2"
	leftInner, rightInner = "10.1.0.1", "10.2.0.1"
	outerDevice           = "wan"
)

// link is two namespaces on one veth pair of MTU 1500.
type link struct {
	left, right *netns.Namespace
}

// newLink makes the namespaces with the given prefix of their names, and what was made so far even with an error.
func newLink(ctx context.Context, prefix string) (*link, error) {
	l := &link{left: &netns.Namespace{Name: prefix + "-left"}, right: &netns.Namespace{Name: prefix + "-right"}}
	commands := []string{
		"netns add " + l.left.Name,
		"netns add " + l.right.Name,
		fmt.Sprintf("link add %s mtu 1500 netns %s type veth peer name %s mtu 1500 netns %s",
			outerDevice, l.left.Name, outerDevice, l.right.Name),
	}
	for _, end := range []struct{ name, outer, inner string }{
		{l.left.Name, leftOuter, leftInner}, {l.right.Name, rightOuter, rightInner},
	} {
		commands = append(commands,
			"-n "+end.name+" link set dev lo up",
			"-n "+end.name+" addr add "+end.inner+"/32 dev lo",
			"-n "+end.name+" addr add "+end.outer+"/24 dev "+outerDevice,
			"-n "+end.name+" link set dev "+outerDevice+" up",
		)
	}
	for _, command := range commands {
		if err := ip(ctx, command); err != nil {
			return l, err
		}
	}
	return l, nil
}

// remove removes both namespaces and what still runs in them.
func (l *link) remove() {
	l.left.Remove()
	l.right.Remove()
}

// withoutUSO lets the link pass no UDP super-packets, in either direction: the kernel cuts each into datagrams before
// the wire, and every datagram arrives alone.
func (l *link) withoutUSO(ctx context.Context) error {
	var failed []error
	for _, ns := range []*netns.Namespace{l.left, l.right} {
		failed = append(failed, said(ns.Command(ctx, "ethtool", "-K", outerDevice, "tx-udp-segmentation", "off", "gro", "off")))
	}
	return errors.Join(failed...)
}

// ip runs one command of iproute2.
func ip(ctx context.Context, command string) error {
	return said(exec.CommandContext(ctx, "ip", strings.Fields(command)...))
}

// said runs a command and puts what it printed into its error.
func said(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
