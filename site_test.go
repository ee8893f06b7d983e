package goswan

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/tuntest"
)

// Most tests run in synctest's time with devices and a network in memory: hours take none, nothing depends on the speed of
// the machine, and every goroutine must have ended when a test does.

var (
	moonAddr = netip.MustParseAddr("192.0.2.1")
	sunAddr  = netip.MustParseAddr("198.51.100.2")
)

// end is one end of the site-to-site connection "site": moon has 10.1.0.0/16 behind it and sun 10.2.0.0/16.
type end struct {
	*Endpoint
	t    *testing.T
	dev  *tuntest.Device
	stop func() error

	mu   sync.Mutex // guards told
	told []core.Output
}

// text is a swanctl.conf in pieces.
type text struct {
	local, remote         string // identities
	localAddr, remoteAddr netip.Addr
	proposals, secret     string
	conn                  string // more settings of the connection
	child                 string // more settings of the child "net"
	localTS, remoteTS     string
	children              string // more children
	connections           string // more connections
}

func (c text) String() string {
	return fmt.Sprintf(`connections {
  site {
    version = 2
    local_addrs = %s
    remote_addrs = %s
    proposals = %s
    %s
    local { auth = psk
      id = %s }
    remote { auth = psk
      id = %s }
    children {
      net {
        local_ts = %s
        remote_ts = %s
        esp_proposals = aes256gcm16
        %s
      }
      %s
    }
  }
  %s
}
secrets {
  ike-site {
    secret = %q
  }
}
`, c.localAddr, c.remoteAddr, c.proposals, c.conn, c.local, c.remote, c.localTS, c.remoteTS, c.child, c.children, c.connections, c.secret)
}

func moonText() text {
	return text{local: "moon", remote: "sun", localAddr: moonAddr, remoteAddr: sunAddr, localTS: "10.1.0.0/16", remoteTS: "10.2.0.0/16",
		proposals: "aes256gcm16-prfsha384-x25519", secret: "of no value"}
}

func sunText() text {
	c := moonText()
	c.local, c.remote, c.localAddr, c.remoteAddr, c.localTS, c.remoteTS = c.remote, c.local, c.remoteAddr, c.localAddr, c.remoteTS, c.localTS
	return c
}

// parse reads a configuration as from swanctl.conf.
func parse(t *testing.T, c fmt.Stringer) *core.Catalog {
	t.Helper()
	catalog, _, err := config.Loader{}.Parse("swanctl.conf", []byte(c.String()))
	if err != nil {
		t.Fatalf("the test's configuration: %v", err)
	}
	return catalog
}

// newEnd makes an end on a network that does not run yet.
func newEnd(t *testing.T, n *encap.Network, c text, change ...func(*Config)) *end {
	t.Helper()
	x := &end{t: t, dev: tuntest.New(tuntest.Config{})}
	cfg := Config{Catalog: parse(t, c), Device: x.dev, Transport: n.Attach(encap.EndpointConfig{Addresses: []netip.Addr{c.localAddr}})}
	for _, f := range change {
		f(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x.Endpoint = e
	e.Subscribe(func(ev Event) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.told = append(x.told, ev.What)
	})
	x.stop = e.Close
	t.Cleanup(func() { _ = x.stop() })
	return x
}

// start runs the end until the test is over or stop is called.
func (x *end) start() *end {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	x.stop = sync.OnceValue(func() error { cancel(); return <-done })
	<-x.Ready()
	return x
}

// site is two ends that run; change makes their configurations other than usual.
func site(t *testing.T, change ...func(moon, sun *text)) (moon, sun *end) {
	t.Helper()
	m, s := moonText(), sunText()
	for _, f := range change {
		f(&m, &s)
	}
	n := encap.NewNetwork()
	return newEnd(t, n, m).start(), newEnd(t, n, s).start()
}

// told are the outputs of one kind so far.
func told[O core.Output](x *end) []O {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []O
	for _, o := range x.told {
		if o, ok := o.(O); ok {
			all = append(all, o)
		}
	}
	return all
}

// want fails with the sentence unless it is true.
func want(t *testing.T, sentence string, ok bool) {
	t.Helper()
	if !ok {
		t.Fatalf("not so: %s", sentence)
	}
}

// pass lets time pass, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// up brings the child "net" up.
func (x *end) up() {
	x.t.Helper()
	if err := x.Initiate(x.t.Context(), InitiateRequest{Child: "net"}); err != nil {
		x.t.Fatalf("net does not come up: %v", err)
	}
	synctest.Wait()
}

// children are the Child SAs as text when all is at rest, "site/net net2": for each IKE SA its connection and children.
func (x *end) children() string {
	synctest.Wait()
	var all []string
	for _, sa := range x.IKESAs() {
		var names []string
		for _, c := range sa.Children {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		all = append(all, sa.Conn+"/"+strings.Join(names, " "))
	}
	return strings.Join(all, ", ")
}

// reaches tells whether a packet from one device gets out of the other.
func reaches(t *testing.T, from, to *end, src, dst string) bool {
	t.Helper()
	synctest.Wait()
	to.dev.Written()
	sent := esptest.UDP(src, dst, 1000, 2000, []byte("through the tunnel"))
	if err := from.dev.Inject(sent); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	all := to.dev.Written()
	return len(all) == 1 && string(all[0].Data) == string(sent)
}
