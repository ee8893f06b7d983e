package goswan_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/netstack"
)

// moonConfig and sunConfig are swanctl.conf of two endpoints; a program may as well read them from files with config.Load.
const moonConfig = `
connections {
  site {
    local_addrs = 192.0.2.1
    remote_addrs = 192.0.2.2
    proposals = aes256gcm16-prfsha384-x25519
    local  { auth = psk
      id = moon }
    remote { auth = psk
      id = sun }
    children {
      net { local_ts = 10.1.0.1/32
        remote_ts = 10.2.0.1/32 }
    }
  }
}
secrets { ike-site { secret = "an example's secret" } }
`

const sunConfig = `
connections {
  site {
    remote_addrs = %any
    proposals = aes256gcm16-prfsha384-x25519
    local  { auth = psk
      id = sun }
    remote { auth = psk
      id = moon }
    children {
      net { local_ts = 10.2.0.1/32
        remote_ts = 10.1.0.1/32 }
    }
  }
}
secrets { ike-site { secret = "an example's secret" } }
`

// endpoint makes an endpoint with a network stack in memory. With Transport nil it would open UDP sockets.
func endpoint(text string, address string, transport encap.Transport) *goswan.Endpoint {
	catalog, _, err := config.Loader{}.Parse("swanctl.conf", []byte(text))
	if err != nil {
		log.Fatal(err)
	}
	device, err := netstack.New(netstack.Config{Addresses: []netip.Addr{netip.MustParseAddr(address)}})
	if err != nil {
		log.Fatal(err)
	}
	e, err := goswan.New(goswan.Config{Catalog: catalog, Device: device, Transport: transport})
	if err != nil {
		log.Fatal(err)
	}
	return e
}

// run runs endpoints until the returned function is called.
func run(endpoints ...*goswan.Endpoint) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	for _, e := range endpoints {
		go func() { done <- e.Run(ctx) }()
		<-e.Ready()
	}
	return func() {
		cancel()
		for range endpoints {
			if err := <-done; err != nil {
				log.Fatal(err)
			}
		}
	}
}

// An endpoint in a program of one's own: no root, no TUN device, no kernel IPsec. Both ends are in this process here,
// and the network between them is in memory.
func Example() {
	a, b := encap.Pipe(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"))
	moon, sun := endpoint(moonConfig, "10.1.0.1", a), endpoint(sunConfig, "10.2.0.1", b)
	defer run(moon, sun)()

	// Sun serves a page that only the tunnel reaches.
	l, err := sun.ListenTCP(netip.MustParseAddrPort("10.2.0.1:80"))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "Hello from behind the tunnel.")
	})}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()

	// Moon brings the tunnel up and fetches it.
	ctx := context.Background()
	if err := moon.Initiate(ctx, goswan.InitiateRequest{Child: "net"}); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: moon.DialContext, DisableKeepAlives: true}}
	resp, err := client.Get("http://10.2.0.1/")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(page))
	// Output: Hello from behind the tunnel.
}

func ExampleEndpoint_Initiate() {
	a, b := encap.Pipe(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"))
	moon, sun := endpoint(moonConfig, "10.1.0.1", a), endpoint(sunConfig, "10.2.0.1", b)
	defer run(moon, sun)()

	ctx := context.Background()
	fmt.Println(moon.Initiate(ctx, goswan.InitiateRequest{Child: "nett"}))
	fmt.Println(moon.Initiate(ctx, goswan.InitiateRequest{Child: "net"}))
	for _, sa := range moon.Status().IKESAs {
		fmt.Println(sa.Conn, sa.State, sa.Suite)
		for _, child := range sa.Children {
			fmt.Println(child.Name, child.State, child.LocalTS, child.RemoteTS)
		}
	}
	n, err := moon.Terminate(ctx, goswan.SelectSAs{IKE: "site"}, false)
	fmt.Println(n, err, len(moon.Status().IKESAs))
	// Output:
	// goswan: child "nett" not found in any connection
	// <nil>
	// site ESTABLISHED IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519
	// net INSTALLED [10.1.0.1/32] [10.2.0.1/32]
	// 1 <nil> 0
}

func ExampleEndpoint_Events() {
	a, b := encap.Pipe(netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"))
	moon, sun := endpoint(moonConfig, "10.1.0.1", a), endpoint(sunConfig, "10.2.0.1", b)
	defer run(moon, sun)()

	ctx, cancel := context.WithCancel(context.Background())
	events, lost := moon.Events(ctx)
	if err := moon.Initiate(ctx, goswan.InitiateRequest{Child: "net"}); err != nil {
		log.Fatal(err)
	}
	if _, err := moon.Terminate(ctx, goswan.SelectSAs{Child: "net"}, false); err != nil {
		log.Fatal(err)
	}
	cancel() // closes the channel
	for event := range events {
		switch what := event.What.(type) {
		case core.Established:
			fmt.Println("the peer is", what.IKE.RemoteID)
		case core.ChildUp:
			fmt.Println("up:", what.Child.Name)
		case core.ChildDown:
			fmt.Println("down:", what.Child.Name)
		}
	}
	fmt.Println(lost(), "events lost")
	// Output:
	// the peer is sun
	// up: net
	// down: net
	// 0 events lost
}
