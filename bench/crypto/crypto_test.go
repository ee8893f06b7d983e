package crypto

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
)

// TestSuitesAreTheTables: each usable row is in a suite, and each suite works.
func TestSuitesAreTheTables(t *testing.T) {
	all := Suites()
	var encrIDs, integIDs []uint16
	for i, words := range all {
		set, err := resolve(words)
		if err != nil {
			t.Fatalf("%s: %v", words, err)
		}
		if slices.Index(all, words) != i {
			t.Errorf("%s is there twice", words)
		}
		encrIDs = append(encrIDs, set.Encr.ID)
		if set.Integ != nil {
			integIDs = append(integIDs, set.Integ.ID)
		}
		for _, open := range []bool{false, true} {
			l, err := newLoad(set, Size{Mix: IMIX}, open)
			if err != nil {
				t.Fatalf("%s: %v", words, err)
			}
			l.lap()
			if n := allocations(l); n != 0 {
				t.Errorf("%s: a packet takes %v allocations, want 0", words, n)
			}
		}
	}
	for _, row := range encr.Transforms {
		if row.Status.Usable() && len(row.Keywords) > 0 && !slices.Contains(encrIDs, row.ID) {
			t.Errorf("%s is usable but in no suite", row.Name)
		}
	}
	for _, row := range integ.Transforms {
		if _, err := resolve(commonEncr + "-" + strings.Join(row.Keywords[:min(1, len(row.Keywords))], "")); row.Status.Usable() && err == nil && !slices.Contains(integIDs, row.ID) {
			t.Errorf("%s is usable but in no suite", row.Name)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, test := range []struct {
		wanted  []string
		want    string // joined; "" is not looked at
		wantErr string
	}{
		{wanted: []string{"aes128gcm16", " aes256-sha256", "aes128gcm16"}, want: "aes128gcm16 aes256-sha256"},
		{wanted: []string{"aes*gcm16"}, want: "aes128gcm16 aes192gcm16 aes256gcm16"},
		{wanted: []string{"aes192-sha512"}, want: "aes192-sha512"}, // not among Suites, but a suite
		{wanted: []string{"rot*"}, wantErr: `no suite is like "rot*"; there are aes128-`},
		{wanted: []string{"rot13"}, wantErr: "rot13"},
		{wanted: []string{""}, wantErr: "proposal"},
		{wanted: []string{"[*"}, wantErr: "syntax error"},
		{wanted: []string{"aes128-x"}, wantErr: "x"},
	} {
		chosen, err := Choose(test.wanted)
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q: error %v, want one with %q", test.wanted, err, test.wantErr)
			}
			continue
		}
		if got := strings.Join(chosen, " "); err != nil || got != test.want {
			t.Errorf("%q picks %q (%v), want %q", test.wanted, got, err, test.want)
		}
	}
	if all, err := Choose(nil); err != nil || !slices.Equal(all, Suites()) {
		t.Errorf("nothing picks %q (%v), want all", all, err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]Size{"64": {Octets: 64}, " 1420": {Octets: 1420}, "imix": {Mix: IMIX}} {
		if got, err := ParseSize(text); err != nil || got != want || got.String() != strings.TrimSpace(text) {
			t.Errorf("%q is %v (%v)", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "100000", "jumbo", "64k"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

// TestLoad: what is encrypted is the packet with padding and trailer, and what is counted is the packet.
func TestLoad(t *testing.T) {
	for _, test := range []struct {
		words string
		size  Size
		want  []int
	}{
		{"aes128gcm16", Size{Octets: 64}, []int{68}},
		{"aes128gcm16", Size{Octets: 1420}, []int{1424}},
		{"aes128-sha256", Size{Octets: 64}, []int{80}},
		{"aes128-sha256", Size{Octets: 1420}, []int{1424}},
	} {
		set, err := resolve(test.words)
		if err != nil {
			t.Fatal(err)
		}
		l, err := newLoad(set, test.size, true)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(l.packets, test.want) || l.octets != test.size.Octets {
			t.Errorf("%s, %v: %v octets are encrypted for %d of packets, want %v", test.words, test.size, l.packets, l.octets, test.want)
		}
		if bytes.Equal(l.sealed[0][:16], make([]byte, 16)) {
			t.Errorf("%s: what is sealed is the plaintext", test.words)
		}
	}
}

// TestMeasure measures as shortly as it can, with everything that there is to record.
func TestMeasure(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		before := runtime.GOMAXPROCS(2)
		defer runtime.GOMAXPROCS(before)
	}
	run := &report.Run{Bench: "crypto", Machine: report.Machine{MHz: 2000}}
	c := Config{Suites: []string{"aes128gcm16", "aes128-sha1"}, Sizes: []Size{{Octets: 64}, {Mix: IMIX}}, Cores: []int{1, 2}, Time: 1, Rounds: 2}
	turns := 0
	c.Progress = func(done, total int, _ string) { turns = done }
	if err := Measure(t.Context(), run, c); err != nil {
		t.Fatal(err)
	}
	if turns != 2*2*2*2*2 {
		t.Errorf("%d turns, want those of 2 suites, sizes, directions, cores and rounds", turns)
	}
	for _, cores := range c.Cores {
		for _, op := range []string{Seal, Open} {
			key := report.Key{Figure: report.PacketTime, Subject: Goswan, Suite: "aes128-sha1", Operation: op, Mix: IMIX, Cores: cores}
			time, speed := run.Find(key), run.Find(with(key, report.Throughput))
			if time == nil || speed == nil || len(time.Values) != 2 || !(time.Values[1] > 0) || speed.From != report.PacketTime {
				t.Fatalf("%+v: %v and %v", key, time, speed)
			}
			const mean = (7*40 + 4*576 + 1500) / 12.
			if want := float64(cores) * 8 * mean / time.Values[1]; math.Abs(speed.Values[1]/want-1) > 1e-9 {
				t.Errorf("%v ns for a packet are %v Gbit/s, want %v", time.Values[1], speed.Values[1], want)
			}
			if a := run.Find(with(key, report.Allocations)); cores == 1 && (a == nil || a.Values[0] != 0) {
				t.Errorf("allocations: %v", a)
			}
			if s := run.Find(with(key, report.Scaling)); (s != nil) != (cores == 2) {
				t.Errorf("of %d cores the scaling is %v", cores, s)
			}
			if run.Find(with(key, report.CyclesByte)) == nil && run.Find(with(key, NominalCycles)) == nil {
				t.Error("there are neither cycles nor nominal ones")
			}
		}
	}
	if err := report.Encode(&bytes.Buffer{}, run); err != nil {
		t.Errorf("the run cannot be written: %v", err)
	}
}

func TestMeasureRefuses(t *testing.T) {
	good := Config{Suites: []string{"aes128gcm16"}, Sizes: []Size{{Octets: 64}}, Cores: []int{1}, Time: 1, Rounds: 1}
	for name, change := range map[string]func(*Config){
		"no suites":      func(c *Config) { c.Suites = nil },
		"no suite":       func(c *Config) { c.Suites = []string{"rot13"} },
		"no core":        func(c *Config) { c.Cores = []int{0} },
		"too many cores": func(c *Config) { c.Cores = []int{runtime.GOMAXPROCS(0) + 1} },
		"no rounds":      func(c *Config) { c.Rounds = 0 },
		"no time":        func(c *Config) { c.Time = 0 },
		"no openssl":     func(c *Config) { c.OpenSSL = filepath.Join(t.TempDir(), "openssl") },
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

// TestOpenSSL runs a program that prints what OpenSSL 3.0 does.
func TestOpenSSL(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in is a shell script")
	}
	program := filepath.Join(t.TempDir(), "openssl")
	script := "#!/bin/sh\n[ $1 = version ] && echo 'OpenSSL 3.0.19 27 Jan 2026 (Library: …)' && exit\n" +
		"echo '+DT:x:1:64' >&2\necho +H:64\necho '+F:25:AES-128-GCM:1000000000.00'\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	run := &report.Run{}
	c := Config{Suites: []string{"aes128gcm16", "aes128-sha1"}, Sizes: []Size{{Octets: 64}, {Mix: IMIX}}, Cores: []int{1}, Time: 1, Rounds: 1, OpenSSL: program}
	if err := Measure(t.Context(), run, c); err != nil {
		t.Fatal(err)
	}
	theirs := run.Find(report.Key{Figure: report.Throughput, Subject: OpenSSL, Suite: "aes128gcm16", Operation: Open, Size: 64, Cores: 1})
	if theirs == nil || theirs.Values[0] != 8 {
		t.Errorf("10⁹ octets a second are %v, want 8 Gbit/s", theirs)
	}
	if len(run.Comparisons) != 2 || len(run.Compare(run.Comparisons[0])) != 1 {
		t.Errorf("compared are %+v, want sealing and opening with AES-GCM", run.Comparisons)
	}
	if len(run.Peers) != 1 || !strings.HasPrefix(run.Peers[0].Version, "3.0.19") {
		t.Errorf("the peers are %v", run.Peers)
	}
}

func TestParseSpeed(t *testing.T) {
	for _, test := range []struct {
		text, wantErr string
		want          map[int]float64
	}{
		{text: "+H:1420\n+F:25:AES-128-GCM:1913575488.37\n", want: map[int]float64{1420: 1913575488.37}},
		{text: "+H:16:64\r\n+F:25:ChaCha20-Poly1305:1.00:2.5\r\n", want: map[int]float64{16: 1, 64: 2.5}},
		{text: "", wantErr: "no result"},
		{text: "+H:64\n", wantErr: "no result"},
		{text: "+F:25:x:1\n", wantErr: "1 values of 0 sizes"},
		{text: "+F", wantErr: "-2 values of 0 sizes"},
		{text: "+H:many\n", wantErr: `"many" is no size`},
		{text: "+H:64\n+F:25:x:fast\n", wantErr: `"fast" is no speed`},
		{text: "+H:64\n+F:25:x:inf\n", wantErr: "no CPU time"},
		{text: "+H:64\n+F:25:x:-1\n", wantErr: "no speed"},
		{text: "+H:64\n+F:25:x:1:2\n", wantErr: "2 values of 1 sizes"},
		{text: "+H:64\n+F:1:x:1\n+F:2:y:1\n", wantErr: "more than one"},
	} {
		got, err := parseSpeed(test.text)
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q: error %v, want one with %q", test.text, err, test.wantErr)
			}
			continue
		}
		if err != nil || len(got) != len(test.want) {
			t.Errorf("%q: %v (%v), want %v", test.text, got, err, test.want)
		}
		for size, v := range test.want {
			if got[size] != v {
				t.Errorf("%q: %v, want %v", test.text, got, test.want)
			}
		}
	}
}

// FuzzParseSpeed: what is read has a positive speed for each size.
func FuzzParseSpeed(f *testing.F) {
	f.Add("+H:16:64\n+F:25:AES-128-GCM:1.00:2.5\n")
	f.Add("+F:1\n+H:x")
	f.Fuzz(func(t *testing.T, text string) {
		speeds, err := parseSpeed(text)
		if (err == nil) == (len(speeds) == 0) {
			t.Fatalf("%v with %v", speeds, err)
		}
		for size, v := range speeds {
			if size < 1 || !(v > 0) || math.IsInf(v, 0) {
				t.Fatalf("%d octets at %v", size, v)
			}
		}
	})
}

func TestCores(t *testing.T) {
	before := runtime.GOMAXPROCS(6)
	defer runtime.GOMAXPROCS(before)
	if got := Cores(); !slices.Equal(got, []int{1, 2, 4, 6}) {
		t.Errorf("of 6 cores %v are measured", got)
	}
	runtime.GOMAXPROCS(1)
	if got := Cores(); !slices.Equal(got, []int{1}) {
		t.Errorf("of 1 core %v are measured", got)
	}
}

// TestWarmUp: the laps between two looks at the clock are doubled until they take a grain.
func TestWarmUp(t *testing.T) {
	set, err := resolve("aes128gcm16")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoad(set, Size{Octets: 64}, false)
	if err != nil {
		t.Fatal(err)
	}
	if n := warmUp(l, 0); n != 1 {
		t.Errorf("without time a grain is %d laps, want 1", n)
	}
	if n := warmUp(l, 5*time.Millisecond); n < 1 || n&(n-1) != 0 {
		t.Errorf("a grain is %d laps, which is no power of two", n)
	}
}
