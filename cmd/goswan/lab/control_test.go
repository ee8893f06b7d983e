//go:build linux

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// controlStep is one swanctl command and what it has to print, on either daemon.
type controlStep struct {
	args  []string
	want  []string // regular expressions, all of which match
	fails bool     // exit status other than 0
}

// controlSteps drive a daemon of the scenario "site" from nothing to two Child SAs and back.
var controlSteps = []controlStep{
	{args: []string{"--version", "--daemon"}, want: []string{`\d+\.\d+`}},
	{args: []string{"--stats"}, want: []string{`uptime: `, `worker threads: `, `IKE_SAs: 0 total, 0 half-open`, `loaded plugins: `}},
	{args: []string{"--load-all", "--noprompt"}, want: []string{`loaded ike secret 'ike-site'`, `loaded connection 'site'`, `successfully loaded 1 connections`}},
	{args: []string{"--list-conns"}, want: []string{
		`(?m)^site: IKEv2, no reauthentication, rekeying every 14400s$`, `local:  192\.0\.2\.2`, `remote: 198\.51\.100\.2`,
		`local pre-shared key authentication:\n    id: left\.example`, `remote pre-shared key authentication:\n    id: right\.example`,
		`net: TUNNEL, rekeying every 3600s\n    local:  10\.1\.0\.0/24\n    remote: 10\.2\.0\.0/24`,
		`net6: TUNNEL, rekeying every 3600s\n    local:  fd00:1::/64\n    remote: fd00:2::/64`,
	}},
	{args: []string{"--list-sas"}, want: []string{`^$`}},
	{args: []string{"--initiate", "--child", "nix"}, fails: true, want: []string{`initiate failed: .*nix`}},
	{args: []string{"--initiate", "--ike", "site", "--child", "net"}, want: []string{
		`\[ENC\] generating IKE_SA_INIT request 0 \[ SA KE No`, `\[ENC\] parsed IKE_AUTH response 1 \[ IDr AUTH SA TSi TSr`,
		`\[IKE\] .*CHILD_SA net\{\d+\} established with SPIs`, `initiate completed successfully`,
	}},
	{args: []string{"--initiate", "--child", "net6"}, want: []string{`initiate completed successfully`}},
	{args: []string{"--list-sas"}, want: []string{
		`(?m)^site: #\d+, ESTABLISHED, IKEv2, [0-9a-f]{16}_i\* [0-9a-f]{16}_r$`,
		`  local  'left\.example' @ 192\.0\.2\.2\[4500\]\n  remote 'right\.example' @ 198\.51\.100\.2\[4500\]\n`,
		`  AES_GCM_16-256/PRF_HMAC_SHA2_384/CURVE_25519\n  established \d+s ago, rekeying in \d+s\n`,
		`  net: #\d+, reqid \d+, INSTALLED, TUNNEL-in-UDP, ESP:AES_GCM_16-256\n    installed \d+s ago, rekeying in \d+s, expires in \d+s\n`,
		`    in  [0-9a-f]{8},\s+\d+ bytes,\s+\d+ packets`, `    out [0-9a-f]{8},\s+\d+ bytes,\s+\d+ packets`,
		`    local  10\.1\.0\.0/24\n    remote 10\.2\.0\.0/24`, `    local  fd00:1::/64\n    remote fd00:2::/64`,
	}},
	{args: []string{"--list-sas", "--child", "net6"}, want: []string{`  net6: #`}},
	{args: []string{"--stats"}, want: []string{`IKE_SAs: 1 total, 0 half-open`}},
	{args: []string{"--rekey", "--child", "nix"}, fails: true, want: []string{`rekey failed: .*no matching SAs`}},
	{args: []string{"--rekey", "--child", "net6"}, want: []string{`rekey completed successfully`}},
	{args: []string{"--rekey", "--ike", "site"}, want: []string{`rekey completed successfully`}},
	{args: []string{"--load-conns"}, want: []string{`loaded connection 'site'`}},
	{args: []string{"--load-creds", "--noprompt"}, want: []string{`loaded ike secret 'ike-site'`}},
	{args: []string{"--load-pools"}, want: []string{`no pools found`}},
	{args: []string{"--load-authorities"}, want: []string{`no authorities found`}},
	{args: []string{"--list-pools"}, want: []string{`^$`}},
	{args: []string{"--install", "--child", "net"}, want: []string{`install completed successfully`}},
	{args: []string{"--list-pols"}, want: []string{`site/net, TUNNEL\n  local:  10\.1\.0\.0/24\n  remote: 10\.2\.0\.0/24`}},
	{args: []string{"--uninstall", "--child", "net"}, want: []string{`uninstall completed successfully`}},
	{args: []string{"--list-pols"}, want: []string{`^$`}},
	{args: []string{"--terminate", "--child", "net6"}, want: []string{`\[IKE\] .*CHILD_SA net6\{\d+\}`, `terminate completed successfully`}},
	{args: []string{"--terminate", "--ike", "site"}, want: []string{`\[IKE\] .*IKE_SA site\[\d+\]`, `terminate completed successfully`}},
	{args: []string{"--terminate", "--ike", "site"}, fails: true, want: []string{`terminate failed: .*no matching SAs`}},
	{args: []string{"--list-sas"}, want: []string{`^$`}},
}

