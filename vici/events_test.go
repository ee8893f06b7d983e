package vici

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
)

// listen registers for an event and returns where it comes in.
func (b *bench) listen(event string) <-chan *Message {
	b.t.Helper()
	got := make(chan *Message, 100)
	if _, err := b.client().Subscribe(b.ctx, event, func(m *Message) { got <- m }); err != nil {
		b.t.Fatal(err)
	}
	return got
}

func TestUpdownEvents(t *testing.T) {
	b := newBench(t, nil)
	ike, child := b.listen("ike-updown"), b.listen("child-updown")
	sa := recorded(t)
	b.daemon.tell(Event{Conn: "gw", IKE: 1, What: core.Established{IKE: sa}})
	b.daemon.tell(Event{Conn: "gw", IKE: 1, What: core.ChildUp{IKE: sa, Child: sa.Children[0]}})
	b.daemon.tell(Event{Conn: "gw", IKE: 1, What: core.ChildDown{IKE: sa, Child: sa.Children[0]}})
	b.daemon.tell(Event{Conn: "gw", IKE: 1, What: core.IKEDown{IKE: sa}})
	body, _, _ := strings.Cut(strings.TrimPrefix(recordedSA, "{"), " child-sas ")
	if got, want := (<-ike).String(), "{up=yes "+body+"}}"; got != want {
		t.Errorf("an IKE SA that comes up is\n%s, want\n%s", got, want)
	}
	if got, want := (<-ike).String(), "{"+body+"}}"; got != want {
		t.Errorf("an IKE SA that goes down is\n%s, want\n%s", got, want)
	}
	if got, want := (<-child).String(), "{up=yes "+strings.TrimPrefix(recordedSA, "{"); got != want {
		t.Errorf("a Child SA that comes up is\n%s, want\n%s", got, want)
	}
	if got := (<-child).String(); got != recordedSA {
		t.Errorf("a Child SA that goes down is\n%s, want\n%s", got, recordedSA)
	}
}

func TestRekeyEvents(t *testing.T) {
	b := newBench(t, nil)
	ike, child := b.listen("ike-rekey"), b.listen("child-rekey")
	before, after := recorded(t), recorded(t)
	after.UniqueID = 9
	newChild := after.Children[0]
	newChild.UniqueID = 10
	b.daemon.tell(Event{Conn: "gw", IKE: 9, What: core.IKERekeyed{Old: before, New: after}})
	b.daemon.tell(Event{Conn: "gw", IKE: 9, What: core.ChildRekeyed{IKE: after, Old: before.Children[0], New: newChild}})
	m := <-ike
	if got := m.Get("gw", "old", "uniqueid") + m.Get("gw", "new", "uniqueid"); got != "19" || m.Section("gw", "new", "child-sas") != nil {
		t.Errorf("an IKE SA that is rekeyed is %s, want the old one, the new one, and no Child SAs", m)
	}
	m = <-child
	got := []string{m.Get("gw", "uniqueid"), m.Get("gw", "child-sas", "net", "old", "uniqueid"), m.Get("gw", "child-sas", "net", "new", "uniqueid")}
	if want := []string{"9", "2", "10"}; !slices.Equal(got, want) {
		t.Errorf("a Child SA that is rekeyed is %s with IDs %q, want %q", m, got, want)
	}
}

func TestLogEvents(t *testing.T) {
	b := newBench(t, nil)
	lines, control := b.listen("log"), b.listen("control-log")
	b.daemon.log("", 0, "CFG", 1, "loaded")
	b.daemon.log("gw", 1, "ENC", 2, "too much")
	b.daemon.log("gw", 1, "IKE", 0, "%s", strings.Repeat("long ", 10000))
	b.daemon.log("gw", 1, "IKE", 0, "last")
	if got, want := (<-lines).String(), "{group=CFG level=1 thread=0 msg=loaded}"; got != want {
		t.Errorf("a line is %s, want %s", got, want)
	}
	if m := <-lines; m.Get("ikesa-name") != "gw" || m.Get("ikesa-uniqueid") != "1" || len(m.Get("msg")) != maxLogText {
		t.Errorf("a long line is %.100s… with %d octets, want the first %d", m, len(m.Get("msg")), maxLogText)
	}
	if got := (<-lines).Get("msg"); got != "last" {
		t.Errorf("after that comes %s", got)
	}
	if len(control) != 0 {
		t.Errorf("without a command there is a control-log event: %s", <-control)
	}
}

