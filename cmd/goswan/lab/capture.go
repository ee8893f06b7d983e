//go:build linux

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Capture is a running tcpdump, mostly on the router, that is on the wire between the gateways.
type Capture struct {
	File   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	ended  chan string // what tcpdump said
}

// innerFilter matches a packet of the inner networks that is on the wire as it is.
const innerFilter = "net 10.0.0.0/8 or net fd00::/8"

// StartCapture captures what the filter matches on one of the router's interfaces, "left", "right" or "any". It returns
// when tcpdump is listening.
func (n *Net) StartCapture(t testing.TB, name, dev, filter string) *Capture {
	t.Helper()
	return n.startCapture(t, n.Router, name, dev, filter)
}

func (n *Net) startCapture(t testing.TB, ns *Namespace, name, dev, filter string) *Capture {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	// AppArmor lets tcpdump write only files of that name.
	c := &Capture{File: filepath.Join(n.dir, name+".pcap"), cancel: cancel, ended: make(chan string, 1)}
	c.cmd = ns.Command(ctx, "tcpdump", "--immediate-mode", "-U", "-n", "-Z", "root", "-i", dev, "-w", c.File, filter)
	stderr, err := c.cmd.StderrPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatalf("tcpdump: %v", err)
	}
	listening := make(chan struct{})
	go c.watch(stderr, listening)
	t.Cleanup(func() { cancel(); _ = c.cmd.Wait() })
	select {
	case <-listening:
	case said := <-c.ended:
		t.Fatalf("tcpdump ended at start:\n%s", said)
	}
	return c
}

// watch reads what tcpdump says; "listening on" comes once it captures.
func (c *Capture) watch(stderr io.Reader, listening chan<- struct{}) {
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "listening on") {
			close(listening)
		}
	}
	c.ended <- said.String()
}

// Stop ends the capture; the file is complete.
func (c *Capture) Stop(t testing.TB) {
	t.Helper()
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	said := <-c.ended
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("tcpdump: %v\n%s", err, said)
	}
}

// Packets are the captured packets, a line each.
func (c *Capture) Packets(t testing.TB) []string {
	t.Helper()
	out, err := exec.Command("tcpdump", "-n", "-r", c.File).Output()
	if err != nil {
		t.Fatalf("tcpdump -r %s: %v", c.File, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Messages are the captured UDP datagrams, a line each, without those that were sent before: a request that is retransmitted, and the
// response that is sent again for it, are octet for octet what they were (RFC 7296 §2.1). Each peer may have its reason to send one again:
// strongSwan takes no response that comes while it has not yet put the request away ("already processing").
func (c *Capture) Messages(t testing.TB) (messages []string) {
	t.Helper()
	f, err := os.Open(c.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", c.File, err)
	}
	seen := map[string]bool{}
	for {
		data, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return messages
		}
		if err != nil {
			t.Fatalf("%s: %v", c.File, err)
		}
		p := gopacket.NewPacket(data, r.LinkType(), gopacket.Default)
		udp, ok := p.TransportLayer().(*layers.UDP)
		if !ok {
			t.Fatalf("%s: no UDP datagram: %v", c.File, p)
		}
		if message := fmt.Sprintf("%v %x", p.NetworkLayer().NetworkFlow(), udp.Payload); !seen[message] {
			seen[message] = true
			messages = append(messages, message)
		}
	}
}

// WatchForPlaintext asserts, when the test ends, that no packet of the inner networks was on the wire as it is.
func (n *Net) WatchForPlaintext(t testing.TB) {
	t.Helper()
	c := n.StartCapture(t, "plaintext", "any", innerFilter)
	t.Cleanup(func() {
		c.Stop(t)
		if packets := c.Packets(t); packets[0] != "" {
			t.Errorf("%d packets of the inner networks were on the wire without protection, the first: %s", len(packets), packets[0])
		}
	})
}
