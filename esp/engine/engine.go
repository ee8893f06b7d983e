// Package engine is the data path: packets from the TUN device go out protected, protected packets from the network go to
// the TUN device (RFC 4301 §5).
//
//	out  tun.Queue.Read ─▶ parse ─▶ spd match ─▶ SA ─▶ Seal from the super-packet into the train ─▶ encap.Write
//	in   encap.Read ─▶ split ─▶ SA of the SPI ─▶ Open behind the packet before ─▶ selectors ─▶ one tun.Queue.Write
//
// On Linux one goroutine, a lane, serves a TUN queue and its sockets; elsewhere one goroutine serves each queue and each socket.
// It carries a train from read to write, allocates nothing, and takes a lock only once per train: that of its SA.
//
// Policies: what SetPolicies was given, and one protect policy for each set of outbound SAs of the same Reqid and selectors,
// of which the newest SA is used (package sad). A packet that matches none is dropped. What a bypass policy matches must not enter
// the tunnel: on a TUN device it has no other way, so it is dropped and counted; the host's routing is to keep such packets
// off the device. What a trap policy matches raises Acquire and is dropped.
//
// What does not fit the path to the peer is cut into fragments before it is sealed if it is IPv4 without DF, and otherwise dropped and
// its sender told by ICMP (RFC 4301 §8.2.1); so is, on any path, what is too long for a UDP datagram. Sealed whole, and left to the
// host to send in fragments, are IPv6 packets of up to 1280 octets, which no path may refuse, and everything on SAs with IgnoreDF.
// What a path takes is asked of the host when an SA is installed or moves, when a send fails for it, and every ten seconds
// while the SA is used.
//
// Fragments go through as they are. One that is not the first has no ports to be seen: where selectors name ports it matches none
// of them, on either side (RFC 4301 §7.1; OPAQUE selectors take it, §7.2).
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun"
)

// Config is what an Engine works with. Device and Transport are required; the engine closes them when Run ends.
type Config struct {
	Device    tun.Device
	Transport encap.Transport
	// IKE takes each IKE datagram, without its non-ESP marker; the octets are the callee's. It is called by the goroutines that
	// read the sockets and must not block. nil drops them.
	IKE func(local, remote netip.AddrPort, datagram []byte)
	// Events takes Acquire, Expire, PeerMoved and RoomChanged, in order, on a goroutine of its own, which may call the engine. nil drops them.
	Events func(Event)
	// Rand gives the random part of inbound SPIs; crypto/rand when nil.
	Rand io.Reader
	// Now is the clock; time.Now when nil. Run uses it once per train.
	Now func() time.Time
	// Log is told of dropped packets, at most one of each reason in ten seconds; nothing when nil.
	Log *zap.Logger
	// AcquireInterval is how long a trap policy is silent after an Acquire; a second when 0.
	AcquireInterval time.Duration
}

// Engine is the data path. All methods are safe for concurrent use.
type Engine struct {
	config   Config
	policies *spd.Database
	in       *sad.Inbound
	out      *sad.Outbound
	events   queue
	rooms    rooms
	peers    peers
	audit    audit

	mu      sync.Mutex // protects what follows
	static  []*spd.Policy
	byReqid map[uint32][]*esp.Inbound
	closed  bool
}

// ErrClosed is returned once Run has ended.
var ErrClosed = errors.New("engine: closed")

// New makes an engine; Run starts it.
func New(c Config) *Engine {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = zap.NewNop()
	}
	if c.AcquireInterval == 0 {
		c.AcquireInterval = time.Second
	}
	e := &Engine{config: c, policies: spd.NewDatabase(), in: sad.NewInbound(c.Rand), byReqid: map[uint32][]*esp.Inbound{}}
	e.rooms = rooms{of: map[*esp.Outbound]int{}, count: map[int]int{}}
	e.peers = peers{of: map[*esp.Outbound]peer{}, count: map[peer]int{}}
	e.out = sad.NewOutbound(e.policies)
	e.events.wake = make(chan struct{}, 1)
	e.audit.init(c.Log, c.Now)
	return e
}

// Run carries packets until parent ends, and then returns nil, or until a queue or a socket fails or is closed, and then
// returns the error.
// It closes the device and the transport, waits for its goroutines and wipes all SAs. It can be called once.
func (e *Engine) Run(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var loops sync.WaitGroup
	start := func(run func() error) {
		loops.Go(func() {
			if err := run(); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, net.ErrClosed) {
				cancel(err)
				return
			}
			cancel(ErrClosed)
		})
	}
	lanes, err := e.newLanes()
	switch {
	case err != nil:
		cancel(err)
	case lanes != nil:
		for _, l := range lanes {
			start(l.run)
		}
	default:
		e.startApart(start)
	}
	events := make(chan struct{})
	go func() {
		defer close(events)
		e.events.deliver(ctx.Done(), e.event)
	}()
	<-ctx.Done()
	for _, l := range lanes {
		l.set.Stop()
	}
	err = errors.Join(e.config.Device.Close(), e.config.Transport.Close())
	loops.Wait()
	closeLanes(lanes)
	<-events
	e.wipe()
	if parent.Err() == nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// startApart starts a goroutine for each queue and each socket.
func (e *Engine) startApart(start func(func() error)) {
	queues := e.config.Device.Queues()
	for _, q := range queues {
		start(newSender(e, q).run)
	}
	for i, c := range e.config.Transport.Conns() {
		in := newReceiver(e, queues[i%len(queues)])
		start(func() error { return in.run(c) })
	}
}

// wipe ends all SAs.
func (e *Engine) wipe() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for _, in := range e.in.All() {
		_, _ = e.Remove(in.Params().ID())
	}
	for _, o := range e.out.All() {
		_, _ = e.Remove(o.Params().ID())
	}
}
