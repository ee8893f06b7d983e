//go:build unix

package vici

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/tuntest/need"
)

// swanctlPlaces is where distributions put strongSwan's swanctl.
var swanctlPlaces = []string{"/usr/sbin/swanctl", "/usr/bin/swanctl", "/usr/local/sbin/swanctl", "/opt/homebrew/sbin/swanctl"}

// installedSwanctl is the host's swanctl, or "".
func installedSwanctl() string {
	for _, path := range swanctlPlaces {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// insists says that a missing swanctl is a failure.
func insists() bool { return os.Getenv("GOSWAN_LAB") == "require" }

func TestMain(m *testing.M) {
	if installedSwanctl() == "" {
		if insists() {
			fmt.Println("vici: FAILED: strongSwan's swanctl is not installed (Debian package strongswan-swanctl), and GOSWAN_LAB=require insists")
			os.Exit(1)
		}
		fmt.Println("vici: SKIPPED: all tests with strongSwan's own swanctl: it is not installed (Debian package strongswan-swanctl)")
	}
	os.Exit(m.Run())
}

// foreman is strongSwan's swanctl with a configuration directory and a server to control.
type foreman struct {
	*bench
	program, dir, uri string
}

const swanctlConf = `
connections {
  office {
    version = 2
    local_addrs = 10.9.0.1
    remote_addrs = 10.9.0.2
    proposals = aes256gcm16-prfsha256-x25519
    dpd_delay = 30s
    local {
      auth = psk
      id = left.example.org
    }
    remote {
      auth = psk
      id = right.example.org
    }
    children {
      net {
        local_ts = 10.1.0.0/16
        remote_ts = 10.2.0.0/16
        esp_proposals = aes128-sha256-modp2048
      }
      web {
        local_ts = 10.1.0.0/16[tcp]
        remote_ts = 10.2.0.0/16[tcp/80]
        start_action = trap
      }
    }
  }
  refused {
    remote_addrs = 192.0.2.2
    local {
      auth = psk
    }
    remote {
      auth = psk
    }
    children {
      refused {
        remote_ts = 10.4.0.0/16
      }
    }
  }
  shunts {
    remote_addrs = 127.0.0.1
    local {
      auth = psk
    }
    remote {
      auth = psk
    }
    children {
      lan {
        mode = pass
        local_ts = 10.1.0.0/16
        remote_ts = 10.1.0.0/16
        start_action = trap
      }
    }
  }
}
secrets {
  ike-1 {
    id-1 = left.example.org
    id-2 = right.example.org
    secret = 0x68616c6c6f
  }
}
pools {
  p1 {
    addrs = 10.77.0.0/24
    dns = 10.77.0.1, 10.77.0.2
  }
}
`

// newForeman starts a server on a unix socket.
func newForeman(t *testing.T) *foreman {
	t.Helper()
	installed := installedSwanctl()
	if installed == "" {
		need.Lacking(t, "strongSwan's swanctl is not installed (Debian package strongswan-swanctl)")
	}
	dir := socketDir(t)
	f := &foreman{bench: newBench(t, nil), program: filepath.Join(dir, "swanctl"), dir: dir, uri: "unix://" + filepath.Join(dir, "vici")}
	// A copy, because Debian's AppArmor profile confines the program at its own path to /etc and /run.
	octets, err := os.ReadFile(installed)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"swanctl": octets, "swanctl.conf": []byte(swanctlConf), "strongswan.conf": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Listen(f.uri)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = f.server.Serve(l) }()
	return f
}

func (f *foreman) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, f.program, append(args, "--uri", f.uri)...)
	cmd.Env = append(os.Environ(), "SWANCTL_DIR="+f.dir, "STRONGSWAN_CONF="+filepath.Join(f.dir, "strongswan.conf"), "LC_ALL=C")
	return cmd
}