// TestSwanctl drives the daemon with Debian's swanctl: each command that an administrator uses, with what strongSwan's
// daemon makes it print. The second pair has strongSwan where goswan was, which keeps the table honest.
func TestSwanctl(t *testing.T) {
	over := []Pair{{Goswan, StrongSwan}, {StrongSwan, Goswan}}
	eachPair(t, over, "site", Topology{}, func(t *testing.T, n *Net) {
		for _, step := range controlSteps {
			step.run(t, n.Left)
		}
		n.WaitGone(t)
	})
}

// run runs the command once.
func (step controlStep) run(t *testing.T, h *Host) {
	t.Helper()
	out, err := h.Swanctl(step.args...)
	command := "swanctl " + strings.Join(step.args, " ")
	if (err != nil) != step.fails {
		t.Errorf("%s: %v, want failure %v:\n%s", command, err, step.fails, out)
	}
	for _, expression := range step.want {
		if !regexp.MustCompile(expression).MatchString(out) {
			t.Errorf("%s does not print %q but:\n%s", command, expression, out)
		}
	}
}

// The keys of list-sas in the order in which strongSwan documents and sends them (vici README.md, list-sa event). Tools
// match on the raw output.
var (
	ikeKeys = strings.Fields(`uniqueid version state local-host local-port local-id remote-host remote-port remote-id
		remote-xauth-id remote-eap-id initiator initiator-spi responder-spi nat-local nat-remote nat-fake nat-any if-id-in
		if-id-out encr-alg encr-keysize integ-alg integ-keysize prf-alg dh-group ppk established rekey-time reauth-time
		local-vips remote-vips tasks-queued tasks-active tasks-passive child-sas`)
	ikeKeysAlways = strings.Fields(`uniqueid version state local-host local-port local-id remote-host remote-port remote-id
		initiator-spi responder-spi encr-alg encr-keysize prf-alg dh-group established rekey-time child-sas`)
	childKeys = strings.Fields(`name uniqueid reqid state mode protocol encap spi-in spi-out cpi-in cpi-out mark-in mark-mask-in
		mark-out mark-mask-out if-id-in if-id-out label encr-alg encr-keysize integ-alg integ-keysize prf-alg dh-group esn
		bytes-in packets-in use-in bytes-out packets-out use-out rekey-time life-time install-time local-ts remote-ts`)
	childKeysAlways = strings.Fields(`name uniqueid reqid state mode protocol encap spi-in spi-out encr-alg encr-keysize
		bytes-in packets-in use-in bytes-out packets-out use-out rekey-time life-time install-time local-ts remote-ts`)
	connKeys = strings.Fields(`local_addrs remote_addrs local_port remote_port version reauth_time rekey_time unique dpd_delay
		dpd_timeout ppk ppk_required local-1 remote-1 children`)
	connKeysAlways      = strings.Fields(`local_addrs remote_addrs version reauth_time rekey_time unique local-1 remote-1 children`)
	connChildKeys       = strings.Fields(`mode label rekey_time rekey_bytes rekey_packets dpd_action close_action local-ts remote-ts`)
	connChildKeysAlways = strings.Fields(`mode rekey_time rekey_bytes rekey_packets dpd_action close_action local-ts remote-ts`)
)

