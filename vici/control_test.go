package vici

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/ike/core"
)

func TestInitiate(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "office", "10.9.0.2")
	tests := []struct {
		request *Message
		want    string
	}{
		{nil, "{success=no errmsg=missing configuration name}"},
		{kv("child", "none"), "{success=no errmsg=CHILD_SA config 'none' not found}"},
		{kv("child", "net", "ike", "none"), "{success=no errmsg=CHILD_SA config 'net' not found}"},
		{kv("ike", "none"), "{success=no errmsg=IKE_SA config 'none' not found}"},
		{kv("child", "net"), "{success=yes}"},
		{kv("ike", "office"), "{success=yes}"},
	}
	for _, test := range tests {
		if got := b.ask(c, "initiate", test.request); got != test.want {
			t.Errorf("initiate %v is answered %s, want %s", test.request, got, test.want)
		}
	}
	sas := b.daemon.IKESAs()
	if len(sas) != 2 || len(sas[0].Children) != 1 || len(sas[1].Children) != 0 {
		t.Errorf("there are %d IKE SAs: %v; want one with a child and one without", len(sas), sas)
	}
}

func TestInitiateFails(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "refused", "192.0.2.2")
	want := "{success=no errmsg=establishing CHILD_SA 'net' failed: phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused}"
	if got := b.ask(c, "initiate", kv("child", "net")); got != want {
		t.Errorf("a refused initiate is answered\n%s, want\n%s", got, want)
	}
	b.load(c, "away", "192.0.2.1")
	want = "{success=no errmsg=IKE_SA 'away' not established after 5ms}"
	if got := b.ask(c, "initiate", kv("ike", "away", "timeout", "5")); got != want {
		t.Errorf("an initiate that takes too long is answered\n%s, want\n%s", got, want)
	}
}

func TestInitiateWithoutWaiting(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "away", "192.0.2.1")
	if got := b.ask(c, "initiate", kv("ike", "away", "timeout", "-1")); got != "{success=yes}" {
		t.Errorf("an initiate that does not wait is answered %s", got)
	}
	_ = c.Close()
	<-b.daemon.waiting
	if n := len(b.daemon.left); n != 0 {
		t.Error("it ends with its client")
	}
}

func TestTooManyDetached(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "away", "192.0.2.1")
	for range cap(b.server.detached) {
		b.server.detached <- struct{}{}
	}
	got := b.ask(c, "initiate", kv("ike", "away", "timeout", "-1"))
	if !strings.Contains(got, "success=no") || !strings.Contains(got, "too many commands") {
		t.Errorf("one command too many is answered %s", got)
	}
}

func TestControlLog(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "office", "10.9.0.2")
	b.load(c, "other", "10.9.0.3")
	initiating := "{group=IKE level=0 ikesa-name=office ikesa-uniqueid=%d msg=initiating IKE_SA office[%d] to 10.9.0.2}"
	detail := "{group=ENC level=2 ikesa-name=office ikesa-uniqueid=%d msg=detail}"
	tests := []struct {
		level string
		want  func(id int) []string
	}{
		{"", func(id int) []string { return []string{fmt.Sprintf(initiating, id, id)} }},
		{"2", func(id int) []string { return []string{fmt.Sprintf(initiating, id, id), fmt.Sprintf(detail, id)} }},
		{"0", func(id int) []string { return []string{fmt.Sprintf(initiating, id, id)} }},
		{"-1", func(int) []string { return nil }},
	}
	for i, test := range tests {
		request := kv("child", "net", "ike", "office")
		if test.level != "" {
			request.Add("loglevel", test.level)
		}
		var lines []string
		// A command of another client does not show up here.
		b.daemon.log("other", 99, "IKE", 0, "before")
		answer, err := c.Stream(b.ctx, "initiate", "control-log", request, func(m *Message) { lines = append(lines, m.String()) })
		if err != nil || answer.Get("success") != "yes" {
			t.Fatal(answer, err)
		}
		if want := test.want(i + 1); !slices.Equal(lines, want) {
			t.Errorf("with loglevel %q the lines are\n%q, want\n%q", test.level, lines, want)
		}
	}
	var lines []string
	_, err := c.Stream(b.ctx, "terminate", "control-log", kv("ike-id", "2"), func(m *Message) { lines = append(lines, m.Get("msg")) })
	if want := []string{"deleting IKE_SA office[2]"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("terminating has the lines %q, %v; want %q", lines, err, want)
	}
}

