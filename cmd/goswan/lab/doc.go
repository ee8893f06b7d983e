// Package lab is goswan between real hosts: network namespaces, a router in the middle, goswan and strongSwan at the
// ends, real traffic behind them. It is a harness, and the tests beside it are the scenarios.
//
//	leftlan             left              router              right             rightlan
//	10.1.0.2 ───── 10.1.0.1  192.0.2.2 ──── .1  .1 ──── 198.51.100.2  10.2.0.1 ───── 10.2.0.2
//	fd00:1::2      fd00:1::1 2001:db8:1::2  ::1 ::1     2001:db8:2::2 fd00:2::1      fd00:2::2
//
// The addresses are the same in every scenario, so the configurations under testdata/lab are files to be read, not
// templates. The router knows only the outer networks; whatever a leftlan host gets from a rightlan host came through
// the tunnel. The router can masquerade (Topology.NAT) and lose IKE packets (Topology.Loss), and it is where captures
// are taken.
//
// # A scenario
//
// A scenario is a directory testdata/lab/NAME with left/swanctl.conf and right/swanctl.conf, and, where the daemons
// need other settings than testdata/lab/strongswan.conf, left/ and right/strongswan.conf. Either daemon reads the same
// files; which daemon runs where is a Pair, and each test says over which pairs it runs:
//
//	eachPair(t, pairs, "site", Topology{}, func(t *testing.T, n *Net) {
//		n.Left.Initiate(t, "net")
//		n.WaitUp(t, "net")
//		n.LeftLAN.Ping(t, "10.2.0.2")
//	})
//
// Both daemons are driven with Debian's swanctl over their own vici socket. Nothing sleeps for a fixed time: what is
// waited for is polled (WaitUp, WaitGone, WaitLogFrom) until a deadline that only a broken run meets.
//
// # Running it
//
// The lab needs Linux, root and the Debian packages that `make tools` installs. The environment decides:
//
//	GOSWAN_LAB=            (unset) the scenarios are skipped, with one line that says so
//	GOSWAN_LAB=run         they run where they can, else they are skipped with one line that says why
//	GOSWAN_LAB=require     they run, and where they cannot, that is a failure (CI=true means the same)
//	GOSWAN_LAB_PAIRS=…     runs other pairs than the tests ask for, "strongswan-strongswan" for example, which
//	                       shows whether a failure is goswan's or the lab's
//	GOSWAN_LAB_SOAK=10m    prolongs the load of TestSoak, which is 15 s
//	GOSWAN_LAB_RACE=1      builds goswan with the race detector; what it finds is a failure
//	GOSWAN_LAB_RECORD=FILE adds the algorithms that TestTransforms… negotiate to a file; docs/interop-transforms.tsv is
//	                       one, and what docs/transforms.md says of interoperability
//	GOSWAN_LAB_KEEP=1      leaves the directories with configurations and logs behind and prints where they are
//
// Namespaces are called gs-PID-N-ROLE after the process that made them. They are removed when the test ends; what an
// earlier run left that was killed is removed when the next one starts, its processes included.
package lab
