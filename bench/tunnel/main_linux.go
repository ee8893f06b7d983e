package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/goswan/goswan/cmd/goswan/lab"
)

// options are the flags.
type options struct {
	rounds, seconds int
	json            bool
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 4, "how often every tunnel is measured")
	flag.IntVar(&o.seconds, "seconds", 4, "how long each measurement takes")
	flag.BoolVar(&o.json, "json", false, "print every round's figures and the comparisons as JSON instead of the table")
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

// run compares and prints.
func (o options) run(ctx context.Context) (err error) {
	if flag.NArg() > 0 || o.rounds < 1 || o.seconds < 1 {
		return errors.New("it takes --rounds and --seconds of at least 1, --json, and no arguments")
	}
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
	tunnels := p.tunnels()
	rounds, failed := o.measure(ctx, p, tunnels)
	if len(rounds) == 0 {
		return failed
	}
	return errors.Join(failed, o.print(tunnels, rounds))
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
func (o options) measure(ctx context.Context, p *programs, tunnels []tunnel) (rounds []round, err error) {
	for n := range o.rounds {
		r := round{}
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
