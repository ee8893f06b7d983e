//go:build linux

package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// updownScript notes its environment. The file appears whole, because it gets its name when it is complete.
const updownScript = `#!/bin/sh
env | grep '^PLUTO_' | sort > %[1]s/noted.$$
mv %[1]s/noted.$$ %[1]s/$PLUTO_VERB
`

// updownEnvironment is what strongSwan 5.9.8 gives a script, as a regular expression: verb, our address, our network, our
// identity, the peer's address, network and identity, and the interface.
const updownEnvironment = `^PLUTO_CONNECTION=net
PLUTO_INTERFACE=%[8]s
PLUTO_ME=%[2]s
PLUTO_MY_CLIENT=%[3]s
PLUTO_MY_ID=%[4]s
PLUTO_MY_PORT=0
PLUTO_MY_PROTOCOL=0
PLUTO_PEER=%[5]s
PLUTO_PEER_CLIENT=%[6]s
PLUTO_PEER_ID=%[7]s
PLUTO_PEER_PORT=0
PLUTO_PEER_PROTOCOL=0
PLUTO_PROTO=esp
PLUTO_REQID=[0-9]+
PLUTO_UDP_ENC=4500
PLUTO_UNIQUEID=[0-9]+
PLUTO_VERB=%[1]s
PLUTO_VERSION=1\.1
$`

// updownInterface is what a script is told to put its rules on: goswan has the protected traffic on its TUN device,
// strongSwan names the interface of the outer address.
var updownInterface = map[Daemon]string{Goswan: goswanTUN, StrongSwan: "wan"}

// TestUpdown has a script at both ends that is called when the Child SA comes and when it goes, and not for a rekey.
func TestUpdown(t *testing.T) {
	eachPair(t, pairs, "updown", Topology{}, func(t *testing.T, n *Net) {
		left := []any{`192\.0\.2\.2`, `10\.1\.0\.0/24`, `left\.example`}
		right := []any{`198\.51\.100\.2`, `10\.2\.0\.0/24`, `right\.example`}
		ends := []struct {
			host *Host
			env  []any
		}{{n.Left, slices.Concat(left, right)}, {n.Right, slices.Concat(right, left)}}
		for _, end := range ends {
			end.host.installUpdown(t)
		}
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		for _, end := range ends {
			end.host.wantUpdown(t, "up-client", end.env)
		}
		n.rekey(t, n.Left, rekeyChild)
		n.rekey(t, n.Right, rekeyIKE)
		n.Left.Terminate(t, "site")
		n.WaitGone(t)
		for _, end := range ends {
			end.host.wantUpdown(t, "down-client", end.env)
			if again, err := filepath.Glob(filepath.Join(end.host.updownDir(), "up-*")); err != nil || len(again) != 0 {
				t.Errorf("%s (%s): the script was called for a rekey: %v, %v", end.host.Name, end.host.Daemon, again, err)
			}
		}
	})
}

// updownDir is where the script notes its calls.
func (h *Host) updownDir() string { return filepath.Join(h.Dir, "updown") }

// installUpdown writes the script and configures it.
func (h *Host) installUpdown(t *testing.T) {
	t.Helper()
	script := filepath.Join(h.Dir, "updown.sh")
	if err := os.Mkdir(h.updownDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, fmt.Appendf(nil, updownScript, h.updownDir()), 0o700); err != nil {
		t.Fatal(err)
	}
	h.WriteConfig(t, "updown.conf", "updown = "+script+"\n")
	h.LoadAll(t)
}

// wantUpdown waits for the call with that verb, compares its environment, and forgets it.
func (h *Host) wantUpdown(t *testing.T, verb string, env []any) {
	t.Helper()
	path := filepath.Join(h.updownDir(), verb)
	waitFor(t, fmt.Sprintf("%s (%s) calls its script with %s", h.Name, h.Daemon, verb), func() (bool, string) {
		_, err := os.Stat(path)
		return err == nil, fmt.Sprint(err)
	})
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(updownEnvironment, slices.Concat([]any{verb}, env, []any{updownInterface[h.Daemon]})...)
	if !regexp.MustCompile(want).Match(got) {
		t.Errorf("%s (%s): the script's environment is\n%s\nwant\n%s", h.Name, h.Daemon, strings.TrimSpace(string(got)), want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
