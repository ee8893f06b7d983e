//go:build linux

package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

const (
	smallPacket = 64    // octets of UDP payload
	fixedRate   = 29000 // datagrams a second that every tunnel here can carry
)

// bench measures one tunnel over one link.
type bench struct {
	*link
	endpoints
	seconds int
	figures map[report.Figure]float64
}

// measure takes every figure. What cannot be measured is in the error, and the other figures are there.
func (b *bench) measure(ctx context.Context, uso bool) error {
	b.figures = map[report.Figure]float64{}
	failed := []error{
		b.idle(ctx),
		b.tcp(ctx, tcpSpeed, tcpCPU),
		b.tcp(ctx, tcp4Speed, tcp4CPU, "-P", "4"),
		b.tcp(ctx, reverseSpeed, reverseCPU, "-R"),
		b.flood(ctx),
		b.fixed(ctx),
		b.loaded(ctx),
	}
	if uso {
		failed = append(failed, b.plain(ctx))
	}
	if len(b.endpoints) > 0 {
		failed = append(failed, b.peak())
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed...)
}

// tcp measures a TCP transfer.
func (b *bench) tcp(ctx context.Context, speed, cpu report.Figure, args ...string) error {
	moved, used, err := b.run(ctx, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", speed.Name, err)
	}
	b.figures[speed] = moved.gbits()
	if len(b.endpoints) > 0 {
		b.figures[cpu] = used.Seconds() / moved.gigabytes()
	}
	return nil
}

// plain takes super-packets from the link, for good, and measures TCP again.
func (b *bench) plain(ctx context.Context) error {
	if err := b.withoutUSO(ctx); err != nil {
		return fmt.Errorf("%s: %w", plainSpeed.Name, err)
	}
	return b.tcp(ctx, plainSpeed, plainCPU)
}

// flood measures how many small datagrams arrive when as many are sent as can be.
func (b *bench) flood(ctx context.Context) error {
	moved, _, err := b.run(ctx, "-u", "-b", "0", "-l", strconv.Itoa(smallPacket))
	if err != nil {
		return fmt.Errorf("%s: %w", floodRate.Name, err)
	}
	b.figures[floodRate] = moved.datagrams(smallPacket) / moved.seconds / 1e3
	return nil
}

// fixed measures the CPU time for each small datagram that arrived, at a rate that leaves the machine air.
func (b *bench) fixed(ctx context.Context) error {
	moved, used, err := b.run(ctx, "-u", "-b", strconv.Itoa(fixedRate*smallPacket*8), "-l", strconv.Itoa(smallPacket))
	if err != nil {
		return fmt.Errorf("%s: %w", packetCPU.Name, err)
	}
	if len(b.endpoints) > 0 {
		b.figures[packetCPU] = used.Seconds() * 1e6 / moved.datagrams(smallPacket)
	}
	return nil
}

// idle measures round trips with nothing else under way.
func (b *bench) idle(ctx context.Context) error {
	times, err := b.ping(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", idleMedian.Name, err)
	}
	b.figures[idleMedian] = report.Quantile(times, 0.5) / 1e6
	b.figures[idleTail] = report.Quantile(times, 0.99) / 1e6
	return nil
}

// loaded measures round trips while one TCP stream goes as fast as it can.
func (b *bench) loaded(ctx context.Context) error {
	type answer struct {
		times []int64
		err   error
	}
	pinged := make(chan answer, 1)
	go func() {
		times, err := b.ping(ctx)
		pinged <- answer{times, err}
	}()
	_, _, err := b.run(ctx)
	pings := <-pinged
	if err := errors.Join(err, pings.err); err != nil {
		return fmt.Errorf("%s: %w", loadedTail.Name, err)
	}
	b.figures[loadedTail] = report.Quantile(pings.times, 0.99) / 1e6
	return nil
}

// ping returns the round-trip times in nanoseconds of a hundred requests a second.
func (b *bench) ping(ctx context.Context) (times []int64, err error) {
	out, err := b.left.Command(ctx, "ping", "-n", "-I", leftInner, "-i", "0.01", "-c", strconv.Itoa(100*b.seconds),
		"-w", strconv.Itoa(b.seconds), rightInner).Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) { // ping's status is 1 when an answer is missing
		return nil, err
	}
	answered, err := parsePing(out)
	for _, t := range answered {
		times = append(times, int64(t))
	}
	return times, err
}

// peak takes the memory of the endpoints that have carried all this.
func (b *bench) peak() error {
	most, err := b.memory()
	if err != nil {
		return fmt.Errorf("%s: %w", memory.Name, err)
	}
	b.figures[memory] = most
	return nil
}

// weigh keeps the largest Go heap that was seen: right behind each transfer, where it is in no CPU time.
func (b *bench) weigh(ctx context.Context) error {
	most, ok, err := b.heap(ctx)
	if ok {
		b.figures[goHeap] = max(b.figures[goHeap], most)
	}
	return err
}

// run runs iperf3 between the inner addresses and returns what arrived and what CPU time the endpoints took for it.
func (b *bench) run(ctx context.Context, args ...string) (moved transfer, used time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(b.seconds)*time.Second+patience)
	defer cancel()
	server, err := startServer(ctx, b.right)
	if err != nil {
		return transfer{}, 0, err
	}
	defer server.end()
	before, err := b.cpu()
	if err != nil {
		return transfer{}, 0, err
	}
	client := b.left.Command(ctx, "iperf3", append([]string{
		"-c", rightInner, "-B", leftInner, "-J", "-t", strconv.Itoa(b.seconds), "--connect-timeout", "5000"}, args...)...)
	report, failed := client.Output()
	after, err := b.cpu()
	if err != nil {
		return transfer{}, 0, err
	}
	if len(bytes.TrimSpace(report)) == 0 {
		return transfer{}, 0, fmt.Errorf("iperf3: no report: %w", failed)
	}
	if err := b.weigh(ctx); err != nil {
		return transfer{}, 0, err
	}
	moved, err = parseIperf(report)
	return moved, after - before, err
}

// server is an iperf3 that serves one client.
type server struct{ *exec.Cmd }

// startServer starts it and waits until it listens.
func startServer(ctx context.Context, ns *netns.Namespace) (server, error) {
	cmd := ns.Command(ctx, "iperf3", "-s", "-1", "-B", rightInner, "--forceflush")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return server{}, err
	}
	if err := cmd.Start(); err != nil {
		return server{}, err
	}
	s := server{cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listening") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return s, nil
		}
	}
	s.end()
	return server{}, errors.New("iperf3: the server does not listen")
}

// end ends the server, which after a client that failed still waits.
func (s server) end() {
	_ = s.Process.Signal(syscall.SIGTERM)
	_ = s.Wait()
}
