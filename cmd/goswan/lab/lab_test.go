//go:build linux

package lab

import (
	"flag"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(Main(m, func() {
		if run := flag.Lookup("test.run"); run.Value.String() == "" {
			_ = run.Value.Set("^TestHarness")
		}
	}))
}

// pairs are the pairs of daemons that a scenario runs over unless it says otherwise: each daemon at each end.
var pairs = []Pair{{Goswan, Goswan}, {Goswan, StrongSwan}, {StrongSwan, Goswan}}

// eachPair runs a scenario over pairs of daemons, each in a topology of its own. On no wire may there be plaintext.
func eachPair(t *testing.T, over []Pair, scenario string, topo Topology, run func(t *testing.T, n *Net)) {
	t.Helper()
	for _, pair := range chosenPairs(t, over) {
		t.Run(pair.String(), func(t *testing.T) {
			n := New(t, scenario, pair, topo)
			n.WatchForPlaintext(t)
			run(t, n)
		})
	}
}

// chosenPairs are those of GOSWAN_LAB_PAIRS, else the scenario's own.
func chosenPairs(t *testing.T, own []Pair) []Pair {
	t.Helper()
	value := os.Getenv("GOSWAN_LAB_PAIRS")
	if value == "" {
		return own
	}
	var chosen []Pair
	for _, text := range strings.Split(value, ",") {
		left, right, _ := strings.Cut(text, "-")
		pair := Pair{Daemon(left), Daemon(right)}
		for _, daemon := range []Daemon{pair.Left, pair.Right} {
			if daemon != Goswan && daemon != StrongSwan {
				t.Fatalf("GOSWAN_LAB_PAIRS=%s: %q is no daemon; an example is goswan-strongswan,strongswan-strongswan", value, daemon)
			}
		}
		chosen = append(chosen, pair)
	}
	return chosen
}