// run runs swanctl and returns what it printed, both outputs, and its exit status.
func (f *foreman) run(args ...string) (string, int) {
	f.t.Helper()
	out, err := f.command(f.ctx, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatalf("swanctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

// want runs swanctl and wants that exit status and each of the texts, in order.
func (f *foreman) want(status int, args string, texts ...string) {
	f.t.Helper()
	out, got := f.run(strings.Fields(args)...)
	if got != status {
		f.t.Errorf("swanctl %s exits with %d, want %d:\n%s", args, got, status, out)
	}
	rest := out
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			f.t.Errorf("swanctl %s prints\n%s\nwhich has not, or not in this order,\n%s", args, out, text)
			return
		}
		rest = after
	}
}

func TestSwanctlLoadAll(t *testing.T) {
	f := newForeman(t)
	f.want(0, "--load-all --noprompt", "loaded ike secret 'ike-1'", "no authorities found, 0 unloaded", "loaded pool 'p1'",
		"successfully loaded 1 pools, 0 unloaded", "loaded connection 'office'", "successfully loaded 3 connections, 0 unloaded")
	if s := f.daemon.shared[0]; string(s.Data) != "hallo" || s.ID != "ike-1" || len(s.Owners) != 2 {
		t.Errorf("the secret is loaded with %d octets, ID %s and owners %q", len(s.Data), s.ID, s.Owners)
	}
	if child := f.daemon.conns[0].Children[1]; child.RemoteTS[0].TS.String() != "10.2.0.0/16[tcp/80]" {
		t.Errorf("the child is loaded as %+v", child)
	}
	// A connection that is not there any more is unloaded, and a secret, and a pool.
	conf := strings.Replace(swanctlConf, "  shunts {", "  lan {", 1)
	conf = strings.Replace(strings.Replace(conf, "ike-1 {", "ike-2 {", 1), "p1 {", "p2 {", 1)
	if err := os.WriteFile(filepath.Join(f.dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want(0, "--load-all --noprompt", "successfully loaded 1 pools, 1 unloaded", "successfully loaded 3 connections, 1 unloaded")
	if ids := f.daemon.SharedIDs(); len(ids) != 1 || ids[0] != "ike-2" {
		t.Errorf("the secrets are %q, want ike-2", ids)
	}
	// What is wrong is told with what would be right.
	conf = strings.Replace(swanctlConf, "dpd_delay", "dpd_dealy", 1)
	if err := os.WriteFile(filepath.Join(f.dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	f.want(int(syscall.EINVAL), "--load-conns", "loading connection 'office' failed: connections.office.dpd_dealy: ", "did you mean dpd_delay?", "loaded 2 of 3 connections, 1 failed to load, 1 unloaded")
}

func TestSwanctlLists(t *testing.T) {
	f := newForeman(t)
	f.want(0, "--load-all --noprompt")
	f.want(0, "--list-conns", "office: IKEv2, no reauthentication, rekeying every 14400s, dpd delay 30s\n",
		"  local pre-shared key authentication:\n    id: left.example.org\n", "  net: TUNNEL, rekeying every 3600s, dpd action is none\n",
		"    local:  10.1.0.0/16\n    remote: 10.2.0.0/16\n", "shunts: IKEv1/2", "  lan: PASS, no rekeying\n")
	f.want(0, "--list-conns --raw", "list-conn event {office {local_addrs=[10.9.0.1] remote_addrs=[10.9.0.2] local_port=500", "list-conns reply {}")
	f.want(0, "--list-pols", "office/web, ", "TUNNEL\n  local:  10.1.0.0/16[tcp]\n", "shunts/lan, ", "PASS\n  local:  10.1.0.0/16\n  remote: 10.1.0.0/16\n")
	f.want(0, "--list-pols --trap --raw", "list-policy event {office/web {child=web reqid=1 ike=office mode=TUNNEL ", "list-policies reply {}")
	f.want(0, "--list-pools", "p1", "10.77.0.1", "0 / 0 / 254")
	f.want(0, "--list-pools --leases --raw", "get-pools reply {p1 {base=10.77.0.1 size=254 online=0 offline=0 leases {}}}")
	f.want(0, "--list-algs", "encryption:\n  AES_CBC[goswan]\n", "aead:\n", "ke:\n")
	f.want(0, "--list-certs --raw", "list-certs reply {}")
	f.want(0, "--list-authorities --raw", "list-authorities reply {}")
	f.want(0, "--version --daemon", "strongSwan 0.0.1 goswan (")
	f.want(0, "--stats", "uptime: 90 seconds, since Mar 0", "worker threads: ", " total, ", "jobs scheduled: 3\n", "IKE_SAs: 0 total, 0 half-open\n", "memory usage: ", "loaded plugins: ikev2 vici\n")
	f.want(0, "--flush-certs --raw", "flush-certs reply {success=yes}")
	f.want(0, "--reload-settings --raw", "reload-settings reply {success=yes}")
}

func TestSwanctlSAs(t *testing.T) {
	f := newForeman(t)
	f.want(0, "--load-all --noprompt")
	f.want(0, "--initiate --child net", "[IKE] initiating IKE_SA office[3] to 10.9.0.2\n", "initiate completed successfully\n")
	f.want(0, "--initiate --child net --loglevel 2", "[IKE] initiating IKE_SA office[4] to 10.9.0.2\n[ENC] detail\n")
	f.want(1, "--initiate --child refused", "initiate failed: establishing CHILD_SA 'refused' failed: phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused\n")
	f.want(1, "--initiate --child none", "initiate failed: CHILD_SA config 'none' not found\n")
	// As Debian's swanctl printed it of charon, but for SPIs and IDs.
	f.want(0, "--list-sas --ike-id 3", `office: #3, ESTABLISHED, IKEv2, 0000000000000103_i* a300000000000103_r
  local  'left.example.org' @ 10.9.0.1[4500]
  remote 'right.example.org' @ 10.9.0.2[4500]
  AES_GCM_16-256/PRF_HMAC_SHA2_256/CURVE_25519
  established 24s ago, rekeying in 13218s
  net: #103, reqid 103, INSTALLED, TUNNEL-in-UDP, ESP:AES_CBC-128/HMAC_SHA2_256_128
    installed 24s ago, rekeying in 3303s, expires in 3936s
    in  c0000067,    168 bytes,     2 packets,     0s ago
    out d0000067,    168 bytes,     2 packets,     0s ago
    local  10.1.0.0/16
    remote 10.2.0.0/16
`)
	f.want(0, "--list-sas --raw", "list-sa event {office {uniqueid=3 version=2 state=ESTABLISHED local-host=10.9.0.1 ", " child-sas {net-103 {name=net uniqueid=103 ", "list-sas reply {}")
	f.want(0, "--rekey --child-id 103 --raw", "rekey reply {success=yes matches=1}")
	if got := <-f.daemon.rekeyed; got != (Target{IKE: 3, Child: 103}) {
		t.Errorf("%+v is rekeyed, want Child SA 103 of IKE SA 3", got)
	}
	f.want(0, "--terminate --ike-id 3", "[IKE] deleting IKE_SA office[3]\n", "terminate completed successfully\n")
	f.want(0, "--terminate --ike office --raw", "terminate reply {success=yes matches=1 terminated=1}")
	f.want(1, "--terminate --ike office", "terminate failed: no matching SAs to terminate found\n")
	f.want(0, "--counters", "global:\n", "ike-init-out-req      : 3\n")
	f.want(0, "--counters --all", "office:\n", "ike-init-out-req      : 2\n", "refused:\n")
	f.want(0, "--counters --reset", "reset-counters completed successfully")
	f.want(0, "--install --child net", "install completed successfully")
	f.want(0, "--uninstall --child net", "uninstall completed successfully")
	f.want(1, "--uninstall --child net", "uninstall failed: policy 'net' not found")
}

// TestSwanctlTraces has the two commands that go on until they are interrupted.
func TestSwanctlTraces(t *testing.T) {
	stdbuf, err := exec.LookPath("stdbuf")
	if err != nil {
		need.Lacking(t, "stdbuf (Debian package coreutils), which makes swanctl print its lines at once, is not installed")
	}
	f := newForeman(t)
	hello := func() { f.daemon.log("office", 1, "IKE", 1, "hello") }
	up := func() { f.daemon.tell(Event{Conn: "gw", IKE: 1, What: core.Established{IKE: recorded(t)}}) }
	tests := []struct {
		args  string
		raise func()
		want  string
	}{
		{"--log", hello, "00[IKE] hello"},
		{"--log --raw", hello, "log {group=IKE level=1 thread=0 ikesa-name=office ikesa-uniqueid=1 msg=hello}"},
		{"--monitor-sa --raw", up, "ike-updown event {up=yes gw {uniqueid=1 version=2 state=ESTABLISHED"},
	}
	for _, test := range tests {
		cmd := f.command(f.ctx, strings.Fields(test.args)...)
		cmd.Path, cmd.Args = stdbuf, append([]string{stdbuf, "-oL"}, cmd.Args...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := f.repeat(test.raise)
		line, err := bufio.NewReader(out).ReadString('\n')
		stop()
		if !strings.HasPrefix(line, test.want) {
			t.Errorf("swanctl %s prints %s, %v; want %s", test.args, line, err, test.want)
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Errorf("swanctl %s does not go on until it is interrupted: %v", test.args, err)
		}
		// It ends well, or of the signal when that comes before it waits for it.
		_ = cmd.Wait()
	}
}

// repeat does something again and again until stop is called: swanctl does not tell when it has begun to listen.
func (f *foreman) repeat(do func()) (stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			do()
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-stopped }
}
