package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/cmd/goswan/lab"
)

// options are the flags.
type options struct {
	rounds, seconds int
	json            bool
	only            string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == staticCommand {
		static(os.Args[2:])
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 4, "measure everything `N` times")
	flag.IntVar(&o.seconds, "seconds", 4, "let each measurement take `N` seconds, and all of those inside the process")
	flag.BoolVar(&o.json, "json", false, "print every round's figures and the comparisons as JSON instead of the table")
	flag.StringVar(&o.only, "only", "", "measure only these `NAMES`, separated by commas, each whole or what several begin with")
	flag.Usage = usage
	flag.Parse()
	// The first signal ends the run in order; what it started is ended and removed.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tunnel:", err)
		os.Exit(1)
	}
}

// usage is printed for --help.
func usage() {
	w := flag.CommandLine.Output()
	fmt.Fprint(w, "Compares goswan, wireguard-go and strongSwan in network namespaces, as root, and parts of goswan inside this process.\n\n")
	flag.PrintDefaults()
	fmt.Fprint(w, "\nThe NAMES:\n")
	for _, t := range (&programs{}).tunnels() {
		asked := ""
		if t.asked {
			asked = " (only when asked for)"
		}
		fmt.Fprintf(w, "  %-14s %s%s\n", t.short, t.name, asked)
	}
	fmt.Fprintf(w, "  %-14s %s\n", insideShort, "cipher, whole packet and many SAs inside this process; needs no root")
	fmt.Fprint(w, "\nA quick comparison: --rounds 2 --seconds 2 --only goswan,wireguard-go\n")
}

// run compares and prints.
func (o options) run(ctx context.Context) error {
	if flag.NArg() > 0 || o.rounds < 1 || o.seconds < 1 {
		return errors.New("it takes --rounds and --seconds of at least 1, --json, --only, and no arguments; see --help")
	}
	tunnels, within, err := choose((&programs{}).tunnels(), o.only)
	if err != nil {
		return err
	}
	var b *inside.Bench
	if within {
		if b, err = inside.New(); err != nil {
			return err
		}
		defer func() { _ = b.Close() }() // its engines end in order or with us
	}
	if len(tunnels) == 0 {
		return o.finish(ctx, &programs{}, nil, b)
	}
	return o.compare(ctx, b)
}

// compare builds what the tunnels need and measures them, and what is inside.
func (o options) compare(ctx context.Context, b *inside.Bench) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("it needs root for network namespaces")
	}
	lab.RemoveLeftovers()
	dir, err := os.MkdirTemp("", fmt.Sprintf("goswan-lab-%d-", os.Getpid()))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stderr, "building goswan and wireguard-go")
	p, err := build(ctx, dir)
	if err != nil {
		return err
	}
	if p.iperfMissing != nil {
		return fmt.Errorf("it needs the Debian package iperf3: %w", p.iperfMissing)
	}
	p.announceMissing()
	tunnels, _, err := choose(p.tunnels(), o.only)
	if err != nil {
		return err
	}
	return o.finish(ctx, p, tunnels, b)
}

// finish measures and prints.
func (o options) finish(ctx context.Context, p *programs, tunnels []tunnel, b *inside.Bench) error {
	rounds, failed := o.measure(ctx, p, tunnels, b)
	if len(rounds) == 0 {
		return failed
	}
	return errors.Join(failed, o.print(tunnels, rounds))
}

// insideShort is the name for --only of what package inside measures.
const insideShort = "inside"

// choose picks what --only names, in the order of all: a name picks what is called so or, if nothing is, all that begin
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
			return nil, false, fmt.Errorf("--only: there is no %q; there are %s", word, strings.Join(names, ", "))
		}
		for _, name := range names {
			picked[name] = picked[name] || matches(name)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t tunnel) bool { return !picked[t.short] }), picked[insideShort], nil
}

// announceMissing says what will not be measured, a line each.
func (p *programs) announceMissing() {
	if p.strongSwanMissing != nil {
		fmt.Fprintln(os.Stderr, "SKIPPED: strongSwan: it needs the Debian packages that `make tools` installs:",
			strings.ReplaceAll(p.strongSwanMissing.Error(), "\n", ", "))
	}
	if p.ethtool != nil {
		fmt.Fprintln(os.Stderr, "SKIPPED: the link without USO and GRO: it needs the Debian package ethtool")
	}
}

// measure runs the rounds. A tunnel that fails in a round has no figures in it, and the error says so. On a signal what
// has been measured so far is returned.
func (o options) measure(ctx context.Context, p *programs, tunnels []tunnel, b *inside.Bench) (rounds []round, err error) {
	for n := range o.rounds {
		r := round{}
		if b != nil {
			fmt.Fprintf(os.Stderr, "round %d of %d: inside the process\n", n+1, o.rounds)
			r.add(b.Round(time.Duration(o.seconds) * time.Second))
		}
		if ctx.Err() != nil {
			return rounds, errors.Join(err, errors.New("interrupted"))
		}
		for i := range tunnels {
			t := tunnels[(i+n)%len(tunnels)]
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", n+1, o.rounds, t.name)
			prefix := fmt.Sprintf("gs-%d-%d", os.Getpid(), n*len(tunnels)+i+1)
			figures, failed := o.one(ctx, p, t, prefix)
			if ctx.Err() != nil {
				return rounds, errors.Join(err, errors.New("interrupted"))
			}
			if failed != nil {
				failed = fmt.Errorf("round %d, %s: %w", n+1, t.name, failed)
				fmt.Fprintln(os.Stderr, "FAILED:", failed)
				err = errors.Join(err, failed)
			}
			r[t.name] = figures
		}
		rounds = append(rounds, r)
	}
	return rounds, err
}

// one measures one tunnel in namespaces of its own.
func (o options) one(ctx context.Context, p *programs, t tunnel, prefix string) (map[figure]float64, error) {
	dir := filepath.Join(p.dir, prefix)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := newLink(ctx, prefix)
	defer l.remove()
	if err != nil {
		return nil, err
	}
	ends, err := t.start(ctx, l, dir)
	defer ends.stop()
	if err != nil {
		return nil, err
	}
	err = waitFor(ctx, ends, "an answer through the tunnel", func() error {
		return said(l.left.Command(ctx, "ping", "-n", "-c", "1", "-W", "1", "-I", leftInner, rightInner))
	})
	if err != nil {
		return nil, err
	}
	b := &bench{link: l, endpoints: ends, seconds: o.seconds}
	err = b.measure(ctx, p.ethtool == nil)
	return b.figures, err
}

// print writes the table or JSON.
func (o options) print(tunnels []tunnel, rounds []round) error {
	if o.json {
		return writeJSON(os.Stdout, o.seconds, rounds)
	}
	var names []string
	for _, t := range tunnels {
		names = append(names, t.name)
	}
	return writeTable(os.Stdout, names, rounds)
}
