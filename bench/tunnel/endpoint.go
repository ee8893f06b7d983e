//go:build linux

package tunnel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
	"github.com/goswan/goswan/vici"
)

// endpoint is one running end of a tunnel.
type endpoint struct {
	cmd    *exec.Cmd
	log    string        // the file of what it prints
	exited chan struct{} // closed when it has ended
	vici   string        // the URI of its control socket, if it is goswan's
}

// startEndpoint starts a program in a namespace. `ip netns exec` becomes the program, so the process is the endpoint's.
func startEndpoint(ns *netns.Namespace, log string, env []string, argv ...string) (*endpoint, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// The endpoint outlives a cancelled run until stop, so that it can undo what it did.
	cmd := ns.Command(context.Background(), argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = file, file
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the benchmark, which ends it in order
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e := &endpoint{cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(e.exited)
	}()
	return e, nil
}

// grace is how long an endpoint may take to end in order.
const grace = 5 * time.Second

// stop ends the process, at last by force.
func (e *endpoint) stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.exited:
	case <-time.After(grace):
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
}

// alive is an error with the last words of an endpoint that has ended.
func (e *endpoint) alive() error {
	select {
	case <-e.exited:
		text, _ := os.ReadFile(e.log)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		return fmt.Errorf("%s has ended: %s", e.cmd.Args[len(e.cmd.Args)-1], strings.Join(lines[max(0, len(lines)-3):], "; "))
	default:
		return nil
	}
}

// endpoints are those of one tunnel; none without a tunnel.
type endpoints []*endpoint

func (all endpoints) stop() {
	for _, e := range all {
		e.stop()
	}
}

// cpu is the CPU time that the processes have used so far, in user and in kernel mode.
func (all endpoints) cpu() (sum time.Duration, err error) {
	for _, e := range all {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.cmd.Process.Pid))
		if err != nil {
			return 0, err
		}
		used, err := parseStat(string(stat))
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// tick is the unit of times in /proc: USER_HZ, which is 100 on every architecture that Go knows.
const tick = 10 * time.Millisecond

// parseStat adds utime and stime of a /proc/PID/stat, fields 14 and 15 (proc(5)). The second field is the program's
// name in parentheses and may hold anything.
func parseStat(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has too few fields: %q", stat)
	}
	var ticks uint64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseUint(field, 10, 40)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// memory is the largest resident memory that either process ever had, in MB of 10⁶ octets.
func (all endpoints) memory() (most float64, err error) {
	for _, e := range all {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
		if err != nil {
			return 0, err
		}
		peak, err := parsePeak(string(status))
		if err != nil {
			return 0, err
		}
		most = max(most, peak)
	}
	return most, nil
}

// parsePeak reads VmHWM of a /proc/PID/status, in MB.
func parsePeak(status string) (float64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kib * 1024 / 1e6, err
		}
	}
	return 0, fmt.Errorf("/proc/PID/status has no VmHWM: %q", status)
}

// heap is the larger of the Go heaps of those endpoints that are goswan's, in MB; ok is false when none is. It is what
// `swanctl --stats` shows: objects, dead ones included that the collector has not swept yet.
func (all endpoints) heap(ctx context.Context) (most float64, ok bool, err error) {
	for _, e := range all {
		if e.vici == "" {
			continue
		}
		octets, err := e.heapOctets(ctx)
		if err != nil {
			return 0, false, err
		}
		most, ok = max(most, octets/1e6), true
	}
	return most, ok, nil
}

// heapOctets asks one endpoint.
func (e *endpoint) heapOctets(ctx context.Context) (octets float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := vici.Dial(ctx, e.vici)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	answer, err := client.Request(ctx, "stats", nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(answer.Get("mem", "total"), 64)
}

// patience is how long something that has to happen soon is waited for.
const patience = 20 * time.Second

// waitFor polls until try succeeds, and returns its last error when patience is over or an endpoint has ended.
func waitFor(ctx context.Context, all endpoints, what string, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		last := try()
		if last == nil {
			return nil
		}
		for _, e := range all {
			if err := e.alive(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain: %s: %w", what, last)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// exists is nil when there is a file of that name.
func exists(elem ...string) error {
	_, err := os.Stat(filepath.Join(elem...))
	return err
}
