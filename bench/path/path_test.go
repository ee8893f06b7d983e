package path

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"

	"github.com/goswan/goswan/bench/report"
)

// TestMeasure lets packets through over one SA and three, with flows fewer than SAs, as many and more.
func TestMeasure(t *testing.T) {
	run := &report.Run{Bench: "path"}
	c := Config{Suites: []string{"aes128gcm16", "aes128-sha256"}, SAs: []int{1, 3}, Flows: []int{1, 7}, Time: 1, Rounds: 1}
	if err := Measure(t.Context(), run, c); err != nil {
		t.Fatal(err)
	}
	if n := len(run.Of(report.PacketTime)); n != 2*2*2*2 {
		t.Errorf("%d times, want those of 2 suites, 2 numbers of SAs, 2 of flows and 2 kinds of traffic", n)
	}
	key := report.Key{Figure: report.PacketTime, Subject: "goswan", Suite: "aes128-sha256", Size: 64, SAs: 3, Flows: 7}
	took := run.Find(key)
	key.Figure = report.Throughput
	speed := run.Find(key)
	if took == nil || speed == nil || !(took.Values[0] > 0) || math.Abs(speed.Values[0]*took.Values[0]-8*64) > 1e-6 {
		t.Errorf("the time is %v and the throughput %v", took, speed)
	}
	if err := report.Encode(&bytes.Buffer{}, run); err != nil {
		t.Errorf("the run cannot be written: %v", err)
	}
}

func TestMeasureRefuses(t *testing.T) {
	good := Config{Suites: []string{"aes128gcm16"}, SAs: []int{1}, Flows: []int{1}, Time: 1, Rounds: 1}
	for name, change := range map[string]func(*Config){
		"no suite":       func(c *Config) { c.Suites = nil },
		"no SA":          func(c *Config) { c.SAs = []int{0} },
		"too many SAs":   func(c *Config) { c.SAs = []int{MaxSAs + 1} },
		"no flow":        func(c *Config) { c.Flows = []int{0} },
		"too many flows": func(c *Config) { c.Flows = []int{MaxFlows + 1} },
		"no rounds":      func(c *Config) { c.Rounds = 0 },
		"no time":        func(c *Config) { c.Time = 0 },
	} {
		c := good
		change(&c)
		if err := Measure(t.Context(), &report.Run{}, c); err == nil {
			t.Errorf("%s: measured", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Measure(ctx, &report.Run{}, good); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
