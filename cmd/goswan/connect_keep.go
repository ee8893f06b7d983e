package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/netstack"
)

// The pauses before the gateway is called again, each twice the one before.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// keeper keeps one Child SA up and says how it is.
type keeper struct {
	*goswan.Endpoint
	w          io.Writer
	server     string
	everything bool          // all traffic of the host is to go through it
	down       chan struct{} // capacity 1: a Child SA has ended

	mu     sync.Mutex // guards what follows
	silent bool       // it was said that there is no answer
	why    string     // the Child SA has ended; "" is unknown
}

// see watches for the end of the Child SA, and for a gateway that does not answer.
func (t *keeper) see(ev goswan.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o := ev.What.(type) {
	case core.ChildDown:
		if t.why = ""; o.Reason != nil {
			t.why = ": " + o.Reason.Text
		}
		select {
		case t.down <- struct{}{}:
		default:
		}
	case core.Message:
		again := o.Outbound && o.Retransmit > 0
		if again && !t.silent {
			fmt.Fprintf(t.w, "No answer from %s yet; trying again.\n", o.Remote)
		}
		t.silent = again || t.silent && o.Outbound
	}
}

// connect brings the tunnel up.
func (t *keeper) connect(ctx context.Context) error {
	err := t.Initiate(ctx, goswan.InitiateRequest{Child: connectChild})
	if err != nil {
		return told(err)
	}
	t.report()
	return nil
}

// keep brings the tunnel up again whenever it is down, until ctx ends. A gateway that does not let us in any more is not asked
// again: that could lock the user out.
func (t *keeper) keep(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.down:
		}
		if _, _, up := t.status(); up {
			continue
		}
		t.mu.Lock()
		why := t.why
		t.mu.Unlock()
		fmt.Fprintf(t.w, "The tunnel is down%s. Connecting again.\n", why)
		if err := t.reconnect(ctx); err != nil {
			return err
		}
	}
}

// reconnect calls the gateway until it answers, or ctx ends. A reason that stays the same is told once.
func (t *keeper) reconnect(ctx context.Context) error {
	said := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		err := t.connect(ctx)
		if reason, ok := errors.AsType[*core.Reason](err); err == nil || ok && reason.Kind == core.AuthenticationFailed {
			return err
		}
		if text := err.Error(); ctx.Err() == nil && text != said {
			said = text
			fmt.Fprintln(t.w, text)
		}
	}
}

// status is the IKE SA and the Child SA that is up.
func (t *keeper) status() (sa core.IKEStatus, child core.ChildStatus, up bool) {
	for _, sa := range t.IKESAs() {
		for _, child := range sa.Children {
			if child.State == core.ChildInstalled || child.State == core.ChildRekeying {
				return sa, child, true
			}
		}
	}
	return sa, child, false
}

// report says what was negotiated.
func (t *keeper) report() {
	sa, child, up := t.status()
	if !up {
		return // it has ended already, and keep will say so
	}
	fmt.Fprintf(t.w, "Connected to %s as %q; the gateway is %q.\n", sa.Remote.Addr().Unmap(), sa.LocalID, sa.RemoteID)
	line := func(what, value string) { fmt.Fprintf(t.w, "  %-13s %s\n", what, value) }
	line("IKE", strings.TrimPrefix(sa.Suite.String(), "IKE:"))
	line("ESP", strings.TrimPrefix(child.Suite.String(), "ESP:"))
	line("addresses", orNone(list(sa.Assigned.Addresses)))
	names := orNone(list(sa.Assigned.DNS))
	if len(sa.Assigned.Domains) > 0 {
		names += " for " + strings.Join(sa.Assigned.Domains, ", ")
	}
	line("name servers", names)
	line("networks", list(child.RemoteTS))
	if !t.everything {
		return
	}
	for _, name := range []string{"IPv4", "IPv6"} {
		ipv4 := name == "IPv4"
		given := slices.ContainsFunc(sa.Assigned.Addresses, func(a netip.Addr) bool { return a.Is4() == ipv4 })
		switch carried := carries(child, ipv4); {
		case !carried:
			line("not in it", name+", which goes the way it went before: the gateway does not take it")
		case !given:
			line("not in it", name+", which cannot be used meanwhile: the gateway gave no address for it")
		}
	}
}

// carries tells whether a Child SA is for all of a family.
func carries(child core.ChildStatus, ipv4 bool) bool {
	for _, ts := range child.RemoteTS {
		if p, ok := ts.Prefix(); ok && p.Bits() == 0 && p.Addr().Is4() == ipv4 {
			return true
		}
	}
	return false
}

func list[T fmt.Stringer](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.String()
	}
	return strings.Join(texts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// dial connects through the tunnel for the proxy.
func (t *keeper) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.DialContext(ctx, network, address)
	if errors.Is(err, netstack.ErrNoNameServer) {
		host, _, _ := net.SplitHostPort(address)
		return nil, fmt.Errorf("%s cannot be resolved: the gateway gave no name server, and that of this host is not asked; use an address", host)
	}
	if err != nil {
		if _, _, up := t.status(); !up {
			return nil, fmt.Errorf("the tunnel is down: %w", err)
		}
	}
	return conn, err
}
