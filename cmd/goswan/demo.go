package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun/netstack"
	"github.com/spf13/cobra"
)

const (
	demoNeedle = "goswan demo: these octets only travel inside the tunnel. "
	demoPage   = "<html><title>bob's page</title><p>" + demoNeedle + "</p></html>\n"
	demoLoad   = 64 << 20 // octets of the transfer under which keys are changed
)

var demoAddrs = map[string]netip.Addr{"alice": netip.MustParseAddr("10.99.1.1"), "bob": netip.MustParseAddr("10.99.2.1")}

func newDemo() *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Two endpoints in one process: negotiate, transfer, rekey; no root needed",
		Long: `Runs two endpoints, alice and bob, in this process: network stacks in memory instead of TUN devices, UDP over loopback
between them. Alice negotiates a tunnel, fetches a page from bob's web server through it, and both IKE SA and Child SA are
rekeyed in the middle of a transfer. Every message is shown, and every datagram is searched for plaintext.`,
		Example: `  goswan demo
  goswan demo --verbose      with the payloads of every message`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(c.Context(), 25*time.Second)
			defer cancel()
			return demo(ctx, c.OutOrStdout(), verbose)
		},
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the payloads of every message")
	return c
}

// demoHost is one of the two ends.
type demoHost struct {
	*goswan.Endpoint
	wire *wiretap
	done chan error
}

func demo(ctx context.Context, w io.Writer, verbose bool) error {
	alice, bob, err := demoHosts()
	if err != nil {
		return err
	}
	runCtx, stop := context.WithCancel(context.Background())
	var once sync.Once
	end := func() error {
		var err error
		once.Do(func() { stop(); err = errors.Join(<-alice.done, <-bob.done) })
		return err
	}
	defer func() { _ = end() }()
	rungs := &ladder{w: w, here: "alice", peer: "bob", detail: verbose}
	defer alice.Subscribe(rungs.see)()
	alice.start(runCtx)
	bob.start(runCtx)
	fmt.Fprintf(w, "Two endpoints in this process, alice %s and bob %s; between them UDP on 127.0.0.1.\n\n", demoAddrs["alice"], demoAddrs["bob"])

	moved, err := demoTransfer(ctx, w, alice, bob)
	if err != nil {
		return err
	}
	if err := demoEnd(ctx, alice); err != nil {
		return err
	}
	if err := end(); err != nil {
		return err
	}
	return demoSummary(w, moved, alice.wire, bob.wire)
}

// demoHosts makes both ends; bob first, because alice's configuration names his port.
func demoHosts() (alice, bob *demoHost, err error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	psk := "0s" + base64.StdEncoding.EncodeToString(secret[:])
	if bob, err = newDemoHost("bob", "alice", psk, 0); err != nil {
		return nil, nil, err
	}
	if alice, err = newDemoHost("alice", "bob", psk, bob.wire.port); err != nil {
		return nil, nil, errors.Join(err, bob.Close())
	}
	return alice, bob, nil
}

func newDemoHost(name, peer, psk string, peerPort uint16) (*demoHost, error) {
	catalog, _, err := config.Loader{}.Parse(name+".conf", []byte(demoConfig(name, peer, psk, peerPort)))
	if err != nil {
		return nil, err
	}
	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{demoAddrs[name]}})
	if err != nil {
		return nil, err
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	sockets, err := encap.Listen(encap.Config{Addresses: []netip.Addr{loopback}})
	if err != nil {
		return nil, errors.Join(err, device.Close())
	}
	wire := &wiretap{Transport: sockets, needle: []byte(demoNeedle)}
	if _, _, wire.port, err = sockets.LocalFor(loopback); err != nil {
		return nil, errors.Join(err, device.Close(), sockets.Close())
	}
	e, err := goswan.New(goswan.Config{Catalog: catalog, Device: device, Transport: wire})
	if err != nil {
		return nil, err
	}
	return &demoHost{Endpoint: e, wire: wire, done: make(chan error, 1)}, nil
}

// demoConfig is one end's swanctl.conf.
func demoConfig(name, peer, psk string, peerPort uint16) string {
	port := ""
	if peerPort != 0 {
		port = fmt.Sprintf("remote_port = %d", peerPort)
	}
	return fmt.Sprintf(`connections {
  demo {
    version = 2
    local_addrs = 127.0.0.1
    remote_addrs = 127.0.0.1
    %s
    proposals = aes256gcm16-prfsha384-x25519
    local {
      auth = psk
      id = %s
    }
    remote {
      auth = psk
      id = %s
    }
    children {
      net {
        local_ts = %s/32
        remote_ts = %s/32
        esp_proposals = aes256gcm16-x25519
      }
    }
  }
}
secrets {
  ike-demo {
    id-1 = alice
    id-2 = bob
    secret = %s
  }
}
`, port, name, peer, demoAddrs[name], demoAddrs[peer], psk)
}

