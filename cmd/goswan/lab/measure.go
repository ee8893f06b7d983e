//go:build linux

package lab

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Load is what a daemon uses.
type Load struct {
	RSS        int // octets of memory
	Heap       int // octets of Go's heap, of which some may be garbage
	Live       int // octets that the last garbage collection left
	Goroutines int
	Files      int // open file descriptors
}

// String is a line for the log.
func (l Load) String() string {
	return fmt.Sprintf("RSS %.2f MB, heap %.2f MB, %.2f MB of it live, %d goroutines, %d files",
		float64(l.RSS)/1e6, float64(l.Heap)/1e6, float64(l.Live)/1e6, l.Goroutines, l.Files)
}

// stats is what goswan answers to vici's stats. A worker of its is a goroutine.
func (h *Host) stats(t testing.TB) *section {
	t.Helper()
	out := h.mustSwanctl(t, "--stats", "--raw")
	text, found := strings.CutPrefix(strings.TrimSpace(out), "stats reply ")
	s, err := parseRaw(strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}"))
	if !found || err != nil {
		t.Fatalf("%s (%s): swanctl --stats --raw: %v\n%s", h.Name, h.Daemon, err, out)
	}
	return s
}

// Load is what goswan uses now.
func (h *Host) Load(t testing.TB) Load {
	t.Helper()
	s := h.stats(t)
	return Load{
		RSS:        h.rss(t),
		Heap:       number(t, s.sub("mem").get("total")),
		Live:       number(t, s.sub("mem").get("live")),
		Goroutines: number(t, s.sub("workers").get("total")),
		Files:      h.files(t),
	}
}

// rss is the memory of the daemon's process that is in RAM, in octets.
func (h *Host) rss(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(after)
	if !found || len(fields) < 2 || fields[1] != "kB" {
		t.Fatalf("no VmRSS in kB in /proc/%d/status:\n%s", h.process.Pid, text)
	}
	return number(t, fields[0]) << 10
}

// files is how many file descriptors the daemon has open.
func (h *Host) files(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// explained are the reasons for which goswan drops what is none of the tunnel's traffic: a TUN device gets the host's own
// packets too, router solicitations for example, for which there is no policy.
var explained = []string{"no-policy"}

// Drops are the packets that goswan has dropped so far, by reason, without those that are explained. strongSwan counts none.
func (h *Host) Drops(t testing.TB) map[string]int {
	t.Helper()
	if h.Daemon != Goswan {
		return nil
	}
	drops := map[string]int{}
	for _, e := range h.stats(t).sub("drops").entries {
		drops[e.key] = number(t, e.value)
	}
	maps.DeleteFunc(drops, func(reason string, _ int) bool { return slices.Contains(explained, reason) })
	return drops
}

// SocketDrops are the datagrams that the kernel dropped since no socket buffer of the namespace had room, by local port.
func (ns *Namespace) SocketDrops(t testing.TB) map[int]int {
	t.Helper()
	drops := map[int]int{}
	for line := range strings.Lines(ns.procNet(t, "udp") + ns.procNet(t, "udp6")) {
		fields := strings.Fields(line)
		if len(fields) < 13 || fields[0] == "sl" {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			t.Fatalf("no port in /proc/net/udp: %s", line)
		}
		drops[int(port)] += number(t, fields[12])
	}
	return drops
}

// procNet is a file of the namespace's /proc/net.
func (ns *Namespace) procNet(t testing.TB, name string) (text string) {
	t.Helper()
	ns.mustIn(t, func() error {
		octets, err := os.ReadFile("/proc/thread-self/net/" + name)
		text = string(octets)
		return err
	})
	return text
}

// Losses are all the places on the way between the endpoints where packets may have been dropped, with how many so far:
// devices, socket buffers, and goswan by its own reasons. What "left/ipsec0 tx" dropped found the TUN device's queue to goswan
// full.
func (n *Net) Losses(t testing.TB) map[string]int {
	t.Helper()
	losses := map[string]int{}
	for role, ns := range map[string]*Namespace{
		"leftlan": n.LeftLAN.Namespace, "left": n.Left.Namespace, "router": n.Router, "right": n.Right.Namespace, "rightlan": n.RightLAN.Namespace,
	} {
		for _, l := range ns.Links(t) {
			losses[role+"/"+l.Name+" rx"] = int(l.Stats.RX.Dropped)
			losses[role+"/"+l.Name+" tx"] = int(l.Stats.TX.Dropped)
		}
		for port, count := range ns.SocketDrops(t) {
			losses[fmt.Sprintf("%s UDP socket of port %d", role, port)] = count
		}
	}
	for _, h := range []*Host{n.Left, n.Right} {
		for reason, count := range h.Drops(t) {
			losses[fmt.Sprintf("%s goswan: %s", h.Name, reason)] = count
		}
	}
	maps.DeleteFunc(losses, func(_ string, count int) bool { return count == 0 })
	return losses
}

// TCP is what the namespace's TCP has counted: segments sent again, and those of them that the receiver says it had already,
// so that they were late or out of order but not lost (D-SACK, RFC 2883).
func (ns *Namespace) TCP(t testing.TB) (again, needless int) {
	t.Helper()
	return ns.counter(t, "snmp", "Tcp:", "RetransSegs"), ns.counter(t, "netstat", "TcpExt:", "TCPDSACKRecvSegs")
}

// counter reads a counter of /proc/net: a line of names and a line of numbers, both with the same first word.
func (ns *Namespace) counter(t testing.TB, file, first, name string) int {
	t.Helper()
	var names []string
	for line := range strings.Lines(ns.procNet(t, file)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != first {
			continue
		}
		if i := slices.Index(names, name); i > 0 && i < len(fields) {
			return number(t, fields[i])
		}
		names = fields
	}
	t.Fatalf("no %s %s in /proc/net/%s", first, name, file)
	return 0
}

// number is a decimal number that a program printed.
func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%q is no number", text)
	}
	return n
}
