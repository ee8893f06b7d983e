package route

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// record is a host in memory.
type record struct {
	have   map[key]entry
	refuse map[key]error
	addrs  []netip.Addr
	log    []string
}

func newRecord(addrs ...string) *record {
	r := &record{have: map[key]entry{}, refuse: map[key]error{}}
	for _, a := range addrs {
		r.addrs = append(r.addrs, netip.MustParseAddr(a))
	}
	return r
}

// did notes what was done: "+" added, "=" replaced, "-" removed.
func (r *record) did(what string, e entry) {
	line := fmt.Sprint(what, e.Kind, " ", e.Prefix)
	if e.Source.IsValid() {
		line += " src " + e.Source.String()
	}
	r.log = append(r.log, line)
}

func (r *record) add(e entry) error {
	if err := r.refuse[e.key()]; err != nil {
		return err
	}
	if _, ok := r.have[e.key()]; ok {
		return errExists
	}
	r.have[e.key()] = e
	r.did("+", e)
	return nil
}

func (r *record) replace(e entry) error {
	if err := r.refuse[e.key()]; err != nil {
		return err
	}
	r.have[e.key()] = e
	r.did("=", e)
	return nil
}

func (r *record) remove(e entry) error {
	if _, ok := r.have[e.key()]; !ok {
		return nil
	}
	delete(r.have, e.key())
	r.did("-", e)
	return nil
}

func (r *record) addresses(v4 bool) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(r.addrs), func(a netip.Addr) bool { return a.Is4() != v4 })
}

func (r *record) unwatch()     {}
func (r *record) close() error { return nil }

var (
	net1 = netip.MustParsePrefix("10.1.0.0/16")
	net2 = netip.MustParsePrefix("10.2.0.0/16")
	net3 = netip.MustParsePrefix("10.3.0.0/16")
)

// sides makes a local side of prefixes.
func sides(all ...netip.Prefix) []netip.Prefix { return all }

func testConfig(t *testing.T) Config {
	return Config{Device: "gstest0", StateDir: t.TempDir()}.withDefaults()
}