// TestRawKeys holds both daemons to those keys.
func TestRawKeys(t *testing.T) {
	over := []Pair{{Goswan, StrongSwan}}
	eachPair(t, over, "rekey", Topology{}, func(t *testing.T, n *Net) {
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
		n.RightLAN.Ping(t, n.LeftLAN.IPv4)
		for _, h := range []*Host{n.Left, n.Right} {
			checkKeys(t, h, "list-sas", h.SA(t).Section, ikeKeys, ikeKeysAlways)
			checkKeys(t, h, "list-sas child-sas", h.Child(t, "net").Section, childKeys, childKeysAlways)
			bodies := rawMessages(h.mustSwanctl(t, "--list-conns", "--raw"), "list-conn event")
			if len(bodies) != 1 {
				t.Fatalf("%s (%s): %d list-conn events, want 1", h.Name, h.Daemon, len(bodies))
			}
			message, err := parseRaw(bodies[0])
			if err != nil {
				t.Fatal(err)
			}
			conn := message.sub("site")
			checkKeys(t, h, "list-conns", conn, connKeys, connKeysAlways)
			checkKeys(t, h, "list-conns children", conn.sub("children").sub("net"), connChildKeys, connChildKeysAlways)
		}
	})
}

// checkKeys asserts that a section has only keys of order, in that order, and all of always.
func checkKeys(t *testing.T, h *Host, what string, s *section, order, always []string) {
	t.Helper()
	keys, last := s.keys(), -1
	for _, key := range keys {
		at := slices.Index(order, key)
		if at <= last {
			t.Errorf("%s (%s): %s: key %s is unknown or out of order: %v, want the order %v", h.Name, h.Daemon, what, key, keys, order)
			break
		}
		last = at
	}
	for _, key := range always {
		if !slices.Contains(keys, key) {
			t.Errorf("%s (%s): %s: key %s is missing: %v", h.Name, h.Daemon, what, key, keys)
		}
	}
}

// TestEvents listens with `swanctl --monitor-sa` and `swanctl --log` while SAs come, are rekeyed and go.
func TestEvents(t *testing.T) {
	over := []Pair{{Goswan, StrongSwan}, {StrongSwan, Goswan}}
	eachPair(t, over, "site", Topology{}, func(t *testing.T, n *Net) {
		monitor := n.Left.follow(t, "monitor", "--monitor-sa", "--raw")
		log := n.Left.follow(t, "log", "--log")
		// When the listeners are ready is not known. They are once they hear of SAs that come and go until then.
		waitFor(t, "both listeners hear something", func() (bool, string) {
			n.Left.Initiate(t, "net")
			n.Left.Terminate(t, "site")
			return monitor(t) != "" && log(t) != "", ""
		})
		n.WaitGone(t)
		heard := len(monitor(t))
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.rekey(t, n.Left, rekeyChild)
		n.rekey(t, n.Left, rekeyIKE)
		n.Left.Terminate(t, "site")
		for _, event := range []string{
			`ike-updown event \{up=yes site \{.*state=ESTABLISHED`, `child-updown event \{up=yes site \{.*child-sas \{net-\d+ \{name=net `,
			`ike-updown event \{site \{`, `child-updown event \{site \{.*child-sas \{net-\d+ \{name=net `,
		} {
			waitFor(t, "swanctl --monitor-sa prints "+event, func() (bool, string) {
				all := monitor(t)[heard:]
				return regexp.MustCompile(`(?m)^` + event).MatchString(all), all
			})
		}
		for _, line := range []string{
			`\[ENC\] generating CREATE_CHILD_SA request \d+ \[ .*N\(REKEY_SA\)`,
			`\[IKE\] .*IKE_SA site\[\d+\]`,
		} {
			waitFor(t, "swanctl --log prints "+line, func() (bool, string) {
				return regexp.MustCompile(line).MatchString(log(t)), log(t)
			})
		}
	})
}

