// Package path measures the data path within one process: from a TUN device in memory through the engine to a wire in memory, and from
// there through the engine to the device, over one SA and many, with one flow and many. No system call is in it.
package path

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
)

// The most that can be asked for: an SA is for an address in 10.2.0.0/16, and each flow is made before it is measured.
const (
	MaxSAs   = 1<<16 - 1
	MaxFlows = 10_000
)

// TCPSupers is the traffic of large packets: TCP super-packets of 44 × 1420 octets.
const TCPSupers = "TCP 44 × 1420 B"

// Config is what to measure: every suite with every number of SAs and flows.
type Config struct {
	Suites     []string // words as `esp_proposals` has them, which have to be right
	SAs, Flows []int
	Time       time.Duration
	Rounds     int
	Progress   turns.Progress
}

func (c Config) check() error {
	if len(c.Suites) == 0 || len(c.SAs) == 0 || len(c.Flows) == 0 || c.Rounds < 1 || c.Time <= 0 {
		return errors.New("path: there is nothing to measure")
	}
	for _, n := range c.SAs {
		if n < 1 || n > MaxSAs {
			return fmt.Errorf("path: %d SAs, not 1 to %d", n, MaxSAs)
		}
	}
	for _, n := range c.Flows {
		if n < 1 || n > MaxFlows {
			return fmt.Errorf("path: %d flows, not 1 to %d", n, MaxFlows)
		}
	}
	return nil
}

// Measure measures and enters what it measured into the run, also when it ends with an error.
func Measure(ctx context.Context, run *report.Run, c Config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	rec := report.NewRecorder(run)
	var jobs []turns.Job
	var paths []*inside.Path
	defer func() {
		for _, p := range paths {
			err = errors.Join(err, p.Close())
		}
	}()
	for _, suite := range c.Suites {
		for _, sas := range c.SAs {
			for _, flows := range c.Flows {
				if c.Progress != nil {
					c.Progress(len(paths), len(c.Suites)*len(c.SAs)*len(c.Flows), fmt.Sprintf("making %d SAs and %d flows", sas, flows))
				}
				p, err := inside.NewPath(inside.PathConfig{Suite: suite, SAs: sas, Flows: flows})
				if err != nil {
					return err
				}
				paths = append(paths, p)
				jobs = append(jobs, pathJobs(rec, p, report.Key{Subject: "goswan", Suite: suite, SAs: sas, Flows: flows})...)
			}
		}
	}
	run.Note("each packet is sealed and opened: out of the device to the wire and in again, on one core; what a kernel does for a tunnel is not in it")
	if !clock.IsCPU {
		run.Note("time is what passed on the wall: this system has no clock for a thread")
	}
	return turns.Plan{Jobs: jobs, Rounds: c.Rounds, Time: c.Time, Progress: c.Progress}.Run(ctx)
}

// pathJobs are the two kinds of traffic over one path.
func pathJobs(rec *report.Recorder, p *inside.Path, key report.Key) []turns.Job {
	large, small := key, key
	large.Mix, small.Size = TCPSupers, inside.SmallPacket
	return []turns.Job{
		job(rec, p.SuperTime, large, inside.LargePacket),
		job(rec, p.SingleTime, small, inside.SmallPacket),
	}
}

// job measures packets of so many octets.
func job(rec *report.Recorder, perPacket func(time.Duration) float64, key report.Key, octets float64) turns.Job {
	took, speed, rate := key, key, key
	took.Figure, speed.Figure, rate.Figure = report.PacketTime, report.Throughput, report.PacketRate
	return turns.Job{
		Name: fmt.Sprintf("%s, %d SAs, %d flows, %v octets", key.Suite, key.SAs, key.Flows, octets),
		Measure: func(round int, d time.Duration) error {
			ns := perPacket(d)
			rec.Record(round, took, ns)
			rec.Derive(round, speed, report.PacketTime, 8*octets/ns)
			rec.Derive(round, rate, report.PacketTime, 1e3/ns)
			return nil
		},
	}
}
