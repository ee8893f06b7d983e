package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/bench/report"
)

// tiny is a budget of next to nothing.
const tiny = " --time 20ms --rounds 1"

// benchRun runs a benchmark that has to succeed, and returns its output.
func benchRun(t *testing.T, command string) (stdout string) {
	t.Helper()
	status, stdout, stderr := goswanRun(t, strings.Fields(command)...)
	if status != exitDone || stderr != "" {
		t.Fatalf("goswan %s exits with %d: %s", command, status, stderr)
	}
	return stdout
}

func TestBenchPrintsTables(t *testing.T) {
	for command, wants := range map[string][]string{
		"bench crypto --suites aes128gcm16 --sizes 64,64 --cores 1,1" + tiny: {
			"goswan bench crypto, goswan ", "throughput, seal, 64 B, 1 core, Gbit/s", "throughput, open, 64 B, 1 core, Gbit/s", "goswan aes128gcm16",
		},
		"bench crypto --suites aes128-sha*,chacha20poly1305 --sizes 64,imix --cores 1 --show all" + tiny: {
			"throughput, seal, 1 core, Gbit/s  64 B  imix", "  aes128-sha512 ", "time per packet, open, 1 core, ns", "allocations per packet, seal, 1 core",
		},
		"bench ike --ke x25519" + tiny: {
			"time per operation, initiate, µs", "goswan x25519", "handshake rate, responder, handshakes/s", "prfsha384-x25519",
		},
		"bench ike --sig ed25519" + tiny:          {"time per operation, sign, µs", "time per operation, verify, µs", "goswan ED25519"},
		"bench path --sas 1,2 --flows 1,3" + tiny: {"throughput, Gbit/s  ", "aes128gcm16 2 SAs 3 flows", "time per packet, ns"},
	} {
		out := benchRun(t, command)
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("goswan %s does not print %q:\n%s", command, want, out)
			}
		}
	}
}

// TestBenchFiles: a file is read back with everything in it, - takes the place of the tables, and a result compares with itself.
func TestBenchFiles(t *testing.T) {
	dir := t.TempDir()
	file, table := filepath.Join(dir, "run.json"), filepath.Join(dir, "run.csv")
	command := "bench crypto --suites aes128gcm16,aes256gcm16 --sizes 64 --cores 1" + tiny
	if out := benchRun(t, command+" --json "+file+" --csv "+table); !strings.Contains(out, "throughput") {
		t.Errorf("beside files the tables are missing:\n%s", out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	run, err := report.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if run.Bench != "crypto" || run.Goswan == "" || run.Machine.Go == "" || run.Time.IsZero() || !(run.Seconds > 0) || run.Rounds != 1 {
		t.Errorf("the run is %+v", run)
	}
	if want := "--suites=aes128gcm16,aes256gcm16"; run.Command[0] != "goswan" || !slices.Contains(run.Command, want) {
		t.Errorf("the command is %q, without %q", run.Command, want)
	}
	if lines, err := os.ReadFile(table); err != nil || !strings.Contains(string(lines), "crypto,throughput,Gbit/s,more,time per packet,goswan,aes256gcm16,open,64,,1,,,1,") {
		t.Errorf("the CSV is (%v):\n%s", err, lines)
	}
	if out := benchRun(t, command+" --csv -"); !strings.HasPrefix(out, "bench,figure,") {
		t.Errorf("--csv - prints\n%.200s", out)
	}
	if _, err := report.Decode(strings.NewReader(benchRun(t, command+" --json -"))); err != nil {
		t.Errorf("--json - prints what cannot be read: %v", err)
	}
	if out := benchRun(t, "bench compare "+file+" "+file); !strings.Contains(out, "0 better, 0 worse") {
		t.Errorf("a result compared with itself:\n%s", out)
	}
}

// TestBenchCompareDifferentBenchmarks: what measures different things is not compared.
func TestBenchCompareDifferentBenchmarks(t *testing.T) {
	dir := t.TempDir()
	ike, crypto := filepath.Join(dir, "ike"), filepath.Join(dir, "crypto")
	benchRun(t, "bench ike --ke x25519 --json "+ike+tiny)
	benchRun(t, "bench crypto --suites aes128gcm16 --sizes 64 --cores 1 --json "+crypto+tiny)
	if status, _, stderr := goswanRun(t, "bench", "compare", ike, crypto); status != exitFailed || !strings.Contains(stderr, "measure different things") {
		t.Errorf("compared, with %d: %s", status, stderr)
	}
}

// TestBenchInterrupted: what was measured so far is not lost, and the exit status says that it is not all.
func TestBenchInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	if status := run(ctx, strings.Fields("bench ike --ke x25519"+tiny), &out, &errOut); status != exitFailed || !strings.Contains(errOut.String(), "interrupted in round 1 of 1") {
		t.Errorf("interrupted at once it exits with %d: %s", status, &errOut)
	}
}
