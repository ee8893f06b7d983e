package crypto

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/suite"
)

// Goswan is the subject of goswan's own figures.
const Goswan = "goswan"

// NominalCycles are cycles that nobody counted: time by the nominal frequency. A processor that runs faster or slower just then
// needed more or fewer.
var NominalCycles = report.Figure{Name: "nominal cycles per octet", Unit: "cycles", Better: report.Less}

// Config is what to measure.
type Config struct {
	Suites   []string // words as `esp_proposals` has them; see Choose
	Sizes    []Size
	Cores    []int // that work at once
	Time     time.Duration
	Rounds   int
	OpenSSL  string // the program to compare with, "" for none
	Progress turns.Progress
}

// Cores are the numbers of cores that are measured when none are asked for: 1, 2, 4 … and all that Go may use.
func Cores() (all []int) {
	most := runtime.GOMAXPROCS(0)
	for n := 1; n < most; n *= 2 {
		all = append(all, n)
	}
	return append(all, most)
}

// bench is a run under way.
type bench struct {
	Config
	run  *report.Run
	rec  *report.Recorder
	crew *crew
}

// Measure measures and enters what it measured into the run, also when it ends with an error.
func Measure(ctx context.Context, run *report.Run, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	b := &bench{Config: c, run: run, rec: report.NewRecorder(run), crew: newCrew(slices.Max(c.Cores))}
	defer b.crew.dismiss()
	jobs, err := b.jobs()
	if err != nil {
		return err
	}
	b.notes()
	if c.OpenSSL != "" {
		more, err := b.openssl(ctx)
		if err != nil {
			return err
		}
		jobs = append(jobs, more...)
	}
	err = turns.Plan{Jobs: jobs, Rounds: c.Rounds, Time: c.Time, Progress: c.Progress}.Run(ctx)
	b.scaling()
	b.allocating()
	return err
}

// allocating notes which suites take memory for a packet.
func (b *bench) allocating() {
	var some []string
	counted := b.run.Of(report.Allocations)
	for _, m := range counted {
		if slices.Max(append(m.Values.Present(), 0)) > 0 && !slices.Contains(some, m.Suite) {
			some = append(some, m.Suite)
		}
	}
	switch {
	case some != nil:
		b.run.Note("memory is allocated for each packet by " + strings.Join(some, ", "))
	case counted != nil:
		b.run.Note("no suite allocates memory for a packet")
	}
}

// scaling sets what several cores carry beside what one does.
func (b *bench) scaling() {
	base := map[report.Key]report.Values{}
	speeds := b.run.Of(report.Throughput)
	for _, m := range speeds {
		if m.Cores == 1 {
			base[m.Key] = m.Values
		}
	}
	for _, m := range speeds {
		one := m.Key
		one.Cores = 1
		for round := range min(len(m.Values), len(base[one])) {
			if m.Cores > 1 {
				b.rec.Derive(round, with(m.Key, report.Scaling), report.PacketTime, m.Values[round]/base[one][round])
			}
		}
	}
}

func (c Config) check() error {
	if len(c.Suites) == 0 || len(c.Sizes) == 0 || len(c.Cores) == 0 {
		return errors.New("crypto: there is nothing to measure")
	}
	for _, n := range c.Cores {
		if most := runtime.GOMAXPROCS(0); n < 1 || n > most {
			return fmt.Errorf("crypto: %d cores, but Go may use %d", n, most)
		}
	}
	if c.Rounds < 1 || c.Time <= 0 {
		return errors.New("crypto: it takes a round and some time at least")
	}
	return nil
}

// notes say what the figures are made of.
func (b *bench) notes() {
	if clock.IsCPU {
		b.run.Note("time is the CPU time of each core's thread: what other programs took in the meantime does not count")
	} else {
		b.run.Note("time is what passed on the wall: this system has no clock for a thread")
	}
	switch {
	case b.crew.cycles == nil:
		b.run.Note("cycles are those that the processor counted in user mode (perf_event_open)")
	case b.run.Machine.MHz > 0:
		b.run.Note(fmt.Sprintf("cycles are nominal, time by %.0f MHz, since nobody counted them: %v", b.run.Machine.MHz, b.crew.cycles))
	default:
		b.run.Note(fmt.Sprintf("cycles are left out: %v", b.crew.cycles))
	}
}

// jobs is every suite with every size, direction and number of cores.
func (b *bench) jobs() (jobs []turns.Job, err error) {
	for _, cores := range b.Cores {
		for _, words := range b.Suites {
			set, err := resolve(words)
			if err != nil {
				return nil, err
			}
			for _, op := range []string{Seal, Open} {
				for _, size := range b.Sizes {
					key := report.Key{Subject: Goswan, Suite: words, Operation: op, Size: size.Octets, Mix: size.Mix, Cores: cores}
					jobs = append(jobs, turns.Job{
						Name:    fmt.Sprintf("%s %s %s, cores: %d", words, op, size, cores),
						Measure: func(round int, d time.Duration) error { return b.one(set, size, key, round, d) },
					})
				}
			}
		}
	}
	return jobs, nil
}

// one measures one suite, size, direction and number of cores.
func (b *bench) one(set suite.Set, size Size, key report.Key, round int, d time.Duration) error {
	loads := make([]*load, key.Cores)
	for i := range loads {
		l, err := newLoad(set, size, key.Operation == Open)
		if err != nil {
			return err
		}
		defer l.cipher.Wipe()
		loads[i] = l
	}
	b.record(round, key, loads[0], b.crew.measure(loads, d))
	if key.Cores == 1 {
		b.rec.Record(round, with(key, report.Allocations), allocations(loads[0]))
	}
	return nil
}

// record enters what the members did at once.
func (b *bench) record(round int, key report.Key, l *load, shifts []shift) {
	var gbits, cycles float64 // Gbit/s is bits per nanosecond
	counted := true
	for _, s := range shifts {
		gbits += float64(8*l.octets) / s.perLap()
		cycles += s.cycles / float64(s.laps*l.octets) / float64(len(shifts))
		counted = counted && s.cycles > 0
	}
	rate := gbits / 8 / l.perPacket // packets per nanosecond
	perPacket := float64(len(shifts)) / rate
	b.rec.Record(round, with(key, report.PacketTime), perPacket)
	b.rec.Derive(round, with(key, report.Throughput), report.PacketTime, gbits)
	b.rec.Derive(round, with(key, report.PacketRate), report.PacketTime, rate*1e3)
	switch mhz := b.run.Machine.MHz; {
	case counted:
		b.rec.Record(round, with(key, report.CyclesByte), cycles)
	case mhz > 0:
		b.rec.Derive(round, with(key, NominalCycles), report.PacketTime, perPacket/l.perPacket*mhz/1e3)
	}
}

// with is the key of another figure.
func with(k report.Key, f report.Figure) report.Key {
	k.Figure = f
	return k
}

// allocations is how many a packet takes, on average and rounded down, so that what the rest of the process allocates in the
// meantime is nothing.
func allocations(l *load) float64 {
	const laps = 16
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l.laps(laps)
	runtime.ReadMemStats(&after)
	return float64((after.Mallocs - before.Mallocs) / uint64(laps*len(l.packets)))
}
