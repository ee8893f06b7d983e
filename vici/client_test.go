package vici

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// scripted is a client whose daemon answers each packet with octets.
func scripted(t *testing.T, answers ...string) (*Client, context.Context) {
	t.Helper()
	ours, theirs := net.Pipe()
	c := NewClient(ours)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for _, answer := range answers {
			n, err := readLength(theirs)
			if err != nil {
				return
			}
			if _, err := readBody(theirs, n); err != nil {
				return
			}
			if _, err := io.WriteString(theirs, answer); err != nil {
				return
			}
		}
		_ = theirs.Close()
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-finished
		cancel()
	})
	return c, ctx
}

// TestClientBadDaemon has daemons that do not speak the protocol.
func TestClientBadDaemon(t *testing.T) {
	const confirm = "\x00\x00\x00\x01\x05"
	tests := []struct {
		name, answer, want string
	}{
		{"the end instead of an answer", "", "EOF"},
		{"a packet that is too long", "\xff\x00\x00\x00", "longer than"},
		{"a packet that is cut off", "\x00\x00\x00\x09\x01", "cut off"},
		{"an empty packet", "\x00\x00\x00\x00", "empty packet"},
		{"an unknown packet", "\x00\x00\x00\x01\x09", "unknown"},
		{"an answer to something else", confirm, "is answered by a packet of type 5"},
		{"a malformed answer", "\x00\x00\x00\x02\x01\x02", "malformed"},
		{"a malformed event", "\x00\x00\x00\x06\x07\x03log\x02", "malformed"},
	}
	for _, test := range tests {
		c, ctx := scripted(t, test.answer)
		if answer, err := c.Request(ctx, "version", nil); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s is taken as %v, %v; want an error with %q", test.name, answer, err, test.want)
		}
	}
	c, ctx := scripted(t, "\x00\x00\x00\x01\x01")
	if _, err := c.Subscribe(ctx, "log", func(*Message) {}); err == nil || !strings.Contains(err.Error(), "type 1") {
		t.Errorf("an answer to something else is taken as a registration: %v", err)
	}
}

// TestClientAnswerTwice has a daemon that answers one request twice: the second must not answer the next request.
func TestClientAnswerTwice(t *testing.T) {
	answer := "\x00\x00\x00\x01\x01"
	c, ctx := scripted(t, answer+answer)
	if _, err := c.Request(ctx, "version", nil); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "answers nothing") {
		t.Errorf("the connection ended with %v, want that a packet answers nothing", err)
	}
	if _, err := c.Request(ctx, "version", nil); !errors.Is(err, c.Err()) {
		t.Errorf("after the end a request fails with %v, want %v", err, c.Err())
	}
}

// TestClientLastAnswer has a daemon that answers and closes at once.
func TestClientLastAnswer(t *testing.T) {
	for range 50 {
		c, ctx := scripted(t, "\x00\x00\x00\x0c\x01\x03\x07success\x00\x00")
		if _, err := c.Request(ctx, "terminate", nil); err != nil {
			t.Fatalf("the last answer is lost: %v", err)
		}
	}
}

func TestClientCancelled(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	c := NewClient(ours)
	if err := c.Err(); err != nil {
		t.Errorf("a living connection has the error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { // nobody reads this one
		_, err := c.Request(ctx, "version", nil)
		first <- err
	}()
	for len(c.turn) == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { // and this one waits for its turn
		_, err := c.Request(context.Background(), "version", nil)
		second <- err
	}()
	late, stop := context.WithCancel(context.Background())
	stop()
	if _, err := c.Request(late, "version", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a request whose turn does not come fails with %v, want context.Canceled", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the request fails with %v, want context.Canceled", err)
	}
	if err := <-second; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the request of another context fails with %v, want the end of the connection", err)
	}
	if _, err := c.Subscribe(context.Background(), "log", func(*Message) {}); err == nil {
		t.Error("an event can be subscribed to on a closed connection")
	}
}

func TestDialNobody(t *testing.T) {
	uri := "unix://" + socketDir(t) + "/vici"
	if _, err := Dial(context.Background(), uri); err == nil || !strings.Contains(err.Error(), uri) {
		t.Errorf("where nobody listens Dial fails with %v, want an error with the URI", err)
	}
	if _, err := Dial(context.Background(), "charon.vici"); err == nil {
		t.Error("a URI without a scheme is dialled")
	}
}

func TestCommandError(t *testing.T) {
	err := Check("initiate", kv("success", "no", "errmsg", "no such thing"))
	var failed *CommandError
	if !errors.As(err, &failed) || failed.Command != "initiate" || err.Error() != "no such thing" {
		t.Errorf("a failed command is %v", err)
	}
	if err := Check("initiate", kv("success", "no")); err == nil || !strings.Contains(err.Error(), "initiate failed") {
		t.Errorf("a failed command without an errmsg is %v", err)
	}
	if err := Check("initiate", success()); err != nil {
		t.Errorf("success is %v", err)
	}
	b := newBench(t, nil)
	if err := b.client().Do(b.ctx, "load-key", nil); !errors.As(err, &failed) {
		t.Errorf("a command that is not supported is %v, want a CommandError", err)
	}
}

// TestRequestTooLong has what does not fit into a packet: the connection lives on.
func TestRequestTooLong(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	if _, err := c.Request(b.ctx, strings.Repeat("n", 256), nil); err == nil {
		t.Error("a command with too long a name is sent")
	}
	if _, err := c.Request(b.ctx, "version", kv("k", strings.Repeat("v", 1<<16))); err == nil {
		t.Error("too long a value is sent")
	}
	if got := b.ask(c, "get-keys", nil); got != "{keys=[]}" {
		t.Errorf("after that get-keys is answered %s", got)
	}
}

// TestAnswerTooLong has an answer that does not fit into a packet.
func TestAnswerTooLong(t *testing.T) {
	b := newBench(t, nil)
	for range 10 {
		b.daemon.pools = append(b.daemon.pools, Pool{Name: "p", Base: strings.Repeat("x", maxValue)})
	}
	if got := b.ask(b.client(), "get-pools", nil); !strings.Contains(got, "success=no errmsg=the answer cannot be sent") {
		t.Errorf("an answer that is too long is %.100s", got)
	}
}

// TestEventTooLong has a connection whose name does not fit: the others are listed.
func TestEventTooLong(t *testing.T) {
	b := newBench(t, nil)
	c := b.client()
	b.load(c, "office", "10.9.0.2")
	b.load(c, "other", "10.9.0.2")
	conn := *b.daemon.conns[0]
	conn.Name = strings.Repeat("n", 256)
	b.daemon.conns[0] = &conn
	if all := b.list("list-conns", "list-conn", nil); len(all) != 1 || all[0].Section("other") == nil {
		t.Errorf("%d connections are listed, want the one that fits", len(all))
	}
}
