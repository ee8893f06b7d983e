package vici

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// patience ends a test that hangs.
const patience = time.Minute

// bench is a server with a daemon in memory and the connection "office" with the child "net".
type bench struct {
	t      *testing.T
	daemon *memory
	server *Server
	logs   *observer.ObservedLogs
	ctx    context.Context
}

func newBench(t *testing.T, change func(*ServerConfig)) *bench {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	b := &bench{t: t, daemon: newMemory(), logs: logs}
	c := ServerConfig{Daemon: b.daemon, Log: zap.New(core), Now: func() time.Time { return noon }}
	if change != nil {
		change(&c)
	}
	b.server = NewServer(c)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.ctx = ctx
	t.Cleanup(func() {
		if err := b.server.Shutdown(ctx); err != nil {
			t.Errorf("the server does not shut down: %v", err)
		}
		cancel()
	})
	return b
}

// conn connects to the server without a client.
func (b *bench) conn() net.Conn {
	b.t.Helper()
	ours, theirs := net.Pipe()
	b.server.admit(theirs)
	b.t.Cleanup(func() { _ = ours.Close() })
	if err := ours.SetDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	return ours
}

func (b *bench) client() *Client {
	b.t.Helper()
	c := NewClient(b.conn())
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask runs a command and returns its answer as swanctl --raw prints it.
func (b *bench) ask(c *Client, command string, request *Message) string {
	b.t.Helper()
	answer, err := c.Request(b.ctx, command, request)
	if err != nil {
		b.t.Fatalf("%s %v: %v", command, request, err)
	}
	return answer.String()
}

// connection is a load-conn request with one connection and its child "net".
func connection(name, remote string) *Message {
	m := &Message{}
	conn := m.AddSection(name)
	conn.Add("version", "2").AddList("local_addrs", "10.9.0.1").AddList("remote_addrs", remote)
	conn.AddList("proposals", "aes256gcm16-prfsha256-x25519")
	conn.AddSection("local").Add("auth", "psk").Add("id", "left.example.org")
	conn.AddSection("remote").Add("auth", "psk").Add("id", "right.example.org")
	child := conn.AddSection("children").AddSection("net")
	child.AddList("local_ts", "10.1.0.0/16").AddList("remote_ts", "10.2.0.0/16")
	child.AddList("esp_proposals", "aes128-sha256-modp2048")
	return m
}

func (b *bench) load(c *Client, name, remote string) {
	b.t.Helper()
	if got := b.ask(c, "load-conn", connection(name, remote)); got != "{success=yes}" {
		b.t.Fatalf("connection %s is not loaded: %s", name, got)
	}
}

func kv(pairs ...string) *Message {
	m := &Message{}
	for i := 0; i < len(pairs); i += 2 {
		m.Add(pairs[i], pairs[i+1])
	}
	return m
}

func TestUnknown(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	if _, err := c.Request(b.ctx, "frobnicate", nil); !errors.Is(err, ErrUnknownCommand) {
		t.Errorf("an unknown command is answered by %v, want ErrUnknownCommand", err)
	}
	if _, err := c.Subscribe(b.ctx, "frobnicated", func(*Message) {}); !errors.Is(err, ErrUnknownEvent) {
		t.Errorf("an unknown event is answered by %v, want ErrUnknownEvent", err)
	}
	if got := b.ask(c, "get-keys", nil); got != "{keys=[]}" {
		t.Errorf("after that get-keys answers %s", got)
	}
}

func TestEventUnknownTwice(t *testing.T) {
	b := newBench(t, nil)
	conn := b.conn()
	for _, step := range []struct {
		send, want packetType
	}{
		{eventUnregister, eventUnknown}, {eventRegister, eventConfirm}, {eventRegister, eventConfirm},
		{eventUnregister, eventConfirm}, {eventUnregister, eventUnknown},
	} {
		if got := roundTrip(t, conn, step.send, "log", nil); got.kind != step.want {
			t.Errorf("packet type %d is answered by type %d, want %d", step.send, got.kind, step.want)
		}
	}
}

// TestConfirmFirst has that a client does not count as registered before the confirmation is queued.
func TestConfirmFirst(t *testing.T) {
	b := newBench(t, nil)
	_, theirs := net.Pipe()
	c := newClient(b.server, theirs, 1)
	c.out.mu.Lock() // nothing can be queued
	done := make(chan error, 1)
	go func() { done <- c.register("log", true) }()
	for range 20 {
		if c.registered("log") {
			t.Fatal("the client gets events before the confirmation")
		}
		time.Sleep(time.Millisecond)
	}
	c.out.mu.Unlock()
	if err := <-done; err != nil || !c.registered("log") {
		t.Errorf("with the confirmation queued the client is not registered: %v", err)
	}
}

func send(t *testing.T, conn net.Conn, kind packetType, name string, m *Message) {
	t.Helper()
	b, err := encodePacket(kind, name, m)
	if err == nil {
		_, err = conn.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, conn net.Conn) packet {
	t.Helper()
	n, err := readLength(conn)
	if err != nil {
		t.Fatalf("the server sends nothing: %v", err)
	}
	b, err := readBody(conn, n)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePacket(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func roundTrip(t *testing.T, conn net.Conn, kind packetType, name string, m *Message) packet {
	t.Helper()
	send(t, conn, kind, name, m)
	return receive(t, conn)
}

func TestMalformedRequest(t *testing.T) {
	b := newBench(t, nil)
	conn := b.conn()
	if _, err := conn.Write([]byte("\x00\x00\x00\x0c\x00\x09load-conn\x02")); err != nil {
		t.Fatal(err)
	}
	p := receive(t, conn)
	m, err := Parse(p.body)
	if err != nil || m.Get("success") != "no" || !strings.Contains(m.Get("errmsg"), "malformed") {
		t.Errorf("a malformed request is answered by %v, %v; want an errmsg that says so", m, err)
	}
}

// TestNotTheProtocol has what disconnects a client.
func TestNotTheProtocol(t *testing.T) {
	tests := map[string]string{
		"an empty packet":                   "\x00\x00\x00\x00",
		"a packet that is too long":         "\x00\x08\x00\x01",
		"an unknown packet type":            "\x00\x00\x00\x01\x08",
		"a packet that only a server sends": "\x00\x00\x00\x01\x01",
		"a name that is cut off":            "\x00\x00\x00\x03\x00\x05a",
		"an HTTP request":                   "GET / HTTP/1.1\r\n\r\n",
	}
	for name, octets := range tests {
		b := newBench(t, nil)
		conn := b.conn()
		go func() { _, _ = conn.Write([]byte(octets)) }()
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s is answered by %d octets, want a disconnect", name, n)
		}
	}
}

func TestManyClients(t *testing.T) {
	const clients = 20
	b := newBench(t, func(c *ServerConfig) { c.MaxClients = clients })
	failed := make(chan error, clients)
	var all []*Client
	for range clients {
		all = append(all, b.client())
	}
	for i, c := range all {
		go func() {
			name := fmt.Sprint("conn", i)
			err := c.Do(b.ctx, "load-conn", connection(name, "10.9.0.2"))
			for range 20 {
				if err == nil {
					_, err = c.Stream(b.ctx, "list-conns", "list-conn", kv("ike", name), func(m *Message) {
						if got := m.Section(name).Get("version"); got != "IKEv2" {
							err = fmt.Errorf("client %d gets version %q of %s", i, got, m)
						}
					})
				}
			}
			failed <- err
		}()
	}
	for range clients {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if n := len(b.daemon.Connections()); n != clients {
		t.Errorf("%d connections are loaded, want %d", n, clients)
	}
	// One more is turned away.
	ours, theirs := net.Pipe()
	b.server.admit(theirs)
	if _, err := ours.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("client %d is served: %v", clients+1, err)
	}
}

func TestLeavingEndsTheWait(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "away", "192.0.2.1")
	ctx, cancel := context.WithCancel(b.ctx)
	answered := make(chan error, 1)
	go func() {
		_, err := c.Request(ctx, "initiate", kv("child", "net"))
		answered <- err
	}()
	<-b.daemon.waiting
	cancel()
	if err := <-b.daemon.left; !errors.Is(err, context.Canceled) {
		t.Errorf("when the client leaves, the wait ends with %v, want context.Canceled", err)
	}
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("a request whose context ends fails with %v, want context.Canceled", err)
	}
	<-c.Done()
}

func TestShutdownAnswers(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	idle := b.client()
	b.load(c, "away", "192.0.2.1")
	answered := make(chan string, 1)
	go func() {
		answer, err := c.Request(b.ctx, "initiate", kv("child", "net"))
		answered <- fmt.Sprintf("%v %v", answer, err)
	}()
	<-b.daemon.waiting
	if err := b.server.Shutdown(b.ctx); err != nil {
		t.Fatal(err)
	}
	want := "{success=no errmsg=establishing CHILD_SA 'net' failed: the daemon is shutting down} <nil>"
	if got := <-answered; got != want {
		t.Errorf("a command under way is answered by\n%s, want\n%s", got, want)
	}
	<-idle.Done()
	if n := len(b.daemon.watchers); n != 0 {
		t.Errorf("%d subscriptions are left behind", n)
	}
}

// TestShutdownDoesNotWait has a client that does not take what it asked for.
func TestShutdownDoesNotWait(t *testing.T) {
	b := newBench(t, nil)
	conn := b.conn()
	send(t, conn, cmdRequest, "version", nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.server.Shutdown(ctx); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("the shutdown ends with %v", err)
	}
}

func TestSlowClientLosesLogLines(t *testing.T) {
	b := newBench(t, nil)
	conn := b.conn()
	if p := roundTrip(t, conn, eventRegister, "log", nil); p.kind != eventConfirm {
		t.Fatal("the log cannot be registered for")
	}
	const lines = 4000
	for i := range lines {
		// The client reads nothing of this, and the daemon does not wait.
		b.daemon.log("office", 1, "IKE", 1, "line %d %s", i, strings.Repeat("x", 1000))
	}
	send(t, conn, eventUnregister, "log", nil)
	got := 0
	for {
		p := receive(t, conn)
		if p.kind == eventConfirm {
			break
		}
		got++
	}
	if limit := outboxLimit/1000 + 2; got == 0 || got > limit {
		t.Errorf("the client got %d of %d lines, want some and at most %d", got, lines, limit)
	}
}

func TestSlowClientIsDisconnected(t *testing.T) {
	b := newBench(t, nil)
	conn := b.conn()
	if p := roundTrip(t, conn, eventRegister, "ike-updown", nil); p.kind != eventConfirm {
		t.Fatal("ike-updown cannot be registered for")
	}
	other := b.client()
	for range outboxLimit / 100 {
		b.daemon.tell(Event{Conn: "office", IKE: 1, What: core.IKEDown{IKE: core.IKEStatus{UniqueID: 1, Conn: "office"}}})
	}
	// What was on its way is there, and then the end; never a gap.
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("reading ends with %v, want the end of the connection", err)
	}
	if got := b.ask(other, "get-keys", nil); got != "{keys=[]}" {
		t.Errorf("another client is answered %s", got)
	}
}

