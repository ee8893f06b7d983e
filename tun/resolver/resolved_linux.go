package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// callTimeout is how long the resolver has to answer.
const callTimeout = 5 * time.Second

const (
	resolvedName    = "org.freedesktop.resolve1"
	resolvedPath    = "/org/freedesktop/resolve1"
	resolvedManager = resolvedName + ".Manager."
)

// resolved is systemd-resolved (org.freedesktop.resolve1).
type resolved struct {
	conn  *dbus.Conn
	index int32 // the device's
	isSet bool
}

// dialResolved connects to systemd-resolved; an error says that it is not there.
func dialResolved(bus, device string) (*resolved, error) {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return nil, failed(device, err)
	}
	connect := func() (*dbus.Conn, error) { return dbus.ConnectSystemBus() }
	if bus != "" {
		connect = func() (*dbus.Conn, error) { return dbus.Connect(bus) }
	}
	conn, err := connect()
	if err != nil {
		return nil, failed("D-Bus", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	var there bool
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, resolvedName).Store(&there)
	if err == nil && !there {
		err = errors.New("nobody owns " + resolvedName)
	}
	if err != nil {
		return nil, errors.Join(failed("systemd-resolved", err), conn.Close())
	}
	return &resolved{conn: conn, index: int32(link.Index)}, nil
}

// linkAddress is an element of SetLinkDNS's array, D-Bus type (iay).
type linkAddress struct {
	Family  int32
	Address []byte
}

// linkDomain is an element of SetLinkDomains's array, D-Bus type (sb). A routing domain is for choosing the servers alone, and
// is not appended to names with one label.
type linkDomain struct {
	Name    string
	Routing bool
}

func (r *resolved) set(servers []netip.Addr, domains []string) error {
	if len(servers) == 0 {
		if !r.isSet {
			return nil
		}
		r.isSet = false
		return r.call("RevertLink", r.index)
	}
	r.isSet = true
	var addresses []linkAddress
	for _, s := range servers {
		family := int32(unix.AF_INET6)
		if s.Is4() {
			family = unix.AF_INET
		}
		addresses = append(addresses, linkAddress{family, s.AsSlice()})
	}
	// The root domain as a routing domain asks the link's servers for everything.
	scope := []linkDomain{{".", true}}
	if len(domains) > 0 {
		scope = nil
		for _, d := range domains {
			scope = append(scope, linkDomain{d, false})
		}
	}
	return errors.Join(
		r.call("SetLinkDNS", r.index, addresses),
		r.call("SetLinkDomains", r.index, scope),
		r.call("SetLinkDefaultRoute", r.index, len(domains) == 0),
	)
}

func (r *resolved) call(method string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	err := r.conn.Object(resolvedName, resolvedPath).CallWithContext(ctx, resolvedManager+method, 0, args...).Err
	if err != nil {
		return failed("systemd-resolved: "+method, err)
	}
	return nil
}

func (r *resolved) close() error { return r.conn.Close() }