// openTest opens a table on a host and forgets what that did.
func openTest(t *testing.T, r *record) *Table {
	t.Helper()
	table, err := open(testConfig(t), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	r.log = nil
	return table
}

// want says what the host saw since the last time.
func (r *record) want(t *testing.T, when string, want ...string) {
	t.Helper()
	if !slices.Equal(r.log, want) {
		t.Errorf("%s: the host saw %q, want %q", when, r.log, want)
	}
	r.log = nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEqualPrefixesAreOneRoute(t *testing.T) {
	r := newRecord("10.2.0.9", "10.3.0.9")
	table := openTest(t, r)
	must(t, table.Route(net1, sides(net2)))
	must(t, table.Route(net1, sides(net3)))
	must(t, table.Route(net1, sides(net2)))
	r.want(t, "three connections with one prefix", "+route 10.1.0.0/16 src 10.2.0.9")
	must(t, table.Unroute(net1, sides(net2)))
	must(t, table.Unroute(net1, sides(netip.MustParsePrefix("10.99.0.0/16"))))
	r.want(t, "one gone, and one that never was")
	must(t, table.Unroute(net1, sides(net2)))
	r.want(t, "only the other source's connection left", "=route 10.1.0.0/16 src 10.3.0.9")
	must(t, table.Unroute(net1, sides(net3)))
	must(t, table.Unroute(net1, sides(net3)))
	r.want(t, "all gone, one twice", "-route 10.1.0.0/16 src 10.3.0.9")
}

func TestAThrowGoesBeforeARouteOfTheSamePrefix(t *testing.T) {
	r := newRecord()
	table := openTest(t, r)
	must(t, table.Route(net1, nil))
	must(t, table.Throw(net1))
	must(t, table.Throw(net1))
	must(t, table.Unthrow(net1))
	r.want(t, "a passthrough policy over a tunnel's prefix", "+route 10.1.0.0/16", "=throw 10.1.0.0/16")
	must(t, table.Unthrow(net1))
	r.want(t, "the policy gone", "=route 10.1.0.0/16")
	must(t, table.Unthrow(net1))
	must(t, table.Unroute(net1, nil))
	r.want(t, "the tunnel gone", "-route 10.1.0.0/16")
}

func TestSourcesFollowTheHostsAddresses(t *testing.T) {
	r := newRecord("192.0.2.1")
	table := openTest(t, r)
	must(t, table.Route(net1, sides(net2)))
	r.want(t, "no address within", "+route 10.1.0.0/16")
	r.addrs = append(r.addrs, netip.MustParseAddr("10.2.0.7"))
	table.addressesChanged(true, netip.Addr{})
	r.want(t, "one came", "=route 10.1.0.0/16 src 10.2.0.7")
	table.addressesChanged(true, netip.Addr{})
	table.addressesChanged(false, netip.MustParseAddr("10.2.0.7"))
	table.addressesChanged(true, netip.MustParseAddr("192.0.2.1"))
	r.want(t, "nothing that matters")
	table.addressesChanged(true, netip.MustParseAddr("10.2.0.7"))
	r.want(t, "it went and came back, and the kernel dropped the route", "=route 10.1.0.0/16 src 10.2.0.7")
	r.addrs = r.addrs[:1]
	table.addressesChanged(true, netip.MustParseAddr("10.2.0.7"))
	r.want(t, "it went", "=route 10.1.0.0/16")
}

func TestWhatOthersRemoveIsPutBack(t *testing.T) {
	r := newRecord()
	table := openTest(t, r)
	must(t, table.Route(net1, nil))
	must(t, table.Throw(net2))
	r.log = nil
	table.routeGone(net1)
	table.routeGone(net3)
	r.want(t, "a route", "=route 10.1.0.0/16")
	clear(r.have)
	table.rulesGone()
	r.want(t, "the rules", "+rule 0.0.0.0/0", "+rule ::/0")
	table.rulesGone()
	r.want(t, "nothing")
	must(t, table.AddAddress(netip.MustParsePrefix("10.9.0.1/32"), ""))
	clear(r.have)
	r.log = nil
	table.deviceUp()
	slices.Sort(r.log)
	r.want(t, "everything on a device that was down", "+address 10.9.0.1/32", "=route 10.1.0.0/16", "=throw 10.2.0.0/16")
	must(t, table.Close())
	r.log = nil
	table.routeGone(net1)
	table.rulesGone()
	table.deviceUp()
	table.addressesChanged(true, netip.Addr{})
	r.want(t, "nothing of a closed table")
}

func TestAVirtualAddressBecomesTheSource(t *testing.T) {
	r := newRecord()
	table := openTest(t, r)
	vip := netip.MustParsePrefix("10.2.0.5/32")
	must(t, table.Route(net1, sides(vip)))
	r.addrs = append(r.addrs, vip.Addr())
	must(t, table.AddAddress(vip, ""))
	r.want(t, "an address that a peer gave", "+route 10.1.0.0/16", "+address 10.2.0.5/32", "=route 10.1.0.0/16 src 10.2.0.5")
	must(t, table.AddAddress(vip, ""))
	must(t, table.RemoveAddress(vip, ""))
	r.want(t, "two that want it, one gone")
	r.addrs = nil
	must(t, table.RemoveAddress(vip, ""))
	r.want(t, "both gone", "-address 10.2.0.5/32", "=route 10.1.0.0/16")
}

func TestCloseUndoesEverythingAndRemovesTheJournal(t *testing.T) {
	c, r := testConfig(t), newRecord()
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{table.Route(net1, nil), table.Throw(net2), table.AddAddress(netip.MustParsePrefix("10.3.0.1/32"), "lo")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if len(r.have) != 0 {
		t.Errorf("after Close the host still has %v", r.have)
	}
	if left, _ := filepath.Glob(filepath.Join(c.StateDir, "*")); len(left) != 0 {
		t.Errorf("after Close %v is left", left)
	}
	if err := table.Close(); err != nil {
		t.Errorf("the second Close says %v", err)
	}
}

func TestWhatAKilledProcessLeftIsUndone(t *testing.T) {
	c, r := testConfig(t), newRecord()
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(table.Throw(net1), table.AddAddress(netip.MustParsePrefix("10.3.0.1/32"), "lo")); err != nil {
		t.Fatal(err)
	}
	_ = table.ledger.journal.close() // the process is gone, and with it its lock
	r.log = nil
	again, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"-address 10.3.0.1/32", "-throw 10.1.0.0/16", "-rule ::/0", "-rule 0.0.0.0/0", "+rule 0.0.0.0/0", "+rule ::/0"}
	if !slices.Equal(r.log, want) {
		t.Errorf("the next start did %v, want %v", r.log, want)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestAHalfWrittenJournalIsNoObstacle(t *testing.T) {
	c := testConfig(t)
	if err := os.WriteFile(filepath.Join(c.StateDir, journalName(c.Device)), []byte(`[{"kind":"ru`), 0o600); err != nil {
		t.Fatal(err)
	}
	table, err := open(c, newRecord())
	if err != nil {
		t.Fatalf("a half-written journal keeps the endpoint from starting: %v", err)
	}
	_ = table.Close()
}

func TestASecondProcessIsToldWhoHasTheDevice(t *testing.T) {
	c := testConfig(t)
	table, err := open(c, newRecord())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	if _, err := open(c, newRecord()); err == nil || !strings.Contains(err.Error(), "another goswan has the device") {
		t.Errorf("a second open says %v, want who has the device", err)
	}
}

func TestWhatWasThereBeforeStays(t *testing.T) {
	c, r := testConfig(t), newRecord()
	r.have[key{kindAddress, netip.MustParsePrefix("10.3.0.1/32"), "lo"}] = entry{}
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.AddAddress(netip.MustParsePrefix("10.3.0.1/32"), "lo"); err != nil {
		t.Errorf("an address that is there already is an error: %v", err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if len(r.have) != 1 {
		t.Errorf("the administrator's own address was removed: %v", r.have)
	}
}

func TestARefusalLeavesNothingBehind(t *testing.T) {
	c, r := testConfig(t), newRecord()
	r.refuse[key{kindRoute, net1, ""}] = errors.New("no room")
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Throw(net1); err == nil || !strings.Contains(err.Error(), "add throw 10.1.0.0/16: no room") {
		t.Errorf("the refusal reads %v", err)
	}
	if len(table.ledger.all()) != 2 || len(table.claims) != 0 {
		t.Errorf("after a refusal the table still counts on %v", table.ledger.all())
	}
	if octets, err := os.ReadFile(table.ledger.journal.path); err != nil || strings.Contains(string(octets), "throw") {
		t.Errorf("after a refusal the journal reads %s (%v)", octets, err)
	}
	must(t, table.Close())
	if err := table.Throw(net1); err == nil {
		t.Error("a closed table took a throw")
	}
	if err := table.Unthrow(net1); err != nil {
		t.Errorf("undoing on a closed table, which has undone everything, fails: %v", err)
	}
}

func TestAHostWithoutIPv6(t *testing.T) {
	r := newRecord()
	r.refuse[key{kindRule, netip.MustParsePrefix("::/0"), ""}] = errNoFamily
	table, err := open(testConfig(t), r)
	if err != nil {
		t.Fatalf("a host without IPv6 cannot start: %v", err)
	}
	_ = table.Close()
}
