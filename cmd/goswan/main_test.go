package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/core"
	"github.com/spf13/cobra"
)

// goswanRun runs the program in this process.
func goswanRun(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("STRONGSWAN_CONF", os.DevNull)
	t.Setenv("SWANCTL_DIR", "")
	var out, errOut bytes.Buffer
	status = run(context.Background(), args, &out, &errOut)
	return status, out.String(), errOut.String()
}

func TestExitStatus(t *testing.T) {
	good, bad := t.TempDir(), t.TempDir()
	write(t, good, goodConfig)
	write(t, bad, strings.Replace(goodConfig, "proposals", "propsals", 1))
	for _, c := range []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"version", exitDone, "goswan ", ""},
		{"--help", exitDone, "Available Commands:", ""},
		{"run --help", exitDone, "SIGHUP reloads swanctl.conf", ""},
		{"completion bash", exitDone, "complete", ""},
		{"check --swanctl-dir " + good, exitDone, "ok: 1 connection, 1 child, 1 secret", ""},
		{"check --swanctl-dir " + bad, exitFailed, "", "swanctl.conf:4: connections.x.propsals: no such key; did you mean proposals?"},
		{"check --swanctl-dir " + bad + "/none", exitFailed, "", "no such file or directory"},
		{"", exitUsage, "", "a command is missing"},
		{"nonsense", exitUsage, "", `unknown command or argument "nonsense"`},
		{"up", exitUsage, "", "up: expected the name of one child or connection"},
		{"up a b", exitUsage, "", "up: expected the name of one child or connection"},
		{"check extra", exitUsage, "", `"extra"`},
		{"status --nonsense", exitUsage, "", "unknown flag: --nonsense"},
		{"run --log-format xml", exitUsage, "", `--log-format "xml": use console or json`},
		{"run --log-level loud", exitUsage, "", `--log-level "loud": use debug, info, warn or error`},
		{"up net --vici unix:///nonexistent/vici", exitFailed, "", "Is `goswan run` running"},
		{"bench", exitUsage, "", "what to measure is missing"},
		{"bench sums", exitUsage, "", `unknown command or argument "sums"`},
		{"bench crypto --sizes big", exitUsage, "", `--sizes: "big" is no packet size`},
		{"bench crypto --suites rot13", exitUsage, "", `--suites: ESP proposal "rot13"`},
		{"bench crypto --cores 0", exitUsage, "", "--cores: 1 to "},
		{"bench crypto --show beauty", exitUsage, "", `--show "beauty": use throughput`},
		{"bench crypto --time 0s", exitUsage, "", "--time 0s: it takes some time"},
		{"bench crypto --rounds 0", exitUsage, "", "--rounds 0: it takes a round"},
		{"bench crypto --json - --csv -", exitUsage, "", "only one of them"},
		{"bench crypto --json " + good + "/none/x", exitFailed, "", "no such file or directory"},
		{"bench ike --ke rot13", exitUsage, "", `--ke: there is no key exchange "rot13"`},
		{"bench ike --cert rsa512", exitUsage, "", `--cert: there is no certificate of the kind "rsa512"`},
		{"bench ike --sig rot13", exitUsage, "", `--sig: there is no signature scheme "rot13"`},
		{"bench path --sas 0", exitUsage, "", "--sas 0: 1 to 65535"},
		{"bench path --flows 100000", exitUsage, "", "--flows 100000: 1 to 10000"},
		{"bench path --suites rot13", exitUsage, "", `--suites: ESP proposal "rot13"`},
		{"bench tunnel --rounds 0", exitUsage, "", "at least 1 each"},
		{"bench compare one", exitUsage, "", "compare: expected two files written with --json"},
		{"bench compare " + good + "/none " + good + "/none", exitFailed, "", "no such file or directory"},
		{"bench compare " + good + "/swanctl.conf " + good + "/swanctl.conf", exitFailed, "", "swanctl.conf: report: not JSON"},
		{"status --vici nonsense://", exitFailed, "", "nonsense"},
	} {
		status, stdout, stderr := goswanRun(t, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("goswan %s exits with %d, want %d, and %q in its output and %q in its errors; they are:\n%s\n%s", c.args, status, c.status, c.stdout, c.stderr, stdout, stderr)
		}
	}
}