// TestControlLogOfOthers has two commands at a time.
func TestControlLogOfOthers(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "away", "192.0.2.1")
	b.load(c, "office", "10.9.0.2")
	var lines []string
	finished := make(chan error, 1)
	go func() {
		_, err := c.Stream(b.ctx, "initiate", "control-log", kv("ike", "away", "timeout", "100"), func(m *Message) { lines = append(lines, m.Get("msg")) })
		finished <- err
	}()
	<-b.daemon.waiting
	if got := b.ask(b.client(), "initiate", kv("ike", "office")); got != "{success=yes}" {
		t.Fatal(got)
	}
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
	if want := []string{"initiating IKE_SA away[1] to 192.0.2.1"}; !slices.Equal(lines, want) {
		t.Errorf("the lines are %q, want %q: those of the command's own connection", lines, want)
	}
}

// many is a daemon with two IKE SAs of "office" and one of "other", each with the children "net" and "web".
func many(t *testing.T) (*bench, *Client) {
	t.Helper()
	b := newBench(t, nil)
	for i, name := range []string{"office", "office", "other"} {
		sa := full(t)
		sa.UniqueID, sa.Conn = uint32(i+1), name
		web := sa.Children[0]
		web.Name = "web"
		sa.Children = []core.ChildStatus{sa.Children[0], web}
		for j := range sa.Children {
			sa.Children[j].UniqueID = uint32(10*(i+1) + j)
		}
		b.daemon.sas = append(b.daemon.sas, sa)
	}
	return b, b.client()
}

