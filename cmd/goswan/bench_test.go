package main

import (
	"bytes"
	"context"
	"errors"
	"image/png"
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
		"bench ike --cert ecdsa256,ed25519" + tiny: {
			"handshake rate, initiator, handshakes/s", "handshake rate, responder, handshakes/s", "ecdsa256 x25519", "ed25519 x25519", "both ends sign",
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

// TestBenchPlots: every benchmark writes a page and a picture, and what was measured before can be shown again.
func TestBenchPlots(t *testing.T) {
	dir := t.TempDir()
	page, picture, result := filepath.Join(dir, "page.html"), filepath.Join(dir, "plots.png"), filepath.Join(dir, "run.json")
	shows := func(command, want string) {
		t.Helper()
		text, err := os.ReadFile(page)
		if err != nil || !strings.HasPrefix(string(text), "<!DOCTYPE html>") || !strings.Contains(string(text), "<svg ") || !strings.Contains(string(text), want) {
			t.Errorf("goswan %s: the page does not show %q (%v):\n%.300s", command, want, err, text)
		}
		image, err := os.Open(picture)
		if err != nil {
			t.Errorf("goswan %s: %v", command, err)
			return
		}
		defer image.Close()
		if size, err := png.DecodeConfig(image); err != nil || size.Width < 400 {
			t.Errorf("goswan %s: the picture is %+v (%v)", command, size, err)
		}
		if err := errors.Join(os.Remove(page), os.Remove(picture)); err != nil {
			t.Error(err)
		}
	}
	for command, want := range map[string]string{
		"bench crypto --suites aes128gcm16 --sizes 64,1420 --cores 1" + tiny: "Throughput, seal, combined mode, 1 core",
		"bench ike --ke x25519 --sig ed25519" + tiny:                         "Time per handshake, elliptic curves",
		"bench ike --cert ecdsa256,ecdsa384,ed25519" + tiny:                  "Time per handshake, signatures",
		"bench path --sas 1,2 --flows 1" + tiny:                              "Throughput by SAs",
	} {
		if out := benchRun(t, command+" --html "+page+" --png "+picture+" --json "+result); !strings.Contains(out, "goswan bench ") {
			t.Errorf("goswan %s: beside files the tables are missing:\n%s", command, out)
		}
		shows(command, want)
		if out := benchRun(t, "bench show "+result+" --html "+page+" --png "+picture); !strings.Contains(out, "goswan bench ") {
			t.Errorf("bench show prints no tables:\n%s", out)
		}
		shows("bench show", want)
	}
	if out := benchRun(t, "bench compare "+result+" "+result+" --html "+page+" --png "+picture); !strings.Contains(out, "0 better, 0 worse") {
		t.Errorf("beside files the comparison is missing:\n%s", out)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "two runs compared") {
		t.Errorf("compare writes no page (%v):\n%.300s", err, text)
	}
	if out := benchRun(t, "bench show "+result+" --html -"); !strings.HasPrefix(out, "<!DOCTYPE html>") {
		t.Errorf("--html - prints\n%.200s", out)
	}
}

// TestBenchFlagsOfEveryVerb: a page and a picture can be had of everything.
func TestBenchFlagsOfEveryVerb(t *testing.T) {
	for _, verb := range newBench().Commands() {
		for _, name := range []string{"html", "png"} {
			if verb.Flags().Lookup(name) == nil {
				t.Errorf("goswan bench %s has no --%s", verb.Name(), name)
			}
		}
	}
}

// TestBenchUnwritable: that a file cannot be written is found out before an hour is spent, and nothing is left behind.
func TestBenchUnwritable(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	for _, test := range []struct {
		flags, want string
		status      int
	}{
		{"--json " + good + " --html " + filepath.Join(dir, "no", "page.html"), "--html: ", exitFailed},
		{"--html " + good + " --png " + dir, "--png: " + dir + " is a directory", exitFailed},
		{"--csv " + filepath.Join(dir, "no", "csv"), "--csv: ", exitFailed},
		{"--html " + good + " --png " + good, "only one of them", exitUsage},
		{"--json - --html -", "only one of them", exitUsage},
	} {
		status, _, stderr := goswanRun(t, strings.Fields("bench crypto --time 1h "+test.flags)...)
		if status != test.status || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exits with %d: %s; want %d with %q", test.flags, status, stderr, test.status, test.want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s leaves %v behind (%v)", test.flags, left, err)
		}
	}
}
