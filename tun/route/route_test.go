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
	have   map[key]bool
	refuse map[key]error
	log    []string
}

func newRecord() *record { return &record{have: map[key]bool{}, refuse: map[key]error{}} }

func (r *record) add(e entry) error {
	if err := r.refuse[e.key()]; err != nil {
		return err
	}
	if r.have[e.key()] {
		return errExists
	}
	r.have[e.key()] = true
	r.log = append(r.log, fmt.Sprint("+", e.Kind, " ", e.Prefix))
	return nil
}

func (r *record) remove(e entry) error {
	if !r.have[e.key()] {
		return nil
	}
	delete(r.have, e.key())
	r.log = append(r.log, fmt.Sprint("-", e.Kind, " ", e.Prefix))
	return nil
}

func (r *record) close() {}

var (
	net1 = netip.MustParsePrefix("10.1.0.0/16")
	net2 = netip.MustParsePrefix("10.2.0.0/16")
)

func testConfig(t *testing.T) Config {
	return Config{Device: "gstest0", StateDir: t.TempDir()}.withDefaults()
}

func TestEqualPrefixesAreCounted(t *testing.T) {
	r := newRecord()
	table, err := open(testConfig(t), r)
	if err != nil {
		t.Fatal(err)
	}
	r.log = nil
	for range 2 {
		if err := table.Route(net1, netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	_ = table.Unroute(net1)
	if want := []string{"+route 10.1.0.0/16"}; !slices.Equal(r.log, want) {
		t.Errorf("two connections with one prefix, one gone: the host saw %v, want %v", r.log, want)
	}
	_ = table.Unroute(net1)
	_ = table.Unroute(net1)
	if want := []string{"+route 10.1.0.0/16", "-route 10.1.0.0/16"}; !slices.Equal(r.log, want) {
		t.Errorf("both gone: the host saw %v, want %v", r.log, want)
	}
}

func TestCloseUndoesEverythingAndRemovesTheJournal(t *testing.T) {
	c, r := testConfig(t), newRecord()
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{table.Route(net1, netip.Addr{}), table.Throw(net2), table.AddAddress(netip.MustParsePrefix("10.3.0.1/32"), "lo")} {
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
	_ = table.journal.close() // the process is gone, and with it its lock
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
	if _, err := open(c, newRecord()); err == nil || !strings.Contains(err.Error(), "another goswan has the device gstest0") {
		t.Errorf("a second open says %v, want who has the device", err)
	}
}

func TestWhatWasThereBeforeStays(t *testing.T) {
	c, r := testConfig(t), newRecord()
	r.have[key{kindAddress, netip.MustParsePrefix("10.3.0.1/32"), "lo"}] = true
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
	r.refuse[key{kindThrow, net1, ""}] = errors.New("no room")
	table, err := open(c, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Throw(net1); err == nil || !strings.Contains(err.Error(), "add throw 10.1.0.0/16: no room") {
		t.Errorf("the refusal reads %v", err)
	}
	if len(table.mine) != 2 || table.counts[key{kindThrow, net1, ""}] != 0 {
		t.Errorf("after a refusal the table still counts on %v", table.mine)
	}
	_ = table.Close()
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
