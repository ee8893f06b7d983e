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
	RSS, Heap  int // octets
	Goroutines int
	IKESAs     int
}

// String is a line for the log.
func (l Load) String() string {
	return fmt.Sprintf("RSS %.1f MB, heap %.1f MB, %d goroutines", float64(l.RSS)/1e6, float64(l.Heap)/1e6, l.Goroutines)
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
		Goroutines: number(t, s.sub("workers").get("total")),
		IKESAs:     number(t, s.sub("ikesas").get("total")),
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
	ns.mustIn(t, func() error {
		for _, name := range []string{"udp", "udp6"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + name)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				fields := strings.Fields(line)
				if len(fields) < 13 || fields[0] == "sl" {
					continue
				}
				_, hex, _ := strings.Cut(fields[1], ":")
				port, err := strconv.ParseUint(hex, 16, 16)
				if err != nil {
					return err
				}
				if n := number(t, fields[12]); n > 0 {
					drops[int(port)] += n
				}
			}
		}
		return nil
	})
	return drops
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