func TestAlertEvents(t *testing.T) {
	b := newBench(t, nil)
	alerts := b.listen("alert")
	b.daemon.tell(Event{What: core.Failed{Reason: &core.Reason{Kind: core.Cancelled, Phase: 1}}})
	b.daemon.tell(Event{What: core.Failed{Reason: &core.Reason{Kind: core.TSUnacceptable, Phase: 2}}})
	if got := (<-alerts).String(); got != "{type=ts-mismatch}" {
		t.Errorf("the alert is %s", got)
	}
}

func TestUnsubscribe(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	var one, two []string
	stopOne, err := c.Subscribe(b.ctx, "log", func(m *Message) { one = append(one, m.Get("msg")) })
	if err != nil {
		t.Fatal(err)
	}
	stopTwo, err := c.Subscribe(b.ctx, "log", func(m *Message) { two = append(two, m.Get("msg")) })
	if err != nil {
		t.Fatal(err)
	}
	b.daemon.log("", 0, "IKE", 0, "both")
	b.ask(c, "get-keys", nil)
	if err := stopOne(b.ctx); err != nil {
		t.Fatal(err)
	}
	b.daemon.log("", 0, "IKE", 0, "second")
	b.ask(c, "get-keys", nil)
	for range 2 {
		if err := stopTwo(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	b.daemon.log("", 0, "IKE", 0, "none")
	b.ask(c, "get-keys", nil)
	if !slices.Equal(one, []string{"both"}) || !slices.Equal(two, []string{"both", "second"}) {
		t.Errorf("the first got %q, the second %q", one, two)
	}
}

func TestCounters(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	tell := func(conn string, what core.Output) { b.daemon.tell(Event{Conn: conn, What: what}) }
	for exchange := range exchangeCounters {
		tell("gw", core.Message{Exchange: exchange})
		tell("gw", core.Message{Exchange: exchange, Response: true})
		tell("other", core.Message{Exchange: exchange, Outbound: true})
		tell("", core.Message{Exchange: exchange, Outbound: true, Response: true})
		tell("gw", core.Message{Exchange: exchange, Outbound: true, Retransmit: 1})
	}
	tell("gw", core.Message{Exchange: "IKE_INTERMEDIATE"})
	tell("gw", core.IKERekeyed{New: core.IKEStatus{Initiator: true}})
	tell("gw", core.IKERekeyed{})
	tell("gw", core.ChildRekeyed{})
	tell("gw", core.Failed{Reason: &core.Reason{Kind: core.InvalidSyntax}})
	all := b.ask(c, "get-counters", nil)
	// As recorded from strongSwan 5.9.8 with every value 0: the global section has no name.
	want := "{counters { {ike-rekey-init=1 ike-rekey-resp=1 child-rekey=1 invalid=1 invalid-spi=0" +
		" ike-init-in-req=1 ike-init-in-resp=1 ike-init-out-req=1 ike-init-out-resp=1" +
		" ike-auth-in-req=1 ike-auth-in-resp=1 ike-auth-out-req=1 ike-auth-out-resp=1" +
		" create-child-in-req=1 create-child-in-resp=1 create-child-out-req=1 create-child-out-resp=1" +
		" info-in-req=1 info-in-resp=1 info-out-req=1 info-out-resp=1}} success=yes}"
	if all != want {
		t.Errorf("the counters are\n%s, want\n%s", all, want)
	}
	answer, err := c.Request(b.ctx, "get-counters", kv("all", "yes"))
	if err != nil || len(answer.Section("counters").Elements()) != 2 || answer.Get("counters", "other", "info-out-req") != "1" ||
		answer.Get("counters", "gw", "info-out-req") != "0" {
		t.Errorf("the counters of all connections are %v, %v", answer, err)
	}
	if got := b.ask(c, "get-counters", kv("name", "none")); got != "{counters {} success=no errmsg=no counters found for this connection}" {
		t.Errorf("the counters of no connection are %s", got)
	}
	for _, request := range []*Message{kv("name", "gw"), nil, kv("all", "yes")} {
		if got := b.ask(c, "reset-counters", request); got != "{success=yes}" {
			t.Errorf("reset-counters %v is answered %s", request, got)
		}
	}
	if got := b.ask(c, "get-counters", kv("all", "yes")); got != "{counters {} success=yes}" {
		t.Errorf("after the reset the counters are %s", got)
	}
}

func TestVersionAndStats(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	answer, err := c.Request(b.ctx, "version", nil)
	if err != nil {
		t.Fatal(err)
	}
	inOrder(t, "version", answer, []string{"daemon", "version", "sysname", "release", "machine"})
	if answer.Get("daemon") != "goswan" || answer.Get("version") != "0.0.1" || answer.Get("sysname") == "" {
		t.Errorf("the version is %s", answer)
	}
	b.daemon.sas = []core.IKEStatus{{State: core.IKEEstablished}, {State: core.IKEConnecting}}
	if answer, err = c.Request(b.ctx, "stats", nil); err != nil {
		t.Fatal(err)
	}
	// The protocol's order; mallinfo is what charon adds and Go has not, drops is what charon has not.
	inOrder(t, "stats", answer, []string{"uptime", "workers", "queues", "scheduled", "ikesas", "plugins", "mem", "drops"})
	inOrder(t, "workers", answer.Section("workers"), []string{"total", "idle", "active"})
	inOrder(t, "queues", answer.Section("queues"), priorities)
	since := noon.Add(-90 * time.Second).Local().Format("Jan 02 15:04:05 2006")
	for _, test := range []struct{ got, want string }{
		{answer.Get("uptime", "running"), "90 seconds"},
		{answer.Get("uptime", "since"), since},
		{answer.Get("ikesas", "total"), "2"},
		{answer.Get("ikesas", "half-open"), "1"},
		{answer.Get("scheduled"), "3"},
		{answer.Get("drops", "replay"), "7"},
	} {
		if test.got != test.want {
			t.Errorf("stats has %q, want %q, in %s", test.got, test.want, answer)
		}
	}
	runtime.GC() // before the first one nothing is known to be live
	if answer, err = c.Request(b.ctx, "stats", nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range [][]string{{"workers", "total"}, {"mem", "total"}, {"mem", "allocs"}, {"mem", "live"}} {
		if got := answer.Get(path...); got == "" || got == "0" {
			t.Errorf("stats has %v = %q, want a measure", path, got)
		}
	}
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 2 * time.Minute: "120 seconds", 121 * time.Second: "2 minutes",
		2 * time.Hour: "120 minutes", 3 * time.Hour: "3 hours", 48 * time.Hour: "48 hours", 49 * time.Hour: "2 days",
	} {
		if got := spell(d); got != want {
			t.Errorf("%v is spelt %q, want %q", d, got, want)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	b := newBench(t, nil)
	answer, err := b.client().Request(b.ctx, "get-algorithms", nil)
	if err != nil {
		t.Fatal(err)
	}
	// vici_query.c, get_algorithms.
	inOrder(t, "get-algorithms", answer, []string{"encryption", "integrity", "aead", "hasher", "prf", "xof", "kdf", "drbg", "ke", "rng", "nonce-gen"})
	for _, path := range [][]string{
		{"encryption", "AES_CBC"}, {"aead", "AES_GCM_16"}, {"aead", "CHACHA20_POLY1305"}, {"integrity", "HMAC_SHA2_256_128"},
		{"prf", "PRF_HMAC_SHA2_384"}, {"ke", "CURVE_25519"}, {"ke", "MODP_2048"},
	} {
		if got := answer.Get(path...); got != provider {
			t.Errorf("%v is provided by %q, want %q", path, got, provider)
		}
	}
}
