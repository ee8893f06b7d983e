package vici

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"github.com/goswan/goswan/ike/core"
)

func version(c *call) *Message {
	v := c.daemon.Version()
	host := hostSystem()
	m := &Message{}
	m.Add("daemon", v.Daemon).Add("version", v.Version)
	return m.Add("sysname", host.name).Add("release", host.release).Add("machine", host.machine)
}

// system is what uname(2) tells.
type system struct{ name, release, machine string }

// priorities are charon's classes of jobs.
var priorities = []string{"critical", "high", "medium", "low"}

// stats answers in charon's form. charon has a pool of threads that work on queued jobs; here a worker is a goroutine:
// idle while it waits, active while it runs, queued while it could run. All have one priority, which is shown as medium.
func stats(c *call) *Message {
	s, load, now := c.daemon.Stats(), runtimeLoad(), c.now()
	m := &Message{}
	uptime := m.AddSection("uptime")
	uptime.Add("running", spell(now.Sub(s.Since)))
	uptime.Add("since", s.Since.Local().Format("Jan 02 15:04:05 2006"))
	workers := m.AddSection("workers")
	workers.Addf("total", "%d", load.goroutines)
	workers.Addf("idle", "%d", load.goroutines-min(load.goroutines, load.running+load.runnable))
	addPriorities(workers.AddSection("active"), load.running)
	addPriorities(m.AddSection("queues"), load.runnable)
	m.Addf("scheduled", "%d", s.Scheduled)
	total, halfOpen := countSAs(c.daemon.IKESAs())
	m.AddSection("ikesas").Addf("total", "%d", total).Addf("half-open", "%d", halfOpen)
	m.AddList("plugins", s.Plugins...)
	// live is what the last garbage collection found in use; of the total, some may be garbage by now.
	m.AddSection("mem").Addf("total", "%d", load.heapBytes).Addf("allocs", "%d", load.heapObjects).Addf("live", "%d", load.heapLive)
	addDrops(m.AddSection("drops"), s.Drops)
	return m
}

// addDrops adds what charon does not tell: the packets that the data path dropped, by reason.
func addDrops(m *Message, drops map[string]uint64) {
	for _, reason := range slices.Sorted(maps.Keys(drops)) {
		m.Addf(reason, "%d", drops[reason])
	}
}

func addPriorities(m *Message, medium uint64) {
	for _, name := range priorities {
		n := uint64(0)
		if name == "medium" {
			n = medium
		}
		m.Addf(name, "%d", n)
	}
}

func countSAs(all []core.IKEStatus) (total, halfOpen int) {
	for _, sa := range all {
		if sa.State == core.IKEConnecting || sa.State == core.IKECreated {
			halfOpen++
		}
	}
	return len(all), halfOpen
}

// spell is a duration in strongSwan's words: the largest unit of which there are more than two.
func spell(d time.Duration) string {
	n, unit := seconds(d.Abs()), "second"
	switch {
	case n > 2*24*60*60:
		n, unit = n/(24*60*60), "day"
	case n > 2*60*60:
		n, unit = n/(60*60), "hour"
	case n > 2*60:
		n, unit = n/60, "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// load is what the Go runtime tells of itself.
type load struct {
	goroutines, running, runnable    uint64
	heapBytes, heapObjects, heapLive uint64
}

// runtimeLoad reads the runtime's metrics; one that this Go does not have is 0.
func runtimeLoad() load {
	// Those of the runtime itself, which come with the first garbage collection, are none of ours.
	l := load{goroutines: uint64(runtime.NumGoroutine())}
	into := []*uint64{&l.running, &l.runnable, &l.heapBytes, &l.heapObjects, &l.heapLive}
	samples := []metrics.Sample{
		{Name: "/sched/goroutines/running:goroutines"},
		{Name: "/sched/goroutines/runnable:goroutines"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/objects:objects"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	for i, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			*into[i] = s.Value.Uint64()
		}
	}
	return l
}
