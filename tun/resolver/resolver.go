// Package resolver gives the host the name servers that a peer assigned (RFC 7296 §3.15.1, RFC 8598): those of the link of the
// device where systemd-resolved runs, and otherwise lines at the top of resolv.conf.
//
// systemd-resolved forgets a link's servers with the link, so that nothing outlives the device. The lines in resolv.conf stand
// between two marks, and what the file was before is in a journal before it is changed; Close takes the lines out again, and
// the next Open those that a killed process left:
//
//	# goswan ipsec0: name servers of the tunnel
//	nameserver 10.1.0.53
//	# goswan ipsec0: end
//	nameserver 192.168.1.1
package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
)

// DefaultStateDir is where journals are kept.
const DefaultStateDir = "/run/goswan"

// Config describes a resolver.
type Config struct {
	// Device is the TUN device's name.
	Device string
	// File is resolv.conf.
	File string
	// StateDir is where the journal is kept; DefaultStateDir when "".
	StateDir string
	// Bus is the address of the D-Bus on which systemd-resolved is; "" is the system's.
	Bus string
}

// ErrUnsupported is returned where goswan does not configure the host's resolver yet.
var ErrUnsupported = errors.New("resolver: this version of goswan does not configure name servers on this operating system")

// backend is one way to tell the host.
type backend interface {
	// set replaces the device's servers and domains; no servers undo everything.
	set(servers []netip.Addr, domains []string) error
	close() error
}

// Resolver is the host's resolver as far as the device goes. Its methods are safe for concurrent use.
type Resolver struct {
	config Config

	mu      sync.Mutex // guards what follows
	backend backend    // nil: nothing was set yet
	closed  bool
}

// Set replaces the device's name servers; without any, everything is as it was before. Domains are those that they are asked
// for; none are all. resolv.conf knows no such difference: its servers are asked for everything.
func (r *Resolver) Set(servers []netip.Addr, domains []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return errors.New("resolver: it is closed")
	case r.backend == nil && len(servers) == 0:
		return nil
	case r.backend == nil:
		b, err := r.config.choose()
		if err != nil {
			return err
		}
		r.backend = b
	}
	return r.backend.set(servers, domains)
}

// Close undoes everything; it may be called more than once.
func (r *Resolver) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.backend == nil {
		r.closed = true
		return nil
	}
	r.closed = true
	return errors.Join(r.backend.set(nil, nil), r.backend.close())
}

func failed(what string, err error) error { return fmt.Errorf("resolver: %s: %w", what, err) }
