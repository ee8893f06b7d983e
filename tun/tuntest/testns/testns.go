//go:build linux

// Package testns gives tests network namespaces of their own, so that they may change routes and devices as they like.
// A namespace has no name and ends with its test.
package testns

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/tuntest/need"
)

// Namespace is a network namespace with its loopback up. What Do runs is inside; sockets, netlink handles and processes
// made there stay inside.
type Namespace struct {
	work chan func()
	fd   int
}

// New makes a namespace. Without root the test is skipped, or fails (package need).
func New(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		need.Lacking(t, "a network namespace needs root")
	}
	n := &Namespace{work: make(chan func())}
	ready := make(chan error)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		// Never unlocked: the thread ends with the goroutine, and the namespace with both.
		runtime.LockOSThread()
		err := n.enter()
		ready <- err
		if err != nil {
			return
		}
		for f := range n.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		need.Lacking(t, "no network namespace to be had: "+err.Error())
	}
	t.Cleanup(func() {
		close(n.work)
		<-gone
		_ = unix.Close(n.fd)
	})
	n.Do(t, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return n
}

func (n *Namespace) enter() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	n.fd = fd
	return err
}

// Do runs f inside and ends the test when it fails.
func (n *Namespace) Do(t testing.TB, f func() error) {
	t.Helper()
	done := make(chan error)
	n.work <- func() { done <- f() }
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// AddAddress puts an address on a link.
func (n *Namespace) AddAddress(t testing.TB, link, prefix string) {
	t.Helper()
	n.Do(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		return netlink.AddrAdd(l, a)
	})
}

// SetUp brings a link up, or down.
func (n *Namespace) SetUp(t testing.TB, link string, up bool) {
	t.Helper()
	n.Do(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		if !up {
			return netlink.LinkSetDown(l)
		}
		return netlink.LinkSetUp(l)
	})
}

// AwaitAddresses waits until the kernel has made all of a link's addresses usable, which it does in its own time.
func (n *Namespace) AwaitAddresses(t testing.TB, link string) {
	t.Helper()
	n.Do(t, func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		for range 5000 {
			if ready, err := usable(l); ready || err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
		}
		return fmt.Errorf("the addresses of %s stay tentative", link)
	})
}

// usable says that all addresses of a link but its link-local one are past duplicate detection and in the table of local addresses.
func usable(l netlink.Link) (bool, error) {
	addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return false, err
	}
	local, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return false, err
	}
	for _, a := range addrs {
		if a.IP.IsLinkLocalUnicast() {
			continue // takes a second or two, and no test needs it
		}
		inTable := slices.ContainsFunc(local, func(r netlink.Route) bool { return r.Dst != nil && r.Dst.IP.Equal(a.IP) })
		if a.Flags&unix.IFA_F_TENTATIVE != 0 || !inTable {
			return false, nil
		}
	}
	return true, nil
}

// AddRoute adds a route by a gateway to the main table.
func (n *Namespace) AddRoute(t testing.TB, prefix, gateway string) {
	t.Helper()
	n.Do(t, func() error {
		dst, err := netlink.ParseIPNet(prefix)
		if err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(gateway)})
	})
}

// Sysctl writes /proc/sys/<name> as this namespace has it.
func (n *Namespace) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	n.Do(t, func() error { return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0) })
}

// Veth joins two namespaces by a pair of links, one in each, which are up.
func Veth(t testing.TB, a *Namespace, linkA string, b *Namespace, linkB string) {
	t.Helper()
	a.Do(t, func() error {
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: linkA}, PeerName: linkB, PeerNamespace: netlink.NsFd(b.fd),
		})
		if err != nil {
			return fmt.Errorf("veth: %w", err)
		}
		return nil
	})
	a.SetUp(t, linkA, true)
	b.SetUp(t, linkB, true)
}
