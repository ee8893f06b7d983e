package tunnel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// insideShort is the name for Only of what package inside measures.
const insideShort = "inside"

// Choices are the names for Config.Only.
func Choices() (all []Choice) {
	for _, t := range (&programs{}).tunnels() {
		all = append(all, Choice{t.short, t.name, t.asked})
	}
	return append(all, Choice{Name: insideShort, What: "cipher, whole packet and many SAs inside this process; needs no root"})
}

// comparing is a run under way.
type comparing struct {
	Config
	run      *report.Run
	rec      *report.Recorder
	programs *programs
	tunnels  []tunnel
	inside   *inside.Bench // nil: not wanted
	steps    int           // done
}

// Measure compares, and enters what it measured into the run. A tunnel that fails in a round has no values in it, and the error says
// so; when ctx ends, what has been measured so far is there.
func Measure(ctx context.Context, run *report.Run, c Config) (err error) {
	if c.Rounds < 1 || c.Seconds < 1 {
		return errors.New("it takes a round and a second at least")
	}
	m := &comparing{Config: c, run: run, rec: report.NewRecorder(run), programs: &programs{}}
	tunnels, within, err := choose(m.programs.tunnels(), c.Only)
	if err != nil {
		return err
	}
	if len(tunnels) > 0 {
		end, failed := m.prepare(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	if within {
		if m.inside, err = inside.New(); err != nil {
			return err
		}
		defer func() { _ = m.inside.Close() }() // its engines end in order or with us
	}
	if m.inside == nil && len(m.tunnels) == 0 {
		return errors.New("nothing is left that can be measured here")
	}
	err = m.rounds(ctx)
	m.finish()
	return err
}

// prepare finds and builds what the tunnels need, and leaves out those that lack something.
func (m *comparing) prepare(ctx context.Context) (end func() error, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("comparing tunnels needs root for network namespaces; `--only inside` does not")
	}
	netns.RemoveLeftovers()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", netns.DirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	end = func() error { return os.RemoveAll(dir) }
	m.report("finding and building the programs")
	if m.programs, err = find(ctx, dir); err != nil {
		return nil, errors.Join(err, end())
	}
	chosen, _, err := choose(m.programs.tunnels(), m.Only)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	m.run.Peers = append(m.run.Peers, m.programs.peers...)
	for _, t := range chosen {
		if t.missing != nil {
			m.leaveOut(t.name, t.missing)
			continue
		}
		m.tunnels = append(m.tunnels, t)
	}
	if m.programs.ethtool != nil {
		m.leaveOut("the link without USO and GRO", errors.New("it needs Debian's package ethtool"))
	}
	return end, nil
}

// leaveOut says what is not measured and why.
func (m *comparing) leaveOut(what string, why error) {
	text := what + ": " + strings.Join(strings.Fields(why.Error()), " ")
	m.run.Note("left out: " + text)
	m.say("SKIPPED: " + text)
}

// choose picks what only names, in the order of all: a name picks what is called so or, if nothing is, all that begin
// with it. No name picks all that need not be asked for.
func choose(all []tunnel, only string) (chosen []tunnel, within bool, err error) {
	if only == "" {
		return slices.DeleteFunc(slices.Clone(all), func(t tunnel) bool { return t.asked }), true, nil
	}
	names := []string{insideShort}
	for _, t := range all {
		names = append(names, t.short)
	}
	picked := map[string]bool{}
	for word := range strings.SplitSeq(only, ",") {
		word = strings.TrimSpace(word)
		matches := func(name string) bool { return strings.HasPrefix(name, word) }
		if slices.Contains(names, word) {
			matches = func(name string) bool { return name == word }
		}
		if word == "" || !slices.ContainsFunc(names, matches) {
			return nil, false, fmt.Errorf("there is no %q to measure; there are %s", word, strings.Join(names, ", "))
		}
		for _, name := range names {
			picked[name] = picked[name] || matches(name)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t tunnel) bool { return !picked[t.short] }), picked[insideShort], nil
}

// report tells the progress.
func (m *comparing) report(name string) {
	if m.Progress == nil {
		return
	}
	each := len(m.tunnels)
	if m.inside != nil {
		each++
	}
	m.Progress(m.steps, m.Rounds*each, name)
}

// rounds measures everything once a round, and in every round begins with another tunnel.
func (m *comparing) rounds(ctx context.Context) (err error) {
	for n := range m.Rounds {
		if m.inside != nil {
			m.report("inside the process")
			for _, r := range m.inside.Round(time.Duration(m.Seconds) * time.Second) {
				m.rec.Record(n, report.Key{Figure: r.Figure, Subject: r.Subject}, r.Value)
			}
			m.steps++
		}
		for i := range m.tunnels {
			if ctx.Err() != nil {
				return errors.Join(err, errInterrupted)
			}
			t := m.tunnels[(i+n)%len(m.tunnels)]
			m.report(t.name)
			failed := m.one(ctx, t, n, fmt.Sprintf("gs-%d-%d", os.Getpid(), n*len(m.tunnels)+i+1))
			if ctx.Err() != nil {
				return errors.Join(err, errInterrupted)
			}
			if failed != nil {
				failed = fmt.Errorf("round %d, %s: %w", n+1, t.name, failed)
				m.say("FAILED: " + failed.Error())
				err = errors.Join(err, failed)
			}
			m.steps++
		}
	}
	m.report("")
	return err
}

var errInterrupted = errors.New("interrupted")

// one measures one tunnel in namespaces of its own. What was measured before a failure counts; before the end of ctx it does not.
func (m *comparing) one(ctx context.Context, t tunnel, round int, prefix string) error {
	dir := filepath.Join(m.programs.dir, prefix)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	l, err := newLink(ctx, prefix)
	defer l.remove()
	if err != nil {
		return err
	}
	ends, err := t.start(ctx, l, dir)
	defer ends.stop()
	if err != nil {
		return err
	}
	err = waitFor(ctx, ends, "an answer through the tunnel", func() error {
		return said(l.left.Command(ctx, "ping", "-n", "-c", "1", "-W", "1", "-I", leftInner, rightInner))
	})
	if err != nil {
		return err
	}
	b := &bench{link: l, endpoints: ends, seconds: m.Seconds}
	err = b.measure(ctx, m.programs.ethtool == nil)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, f := range figures {
		if v, ok := b.figures[f]; ok {
			m.rec.Record(round, report.Key{Figure: f, Subject: t.name}, v)
		}
	}
	return err
}

// finish puts what was measured into order and beside what it is compared with.
func (m *comparing) finish() {
	var subjects []string
	for _, t := range m.tunnels {
		subjects = append(subjects, t.name)
	}
	for _, f := range inside.Figures {
		subjects = append(subjects, f.Subjects...)
	}
	sorted(m.run, subjects)
	m.run.Comparisons = compared(m.run, m.Goals)
	if len(m.tunnels) > 0 {
		m.run.Note(fmt.Sprintf("each measurement took %d s; endpoint CPU is that of the two endpoints' processes alone", m.Seconds))
	}
}