func TestStalledClientIsDisconnected(t *testing.T) {
	b := newBench(t, func(c *ServerConfig) { c.StallTimeout = time.Millisecond })
	conn := b.conn()
	send(t, conn, cmdRequest, "version", nil)
	b.server.wg.Wait() // nothing is read, and the client is gone all the same
}

// TestAnswersWait has a list that is longer than what may wait for a client.
func TestAnswersWait(t *testing.T) {
	b := newBench(t, nil)
	for i := range 4000 {
		sa := core.IKEStatus{UniqueID: uint32(i + 1), Conn: "office", Version: 2, State: core.IKEConnecting}
		b.daemon.sas = append(b.daemon.sas, sa)
	}
	c := b.client()
	next := 1
	_, err := c.Stream(b.ctx, "list-sas", "list-sa", nil, func(m *Message) {
		if got := m.Get("office", "uniqueid"); got != fmt.Sprint(next) {
			t.Fatalf("IKE SA %d is listed as %s", next, got)
		}
		next++
	})
	if err != nil || next != 4001 {
		t.Errorf("%d IKE SAs are listed, %v; want 4000", next-1, err)
	}
}

func TestSecretsAreWiped(t *testing.T) {
	b := newBench(t, nil)
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	c := newClient(b.server, theirs, 1)
	octets, err := encodePacket(cmdRequest, "load-shared", kv("id", "ike-1", "type", "IKE", "data", "hallo du"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.handle(b.ctx, octets[lengthOctets:]); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(octets, []byte("hallo")) {
		t.Error("the secret is still in the packet after the answer")
	}
	if got := string(b.daemon.shared[0].Data); got != "hallo du" {
		t.Errorf("the daemon has %d octets that are not the secret", len(got))
	}
}

func TestServeWarnsOfTCP(t *testing.T) {
	b := newBench(t, nil)
	l, err := Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(l) }()
	c, err := Dial(b.ctx, "tcp://"+l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.ask(c, "get-keys", nil); got != "{keys=[]}" {
		t.Errorf("over TCP the answer is %s", got)
	}
	if n := b.logs.FilterMessageSnippet("commands the daemon").Len(); n != 0 {
		t.Error("a port of this host alone is warned of")
	}
	go func() { served <- b.server.Serve(foreign{l}) }()
	for b.logs.FilterMessageSnippet("commands the daemon").Len() == 0 {
		if b.ctx.Err() != nil {
			t.Fatal("a port for other hosts is not warned of")
		}
		time.Sleep(time.Millisecond)
	}
	if err := b.server.Shutdown(b.ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("Serve ends with %v, want ErrClosed", err)
		}
	}
	if err := b.server.Serve(foreign{l}); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve after Shutdown is %v, want ErrClosed", err)
	}
}

// foreign is a listener for other hosts.
type foreign struct{ net.Listener }

func (foreign) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 4502} }

// FuzzServer has that no octets make the server panic or hang.
func FuzzServer(f *testing.F) {
	for name := range commands {
		octets, err := encodePacket(cmdRequest, name, kv("name", "a", "child", "a", "ike", "b", "ike-id", "1", "type", "ike", "data", "x"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	f.Add([]byte("\x00\x00\x00\x05\x03\x03log\x00\x00\x00\x05\x04\x03log"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		server := NewServer(ServerConfig{Daemon: newMemory(), Now: func() time.Time { return noon }})
		ours, theirs := net.Pipe()
		server.admit(theirs)
		go func() {
			_, _ = io.Copy(io.Discard, ours)
		}()
		_ = ours.SetWriteDeadline(time.Now().Add(patience))
		_, _ = ours.Write(octets)
		_ = ours.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Fatalf("the server hangs: %v", err)
		}
	})
}
