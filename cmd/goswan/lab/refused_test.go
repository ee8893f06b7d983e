//go:build linux

package lab

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"testing"
)

// says is what a daemon has to print, as a regular expression, by daemon.
type says map[Daemon]string

// refusal is a configuration under which a Child SA must not come up, and the reason that each end prints.
type refusal struct {
	scenario string
	// ikeStays tells that the IKE SA is established all the same. RFC 7296 §1.2
	ikeStays             bool
	initiator, responder says
}

var refusals = []refusal{{
	scenario: "wrong-psk",
	initiator: says{
		Goswan:     `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused`,
		StrongSwan: `received AUTHENTICATION_FAILED notify error`,
	},
	responder: says{
		Goswan:     `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: .*(left|right)\.example.*pre-shared key .{0,2}ike-site.*compare the secret`,
		StrongSwan: `tried 1 shared key for .* but MAC mismatched`,
	},
}, {
	scenario: "wrong-identity",
	initiator: says{
		Goswan:     `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused`,
		StrongSwan: `received AUTHENTICATION_FAILED notify error`,
	},
	responder: says{
		Goswan:     `phase 1 IKE_AUTH: NO_CONNECTION: .*no connection is for the peer .*(left|elsewhere)\.example.*acceptable .*site.*local id (elsewhere|left)\.example`,
		StrongSwan: `no matching peer config found`,
	},
}, {
	scenario: "no-ike-proposal",
	initiator: says{
		Goswan:     `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused.*offered IKE:`,
		StrongSwan: `received NO_PROPOSAL_CHOSEN notify error`,
	},
	responder: says{
		Goswan:     "phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: .*offered IKE:.*acceptable IKE:.*add `[0-9a-z-]+` to `proposals` of connection .{0,2}site",
		StrongSwan: `no acceptable .* found|received proposals unacceptable`,
	},
}, {
	scenario: "no-esp-proposal",
	ikeStays: true,
	initiator: says{
		Goswan:     `phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: the peer refused.*offered ESP:`,
		StrongSwan: `received NO_PROPOSAL_CHOSEN notify, no CHILD_SA built`,
	},
	responder: says{
		Goswan:     "phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: .*offered ESP:.*acceptable ESP:.*add `[0-9a-z-]+` to `esp_proposals` of child .{0,2}net",
		StrongSwan: `no acceptable proposal found`,
	},
}, {
	scenario: "ts-unacceptable",
	ikeStays: true,
	initiator: says{
		Goswan:     `phase 2 IKE_AUTH: TS_UNACCEPTABLE: .*the peer refused.*offered 10\.\d+\.0\.0/24 === 10\.\d+\.0\.0/24`,
		StrongSwan: `received TS_UNACCEPTABLE notify, no CHILD_SA built`,
	},
	responder: says{
		Goswan:     `phase 2 IKE_AUTH: TS_UNACCEPTABLE: .*offered 10\.\d+\.0\.0/24 === 10\.\d+\.0\.0/24; acceptable .*net.* 10\.\d+\.0\.0/24 === 10\.\d+\.0\.0/24`,
		StrongSwan: `traffic selectors .* unacceptable`,
	},
}}

// TestRefused has a Child SA refused for each reason, in both directions; then both ends load a configuration without
// the mistake, and it comes up.
func TestRefused(t *testing.T) {
	eachPair(t, pairs, "wrong-psk", Topology{}, func(t *testing.T, n *Net) {
		for _, refusal := range refusals {
			t.Run(refusal.scenario+"/left begins", func(t *testing.T) { refusal.run(t, n, n.Left, n.Right) })
			t.Run(refusal.scenario+"/right begins", func(t *testing.T) { refusal.run(t, n, n.Right, n.Left) })
		}
		n.reconfigure(t, "site")
		n.Left.Initiate(t, "net")
		n.WaitUp(t, "net")
		n.LeftLAN.Ping(t, n.RightLAN.IPv4)
	})
}

// TestRefusedWithLine has goswan read swanctl.conf itself, at its start. What it refuses it refuses with the file and the
// line to change; a configuration that swanctl loaded has none.
func TestRefusedWithLine(t *testing.T) {
	for _, test := range []struct{ scenario, want string }{
		{"no-ike-proposal", `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: .*/swanctl\.conf:7`},
		{"no-esp-proposal", `phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: .*/swanctl\.conf:20`},
		{"ts-unacceptable", `phase 2 IKE_AUTH: TS_UNACCEPTABLE: .*/swanctl\.conf:1[89]`},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			eachPair(t, []Pair{{StrongSwan, Goswan}}, test.scenario, Topology{}, func(t *testing.T, n *Net) {
				if n.Right.Daemon != Goswan {
					t.Skip("lab: strongSwan does not say a line")
				}
				n.Left.InitiateFails(t, "net")
				n.Right.WaitLogFrom(t, 0, test.want)
			})
		})
	}
}

// reconfigure loads another scenario at both ends.
func (n *Net) reconfigure(t *testing.T, scenario string) {
	t.Helper()
	n.Left.Configure(t, scenario+"/left")
	n.Right.Configure(t, scenario+"/right")
	n.Left.LoadAll(t)
	n.Right.LoadAll(t)
}

// run tries once and looks at what both ends say and have.
func (r refusal) run(t *testing.T, n *Net, initiator, responder *Host) {
	n.reconfigure(t, r.scenario)
	from := map[*Host]int{initiator: len(initiator.Log(t)), responder: len(responder.Log(t))}
	printed := initiator.InitiateFails(t, "net")
	initiator.WaitLogFrom(t, from[initiator], r.initiator[initiator.Daemon])
	responder.WaitLogFrom(t, from[responder], r.responder[responder.Daemon])
	if initiator.Daemon == Goswan && !regexp.MustCompile(r.initiator[Goswan]).MatchString(printed) {
		t.Errorf("swanctl --initiate did not print the reason %q:\n%s", r.initiator[Goswan], printed)
	}
	r.settle(t, n, initiator)
	if initiator.Daemon == Goswan {
		r.upFails(t, initiator)
		r.settle(t, n, initiator)
	}
}

// settle looks at what is left after a refusal and takes it down.
func (r refusal) settle(t *testing.T, n *Net, initiator *Host) {
	t.Helper()
	if r.ikeStays {
		n.WaitUp(t)
		initiator.Terminate(t, "site")
	}
	n.WaitGone(t)
}

// upFails asserts that `goswan up` exits with 1 and prints the phase and the reason.
func (r refusal) upFails(t *testing.T, initiator *Host) {
	t.Helper()
	out, err := initiator.Goswan("up", "net")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("goswan up: %v, want exit status 1", err)
	}
	if !regexp.MustCompile(r.initiator[Goswan]).MatchString(out) {
		t.Errorf("goswan up did not print the reason %q:\n%s", r.initiator[Goswan], out)
	}
}

// Goswan runs a goswan command against the host's daemon and returns all it printed.
func (h *Host) Goswan(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := h.Command(ctx, programs.goswan, append(args, "--vici", h.VICI())...).CombinedOutput()
	return string(out), err
}