// follow runs a swanctl that goes on until the test ends, and returns what reads all it has printed.
func (h *Host) follow(t *testing.T, name string, args ...string) func(*testing.T) string {
	t.Helper()
	path := filepath.Join(h.Dir, name)
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := h.swanctl(ctx, args...)
	// swanctl gathers what it prints into a file; stdbuf makes it print each line.
	cmd.Args = append([]string{"stdbuf", "-oL"}, cmd.Args...)
	if cmd.Path, err = exec.LookPath("stdbuf"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = file, file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return func(t *testing.T) string {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// TestReload loads configurations with a mistake. The daemon says what is wrong and keeps what it had.
func TestReload(t *testing.T) {
	over := []Pair{{Goswan, StrongSwan}}
	eachPair(t, over, "site", Topology{}, func(t *testing.T, n *Net) {
		for _, mistake := range []struct{ text, want string }{
			{"connections { site { proposals = aes257 \n } }\n", "proposals"},
			{"connections { site { propsals = aes256 \n } }\n", "propsals"},
		} {
			n.Left.WriteConfig(t, "swanctl.conf", mistake.text)
			out, err := n.Left.Swanctl("--load-conns")
			if err == nil || !strings.Contains(out, "loading connection 'site' failed") || !strings.Contains(out, mistake.want) {
				t.Errorf("swanctl --load-conns of %q: %v, want a failure that names %s:\n%s", mistake.text, err, mistake.want, out)
			}
		}
		n.Left.Initiate(t, "net", "net6")
		n.WaitUp(t, "net", "net6")
		n.LeftLAN.Ping(t, n.RightLAN.IPv6)
	})
}

// TestCommands drives goswan with its own commands.
func TestCommands(t *testing.T) {
	over := []Pair{{Goswan, Goswan}}
	eachPair(t, over, "site", Topology{}, func(t *testing.T, n *Net) {
		if n.Left.Daemon != Goswan {
			t.Skip("lab: no goswan on the left, so there is nothing to drive")
		}
		h := n.Left
		h.wantExit(t, 0, "up", "net")
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
		if out := h.wantExit(t, 0, "status"); !strings.Contains(out, "site") || !strings.Contains(out, "10.2.0.0/24") {
			t.Errorf("goswan status names neither the connection nor its network:\n%s", out)
		}
		out := h.wantExit(t, 0, "status", "--json")
		if !json.Valid([]byte(out)) || !strings.Contains(out, `"ESTABLISHED"`) || !strings.Contains(out, `"INSTALLED"`) {
			t.Errorf("goswan status --json is no JSON with an ESTABLISHED and an INSTALLED SA:\n%s", out)
		}
		if out := h.wantExit(t, 1, "up", "nix"); !strings.Contains(out, "nix") {
			t.Errorf("goswan up nix does not say what it has not found:\n%s", out)
		}
		h.wantExit(t, 2, "up")
		h.wantExit(t, 2, "frobnicate")
		h.wantExit(t, 0, "down", "site")
		n.WaitGone(t)
		h.wantExit(t, 1, "down", "site")
	})
}

// wantExit runs a goswan command and asserts its exit status.
func (h *Host) wantExit(t *testing.T, want int, args ...string) string {
	t.Helper()
	out, err := h.Goswan(args...)
	status := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Fatalf("goswan %s: %v", strings.Join(args, " "), err)
	}
	if status != want {
		t.Errorf("goswan %s: exit status %d, want %d:\n%s", strings.Join(args, " "), status, want, out)
	}
	return out
}