func (h *demoHost) start(ctx context.Context) {
	go func() { h.done <- h.Run(ctx) }()
	<-h.Ready()
}

// demoTransfer negotiates, fetches the page and the load, and changes all keys under way. It returns the octets moved.
func demoTransfer(ctx context.Context, w io.Writer, alice, bob *demoHost) (int64, error) {
	stopServer, err := demoServe(bob)
	if err != nil {
		return 0, err
	}
	defer stopServer()
	if err := alice.Initiate(ctx, goswan.InitiateRequest{Child: "net"}); err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: alice.DialContext}}
	defer client.CloseIdleConnections()
	page, err := demoGet(ctx, client, "/")
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(w, "\n$ curl http://%s/\n%s\n", demoAddrs["bob"], page.body)
	fmt.Fprintf(w, "A transfer of %d MB, and new keys for both SAs in the middle of it:\n", demoLoad>>20)
	start := time.Now()
	load, err := demoUnderLoad(ctx, alice, client)
	if err != nil {
		return 0, err
	}
	if load.sum != demoSum() {
		return 0, fmt.Errorf("demo: the %d octets that arrived are not those that were sent", load.octets)
	}
	fmt.Fprintf(w, "\n%d MB in %.1f s, SHA-256 as sent.\n\n", load.octets>>20, time.Since(start).Seconds())
	return page.octets + load.octets, nil
}

// demoUnderLoad fetches the load and rekeys the Child SA and the IKE SA while it comes.
func demoUnderLoad(ctx context.Context, alice *demoHost, client *http.Client) (fetched, error) {
	type result struct {
		fetched
		err error
	}
	done := make(chan result, 1)
	begun := make(chan struct{})
	go func() {
		f, err := demoGet(ctx, client, "/load", func() { close(begun) })
		done <- result{f, err}
	}()
	select {
	case <-begun:
	case r := <-done:
		return r.fetched, errors.Join(r.err, errors.New("demo: the transfer ended before the rekeying"))
	}
	for _, what := range []goswan.SelectSAs{{Child: "net"}, {IKE: "demo"}} {
		if _, err := alice.Rekey(ctx, what); err != nil {
			return fetched{}, err
		}
	}
	r := <-done
	return r.fetched, r.err
}

func demoServe(bob *demoHost) (stop func(), err error) {
	l, err := bob.ListenTCP(netip.AddrPortFrom(demoAddrs["bob"], 80))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, demoPage) })
	mux.HandleFunc("/load", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, demoOctets()) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with Close
	return func() { _ = server.Close() }, nil
}

// repeating gives the same text again and again.
type repeating struct{ at int }

func (r *repeating) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = demoNeedle[r.at%len(demoNeedle)]
		r.at++
	}
	return len(p), nil
}

func demoOctets() io.Reader { return io.LimitReader(&repeating{}, demoLoad) }

func demoSum() [32]byte {
	h := sha256.New()
	_, _ = io.Copy(h, demoOctets()) // neither fails
	return [32]byte(h.Sum(nil))
}

// fetched is what came: all of it when it is short.
type fetched struct {
	octets int64
	sum    [32]byte
	body   string
}

// demoGet fetches a path; each of begun is called when the first part is there.
func demoGet(ctx context.Context, client *http.Client, path string, begun ...func()) (fetched, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(demoAddrs["bob"].String(), "80")+path, nil)
	if err != nil {
		return fetched{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fetched{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	head, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return fetched{}, err
	}
	for _, f := range begun {
		f()
	}
	h := sha256.New()
	_, _ = h.Write(head) // never fails
	n, err := io.Copy(h, resp.Body)
	return fetched{octets: n + int64(len(head)), sum: [32]byte(h.Sum(nil)), body: string(head)}, err
}

func demoEnd(ctx context.Context, alice *demoHost) error {
	_, err := alice.Terminate(ctx, goswan.SelectSAs{IKE: "demo"}, false)
	return err
}

// demoSummary says what was on the wire; plaintext there is a failure.
func demoSummary(w io.Writer, moved int64, wires ...*wiretap) error {
	var ike, esp, octets, plaintext uint64
	for _, t := range wires {
		ike += t.ike.Load()
		esp += t.esp.Load()
		octets += t.octets.Load()
		plaintext += t.plaintext.Load()
	}
	fmt.Fprintf(w, "\nThrough the tunnel: %d octets of HTTP. On the wire: %d IKE and %d ESP datagrams, %d octets; with plaintext in them: %d.\n",
		moved, ike, esp, octets, plaintext)
	if plaintext != 0 {
		return fmt.Errorf("demo: plaintext was on the wire %d times", plaintext)
	}
	if esp == 0 || int64(octets) < moved {
		return fmt.Errorf("demo: %d octets on the wire cannot have carried %d", octets, moved)
	}
	return nil
}