// left are the SAs of the daemon.
func (b *bench) left() string {
	var all []string
	for _, sa := range b.daemon.IKESAs() {
		text := fmt.Sprint(sa.UniqueID, ":")
		for _, child := range sa.Children {
			text += fmt.Sprint(" ", child.UniqueID)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func TestTerminate(t *testing.T) {
	const none = "{success=no matches=0 terminated=0 errmsg=no matching SAs to terminate found}"
	tests := []struct {
		request    *Message
		want, left string
	}{
		{nil, "{success=no errmsg=missing terminate selector}", "1: 10 11, 2: 20 21, 3: 30 31"},
		{kv("ike", "office"), "{success=yes matches=2 terminated=2}", "3: 30 31"},
		{kv("ike-id", "3"), "{success=yes matches=1 terminated=1}", "1: 10 11, 2: 20 21"},
		{kv("ike", "other", "ike-id", "1"), "{success=yes matches=2 terminated=2}", "2: 20 21"},
		{kv("child", "net"), "{success=yes matches=3 terminated=3}", "1: 11, 2: 21, 3: 31"},
		{kv("child", "net", "ike", "office"), "{success=yes matches=2 terminated=2}", "1: 11, 2: 21, 3: 30 31"},
		{kv("child", "net", "ike-id", "2"), "{success=yes matches=1 terminated=1}", "1: 10 11, 2: 21, 3: 30 31"},
		{kv("child-id", "31"), "{success=yes matches=1 terminated=1}", "1: 10 11, 2: 20 21, 3: 30"},
		{kv("child-id", "31", "child", "net"), none, "1: 10 11, 2: 20 21, 3: 30 31"},
		{kv("ike", "none"), none, "1: 10 11, 2: 20 21, 3: 30 31"},
		{kv("ike", "other", "force", "yes"), "{success=yes matches=1 terminated=1}", "1: 10 11, 2: 20 21"},
	}
	for _, test := range tests {
		b, c := many(t)
		if got := b.ask(c, "terminate", test.request); got != test.want {
			t.Errorf("terminate %v is answered %s, want %s", test.request, got, test.want)
		}
		if got := b.left(); got != test.left {
			t.Errorf("terminate %v leaves %s, want %s", test.request, got, test.left)
		}
	}
}

func TestTerminateUnanswered(t *testing.T) {
	b, c := many(t)
	b.daemon.sas[0].Remote = netip.MustParseAddrPort("192.0.2.3:4500")
	want := "{success=no matches=2 terminated=1 errmsg=not all matching SAs could be terminated: context deadline exceeded}"
	if got := b.ask(c, "terminate", kv("ike", "office", "timeout", "5")); got != want {
		t.Errorf("of two SAs, one without an answer, is answered\n%s, want\n%s", got, want)
	}
	want = "{success=no matches=1 terminated=0 errmsg=terminating SA failed: context deadline exceeded}"
	if got := b.ask(c, "terminate", kv("ike-id", "1", "timeout", "5")); got != want {
		t.Errorf("one SA without an answer is answered\n%s, want\n%s", got, want)
	}
	if got := b.ask(c, "terminate", kv("ike-id", "1", "timeout", "5", "force", "yes")); got != "{success=yes matches=1 terminated=1}" {
		t.Errorf("with force after the timeout the answer is %s", got)
	}
	if b.daemon.forced != 1 {
		t.Errorf("%d SAs were ended by force, want 1", b.daemon.forced)
	}
}

func TestTerminateWithoutWaiting(t *testing.T) {
	b, c := many(t)
	b.daemon.sas[0].Remote = netip.MustParseAddrPort("192.0.2.3:4500")
	if got := b.ask(c, "terminate", kv("ike", "office", "timeout", "-1")); got != "{success=yes matches=2 terminated=2}" {
		t.Errorf("the answer is %s", got)
	}
	<-b.daemon.waiting
}

func TestRekey(t *testing.T) {
	tests := []struct {
		request *Message
		want    string
		targets []Target
	}{
		{nil, "{success=no errmsg=missing rekey selector}", nil},
		{kv("ike", "none"), "{success=no matches=0 errmsg=no matching SAs to rekey found}", nil},
		{kv("ike", "office"), "{success=yes matches=2}", []Target{{IKE: 1}, {IKE: 2}}},
		{kv("child", "web", "ike", "other"), "{success=yes matches=1}", []Target{{IKE: 3, Child: 31}}},
		{kv("child-id", "20"), "{success=yes matches=1}", []Target{{IKE: 2, Child: 20}}},
	}
	for _, test := range tests {
		b, c := many(t)
		if got := b.ask(c, "rekey", test.request); got != test.want {
			t.Errorf("rekey %v is answered %s, want %s", test.request, got, test.want)
		}
		var got []Target
		for range test.targets {
			got = append(got, <-b.daemon.rekeyed)
		}
		for _, want := range test.targets {
			if !slices.Contains(got, want) {
				t.Errorf("rekey %v rekeys %v, want %v", test.request, got, test.targets)
			}
		}
	}
	b, c := many(t)
	if got := b.ask(c, "rekey", kv("ike", "office", "reauth", "yes")); !strings.Contains(got, "success=no errmsg=reauthentication") {
		t.Errorf("reauth is answered %s, want that it is not supported", got)
	}
}

// TestReplacedSAs has SAs that a rekeying has replaced and that still receive.
func TestReplacedSAs(t *testing.T) {
	b, c := many(t)
	b.daemon.sas[0].State = core.IKERekeyedOld
	b.daemon.sas[1].Children[0].State = core.ChildRekeyedOld
	if got := b.ask(c, "rekey", kv("ike", "office")); got != "{success=yes matches=1}" {
		t.Errorf("rekey is answered %s, want the one IKE SA that is not replaced", got)
	}
	if got := b.ask(c, "rekey", kv("child", "net", "ike-id", "2")); got != "{success=no matches=0 errmsg=no matching SAs to rekey found}" {
		t.Errorf("rekey is answered %s, want no Child SA", got)
	}
}

func TestAlertTypes(t *testing.T) {
	tests := []struct {
		reason *core.Reason
		want   string
	}{
		{nil, ""},
		{&core.Reason{Kind: core.NoProposalChosen, Phase: 1}, "proposal-mismatch-ike"},
		{&core.Reason{Kind: core.NoProposalChosen, Phase: 2}, "proposal-mismatch-child"},
		{&core.Reason{Kind: core.TSUnacceptable, Phase: 2}, "ts-mismatch"},
		{&core.Reason{Kind: core.AuthenticationFailed, Phase: 1}, "peer-auth-failed"},
		{&core.Reason{Kind: core.AuthenticationFailed, Phase: 1, ByPeer: true}, "local-auth-failed"},
		{&core.Reason{Kind: core.Timeout, Phase: 1, Exchange: "IKE_SA_INIT"}, "peer-init-unreachable"},
		{&core.Reason{Kind: core.Timeout, Phase: 1, Exchange: "INFORMATIONAL"}, "retransmit-send-timeout"},
		{&core.Reason{Kind: core.Cancelled, Phase: 1}, ""},
		{&core.Reason{Kind: core.Timeout, Phase: 3}, ""},
	}
	for _, test := range tests {
		if got := alertType(test.reason); got != test.want {
			t.Errorf("the alert of %v is %q, want %q", test.reason, got, test.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	owners := kv("id", "ike-1", "type", "ike", "data", "one").AddList("owners", "left.example.org", "10.9.0.2")
	tests := []struct {
		command string
		request *Message
		want    string
	}{
		{"load-shared", owners, "{success=yes}"},
		{"load-shared", kv("id", "eap-2", "type", "XAuth", "data", "two"), "{success=yes}"},
		{"load-shared", kv("type", "IKE", "data", "three"), "{success=yes}"},
		{"load-shared", kv("id", "ike-1", "type", "IKE", "data", "four"), "{success=yes}"},
		{"load-shared", kv("data", "x"), "{success=no errmsg=shared key type missing}"},
		{"load-shared", kv("type", "private", "data", "x"), "{success=no errmsg=invalid shared key type: private}"},
		{"load-shared", kv("type", "IKE"), "{success=no errmsg=shared key data missing}"},
		{"get-shared", nil, "{keys=[eap-2 ike-1]}"},
		{"unload-shared", nil, "{success=no errmsg=unique identifier missing}"},
		{"unload-shared", kv("id", "eap-2"), "{success=yes}"},
		{"unload-shared", kv("id", "none"), "{success=yes}"},
		{"get-shared", nil, "{keys=[ike-1]}"},
		{"clear-creds", nil, "{success=yes}"},
		{"get-shared", nil, "{keys=[]}"},
	}
	for i, test := range tests {
		if got := b.ask(c, test.command, test.request); got != test.want {
			t.Errorf("%s %d is answered %s, want %s", test.command, i, got, test.want)
		}
		if i == 0 {
			s := b.daemon.shared[0]
			if s.ID != "ike-1" || s.Kind != core.SecretIKE || string(s.Data) != "one" || len(s.Owners) != 2 {
				t.Errorf("the secret is loaded as %+v", s)
			}
		}
	}
}

func TestPools(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	pool := func(name, addrs string) *Message {
		m := &Message{}
		m.AddSection(name).Add("addrs", addrs).AddList("dns", "10.77.0.1", "10.77.0.2")
		return m
	}
	tests := []struct {
		command string
		request *Message
		want    string
	}{
		{"load-pool", pool("p1", "10.77.0.0/24"), "{success=yes}"},
		{"load-pool", pool("p2", "10.78.0.5-10.78.0.9"), "{success=yes}"},
		{"load-pool", pool("p3", "10.78.0.5"), "no"},
		{"get-pools", nil, "{p1 {base=10.77.0.1 size=254 online=0 offline=0} p2 {base=10.78.0.5 size=5 online=0 offline=0}}"},
		{"get-pools", kv("name", "p2", "leases", "yes"), "{p2 {base=10.78.0.5 size=5 online=0 offline=0 leases {}}}"},
		{"unload-pool", kv("name", "p2"), "{success=yes}"},
		{"unload-pool", kv("name", "p2"), "{success=no errmsg=p2 not found}"},
		{"unload-pool", nil, "{success=no errmsg=missing pool name to unload}"},
	}
	for _, test := range tests {
		got := b.ask(c, test.command, test.request)
		if test.want == "no" && strings.Contains(got, "success=no errmsg=pools.p3") {
			continue
		}
		if got != test.want {
			t.Errorf("%s %v is answered %s, want %s", test.command, test.request, got, test.want)
		}
	}
	b.daemon.pools[0].Online = 1
	b.daemon.pools[0].Leases = []Lease{{"10.77.0.1", "alice", true}, {"10.77.0.2", "bob", false}}
	want := "{p1 {base=10.77.0.1 size=254 online=1 offline=0 leases {0 {address=10.77.0.1 identity=alice status=online} 1 {address=10.77.0.2 identity=bob status=offline}}}}"
	if got := b.ask(c, "get-pools", kv("leases", "yes")); got != want {
		t.Errorf("leases are listed as %s, want %s", got, want)
	}
	if got := b.ask(c, "unload-pool", kv("name", "p1")); got != "{success=no errmsg=p1 has online leases, unable to unload}" {
		t.Errorf("a pool in use is unloaded: %s", got)
	}
}

func TestNotInThisVersion(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	tests := map[string]string{
		"load-token":       "{success=no errmsg=tokens are not supported in this version of goswan}",
		"redirect":         "{success=no errmsg=redirecting is not supported in this version of goswan}",
		"unload-key":       "{success=no errmsg=key not found}",
		"unload-authority": "{success=no errmsg=unload: authority 'a' not found}",
		"flush-certs":      "{success=yes}",
		"get-authorities":  "{authorities=[]}",
		"get-keys":         "{keys=[]}",
		"list-certs":       "{}",
		"list-authorities": "{}",
	}
	for command, want := range tests {
		if got := b.ask(c, command, kv("id", "a", "name", "a")); got != want {
			t.Errorf("%s is answered %s, want %s", command, got, want)
		}
	}
	for command, want := range map[string]string{
		"unload-key": "{success=no errmsg=key id missing}", "unload-authority": "{success=no errmsg=unload: missing authority name}",
	} {
		if got := b.ask(c, command, nil); got != want {
			t.Errorf("%s without a name is answered %s, want %s", command, got, want)
		}
	}
}

func TestReloadSettings(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	if got := b.ask(c, "reload-settings", nil); got != "{success=yes}" || b.daemon.reloads != 1 {
		t.Errorf("reload-settings is answered %s after %d reloads", got, b.daemon.reloads)
	}
	b.daemon.loadErr = errors.New("strongswan.conf:3: no")
	if got := b.ask(c, "reload-settings", nil); got != "{success=no errmsg=strongswan.conf:3: no}" {
		t.Errorf("a failed reload-settings is answered %s", got)
	}
}