const goodConfig = `connections {
  x {
    remote_addrs = 192.0.2.1
    proposals = default
    local {
      auth = psk
      id = a
    }
    remote {
      auth = psk
      id = b
    }
    children {
      net {
        remote_ts = 10.2.0.0/16
      }
    }
  }
}
secrets {
  ike-x {
    id = b
    secret = abc
  }
}
`

func write(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "swanctl.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for _, c := range c.Commands() {
			if c.Name() == "completion" || c.Name() == "help" {
				continue // cobra's own
			}
			if c.Short == "" || !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("%s has no help text with an example", c.CommandPath())
			}
			look(c)
		}
	}
	look(newRoot())
}

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := demo(ctx, &out, true); err != nil {
		t.Fatalf("the demo fails: %v\n%s", err, &out)
	}
	for _, want := range []string{
		"IKE_SA_INIT     request  0  [ SA KE No", "IKE_AUTH        response 1", "Phase 1 done: IKE SA \"demo\" between alice and bob",
		"Phase 2 done: Child SA \"net\" [10.99.1.1/32] === [10.99.2.1/32]", "<title>bob's page</title>", "Phase 2 rekeyed", "Phase 1 rekeyed",
		"64 MB in", "SHA-256 as sent", "Phase 1 ended", "with plaintext in them: 0.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not print %q:\n%s", want, &out)
		}
	}
}

// TestTheWiretapSeesPlaintext shows that the demo's count of plaintext can be other than 0.
func TestTheWiretapSeesPlaintext(t *testing.T) {
	w := &wiretap{needle: []byte(demoNeedle)}
	w.see([]byte("GET / and then " + demoNeedle))
	w.see(bytes.Repeat([]byte{0x5a}, 1400))
	if got := w.plaintext.Load(); got != 1 {
		t.Errorf("of a datagram with plaintext and one without, %d are counted", got)
	}
	if err := demoSummary(&bytes.Buffer{}, 1, w); err == nil {
		t.Error("plaintext on the wire is not a failure")
	}
}

func TestLogFilesObeyGroupsLevelsAndTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "charon.log")
	files, err := openLogFiles([]config.LogFile{{Path: path, Default: 1, Levels: map[string]int{"ike": 2, "net": -1}, TimeFormat: "%Y-%m-%d %T%%", TimePrecision: "ms", Append: true}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for _, line := range []core.Log{{Group: "IKE", Level: 2, Text: "kept"}, {Group: "IKE", Level: 3, Text: "too detailed"}, {Group: "NET", Level: 0, Text: "silent"}, {Group: "CFG", Level: 1, Text: "default"}} {
		if err := files[0].write(at, 7, line); err != nil {
			t.Fatal(err)
		}
	}
	files.close()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2026-01-02 03:04:05%.006 07[IKE] kept\n2026-01-02 03:04:05%.006 07[CFG] default\n"; string(got) != want {
		t.Errorf("the log file has %q, want %q", got, want)
	}
	if info, _ := os.Stat(path); info.Mode().Perm()&0o007 != 0 {
		t.Errorf("everybody may read the log file: %v", info.Mode())
	}
}

func TestSpansAndOctetsReadWell(t *testing.T) {
	for in, want := range map[string]string{"5": "5 s", "65": "1 min 5 s", "3660": "1 h 1 min", "259200": "3 days"} {
		if got := span(in); got != want {
			t.Errorf("%s seconds are shown as %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"5": "5 octets", "1500": "1.5 kB", "2000000": "2 MB", "3210000000000": "3.2 TB"} {
		if got := octets(in); got != want {
			t.Errorf("%s octets are shown as %q, want %q", in, got, want)
		}
	}
}
