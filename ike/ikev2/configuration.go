package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// Bounds of what one Configuration payload makes us do.
const (
	maxAddresses = 4  // virtual addresses of one peer
	maxServers   = 8  // name servers that we take
	maxDomains   = 32 // domains that we take
	maxSubnets   = 32 // networks that we take note of
)

// virtual are the virtual addresses of a lineage: both ends keep them over a rekeying of the IKE SA, and they end with it.
type virtual struct {
	wanted   []netip.Addr    // that we ask for; 0.0.0.0 and :: are any
	answered bool            // IKE_AUTH told what we get
	ours     core.Assignment // that the peer gave to us
	told     bool            // Assigned is out, so Withdrawn is due
	leases   []core.Lease    // that we gave to the peer
}

func (v *virtual) remote() (all []netip.Addr) {
	for _, l := range v.leases {
		all = append(all, l.Addr)
	}
	return all
}

// assigned is a copy of what the peer gave to us.
func (v *virtual) assigned() core.Assignment {
	return core.Assignment{
		Addresses: slices.Clone(v.ours.Addresses), DNS: slices.Clone(v.ours.DNS), Domains: slices.Clone(v.ours.Domains), Subnets: slices.Clone(v.ours.Subnets),
	}
}

// lacking tells that we asked for an address and got none.
func (v *virtual) lacking() bool {
	return v.answered && len(v.wanted) > 0 && len(v.ours.Addresses) == 0
}

// packet is the packet that a Child SA is for. Before we have our virtual address the packet's source is another, which
// says nothing.
func (v *virtual) packet(p core.Flow) (local, remote spd.TrafficSelector) {
	if len(v.wanted) > 0 {
		return spd.TrafficSelector{}, spd.TrafficSelector{}
	}
	return p.Local, p.Remote
}

// coversLocal tells that the local side of a packet is within a Child SA. A packet that was caught before the host had its
// virtual address comes from another; what the host sends next does not.
func (m *Machine) coversLocal(c *child, local spd.TrafficSelector) bool {
	return len(m.virtual.ours.Addresses) > 0 || spd.Covers(c.localTS, []spd.TrafficSelector{local})
}

// wantAddresses notes what to ask for: instead, or what the connection says.
func (m *Machine) wantAddresses(instead []netip.Addr) {
	m.virtual.wanted = slices.Clone(m.conn.VIPs)
	if len(instead) > 0 && len(m.conn.VIPs) > 0 {
		m.virtual.wanted = slices.Clone(instead)
	}
	m.virtual.wanted = m.virtual.wanted[:min(len(m.virtual.wanted), maxAddresses)]
}

// askConfiguration is our CFG_REQUEST: an address for each of `vips`, name servers of the same families and, to say that we
// know Split DNS, a domain without a value (RFC 8598 §3.1). Without `vips` there is none.
func (m *Machine) askConfiguration() []wire.Payload {
	if len(m.virtual.wanted) == 0 {
		return nil
	}
	cp := &wire.CP{CFGType: wire.CFGRequest}
	var servers []wire.CPAttribute
	for _, want := range m.virtual.wanted {
		a := addressAttribute(want)
		if want.IsUnspecified() {
			a.Value = nil // any
		}
		cp.Attributes = append(cp.Attributes, a)
		dns := wire.CPAttribute{Type: wire.InternalIP4DNS}
		if want.Is6() {
			dns.Type = wire.InternalIP6DNS
		}
		if !slices.ContainsFunc(servers, func(s wire.CPAttribute) bool { return s.Type == dns.Type }) {
			servers = append(servers, dns)
		}
	}
	cp.Attributes = append(append(cp.Attributes, servers...), wire.CPAttribute{Type: wire.InternalDNSDomain})
	return []wire.Payload{cp}
}

// addressAttribute is an address as INTERNAL_IP4_ADDRESS or INTERNAL_IP6_ADDRESS (with its prefix length), RFC 7296 §3.15.1.
func addressAttribute(a netip.Addr) wire.CPAttribute {
	if a.Is4() {
		return wire.CPAttribute{Type: wire.InternalIP4Address, Value: a.AsSlice()}
	}
	return wire.CPAttribute{Type: wire.InternalIP6Address, Value: append(a.AsSlice(), 128)}
}

// takeConfiguration reads the responder's CFG_REPLY. What was not asked for and what no host can have is left out.
func (m *Machine) takeConfiguration(msg *wire.Message) {
	v := &m.virtual
	v.answered = true
	cp := wire.First[*wire.CP](msg)
	if cp == nil || cp.CFGType != wire.CFGReply || len(v.wanted) == 0 {
		return
	}
	for _, a := range cp.Attributes {
		switch a.Type {
		case wire.InternalIP4Address, wire.InternalIP6Address:
			m.takeAddress(a)
		case wire.InternalIP4DNS, wire.InternalIP6DNS:
			if server, ok := hostAddress(a.Value); ok && len(v.ours.DNS) < maxServers && !slices.Contains(v.ours.DNS, server) {
				v.ours.DNS = append(v.ours.DNS, server)
			}
		case wire.InternalDNSDomain:
			if name, ok := domain(a.Value); ok && len(v.ours.Domains) < maxDomains && !slices.Contains(v.ours.Domains, name) {
				v.ours.Domains = append(v.ours.Domains, name)
			}
		case wire.InternalIP4Subnet, wire.InternalIP6Subnet:
			m.takeSubnet(a)
		}
	}
	if len(v.ours.Addresses) == 0 {
		v.ours = core.Assignment{}
	}
}

// takeAddress takes an address, as many of a family as were asked for.
func (m *Machine) takeAddress(a wire.CPAttribute) {
	addr, ok := attributeAddress(a)
	if !ok || !usable(addr) {
		m.logf("IKE", 1, "the peer assigned an address that no host can have, ignored")
		return
	}
	family := func(all []netip.Addr) (n int) {
		for _, other := range all {
			if other.Is4() == addr.Is4() {
				n++
			}
		}
		return n
	}
	v := &m.virtual
	if family(v.ours.Addresses) >= family(v.wanted) || slices.Contains(v.ours.Addresses, addr) {
		m.logf("IKE", 1, "the peer assigned %s, which was not asked for, ignored", addr)
		return
	}
	v.ours.Addresses = append(v.ours.Addresses, addr)
	m.logf("IKE", 1, "installing new virtual IP %s", addr)
}

// takeSubnet notes a network behind the responder. It is told and does nothing. Such an attribute may name networks that take
// SAs of their own, or what of TSr the gateway would have sent through it, where the client may choose (RFC 7296 §3.15.2): our
// choice is the traffic selectors, which the configuration asks for and both sides have agreed on.
func (m *Machine) takeSubnet(a wire.CPAttribute) {
	v := &m.virtual
	p, ok := a.Prefix()
	if p = p.Masked(); ok && len(v.ours.Subnets) < maxSubnets && !slices.Contains(v.ours.Subnets, p) {
		v.ours.Subnets = append(v.ours.Subnets, p)
		m.logf("IKE", 1, "the peer says that it protects %s", p)
	}
}

// attributeAddress is the address of an INTERNAL_IP4_ADDRESS or INTERNAL_IP6_ADDRESS, with or without a prefix length.
func attributeAddress(a wire.CPAttribute) (netip.Addr, bool) {
	if p, ok := a.Prefix(); ok {
		return p.Addr(), true
	}
	addr, ok := netip.AddrFromSlice(a.Value)
	return addr, ok && addr.Is4() == (a.Type == wire.InternalIP4Address)
}

// hostAddress is the address of a name server.
func hostAddress(value []byte) (netip.Addr, bool) {
	addr, ok := netip.AddrFromSlice(value)
	return addr, ok && usable(addr)
}

// usable tells a unicast address that reaches beyond its link.
func usable(a netip.Addr) bool { return a.IsGlobalUnicast() && !a.Is4In6() }

// domain is the value of INTERNAL_DNS_DOMAIN: "a Fully Qualified Domain Name … in presentation format"  RFC 8598 §4.1.
// It goes to a resolver, so it has to be a host name.
func domain(value []byte) (string, bool) {
	name := strings.ToLower(strings.TrimSuffix(string(value), "."))
	if name == "" || len(name) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", false
		}
	}
	return name, true
}

// tellAssigned tells of what the peer gave us, once the IKE SA is established.
func (m *Machine) tellAssigned(sa *ikeSA) {
	if len(m.virtual.ours.Addresses) == 0 || m.virtual.told {
		return
	}
	m.virtual.told = true
	m.emit(core.Assigned{IKE: m.ikeStatus(sa)})
}

// withdraw ends the addresses of both sides with the lineage.
func (m *Machine) withdraw(status core.IKEStatus) {
	v := &m.virtual
	for _, l := range v.leases {
		m.env.Release(l)
	}
	if v.told {
		m.emit(core.Withdrawn{IKE: status})
	}
	*v = virtual{wanted: v.wanted}
}

// answerConfiguration answers a CFG_REQUEST with addresses from the connection's pools and what else they have to tell.
//
// "If the responder encounters an error while attempting to assign an IP address to the initiator during the processing of
// a Configuration payload, it responds with an INTERNAL_ADDRESS_FAILURE notification. The IKE SA is still created even if
// the initial Child SA cannot be created because of this failure."  RFC 7296 §3.15.4
func (m *Machine) answerConfiguration(sa *ikeSA, req *request) ([]wire.Payload, *childReply) {
	asked := requestedAddresses(wire.First[*wire.CP](req.msg))
	switch {
	case len(asked) == 0 && len(m.conn.Pools) == 0:
		return nil, nil
	case len(asked) == 0:
		// "where CP(CFG_REQUEST) was expected but not received, and so is a conflict with locally configured policy"
		// RFC 7296 §3.10.1
		m.logf("IKE", 1, "expected a virtual IP request, sending FAILED_CP_REQUIRED")
		r := sa.reason(core.FailedCPRequired, 2, "IKE_AUTH", req.msg.MessageID, fmt.Sprintf("the peer %q asks for no virtual address", sa.peer()))
		r.Fix = fmt.Sprintf("let the peer ask (`vips = 0.0.0.0`), or remove `pools` from connection %s%s", quoted(m.conn.Name), at(m.conn.Source))
		return nil, m.refuse(wire.FailedCPRequired, r)
	}
	if err := m.lease(sa, req, asked); err != nil {
		m.logf("IKE", 1, "no virtual IP found, sending INTERNAL_ADDRESS_FAILURE")
		return nil, m.refuse(wire.InternalAddressFailure, sa.noAddress(req.msg, err))
	}
	return []wire.Payload{m.configurationReply()}, nil
}

// requestedAddresses are the addresses that a CFG_REQUEST asks for, unspecified ones for any.
func requestedAddresses(cp *wire.CP) (asked []netip.Addr) {
	if cp == nil || cp.CFGType != wire.CFGRequest {
		return nil
	}
	for _, a := range cp.Attributes {
		if len(asked) == maxAddresses {
			break
		}
		switch addr, ok := attributeAddress(a); {
		case a.Type != wire.InternalIP4Address && a.Type != wire.InternalIP6Address:
		case ok:
			asked = append(asked, addr)
		case len(a.Value) == 0 && a.Type == wire.InternalIP4Address:
			asked = append(asked, netip.IPv4Unspecified())
		case len(a.Value) == 0:
			asked = append(asked, netip.IPv6Unspecified())
		}
	}
	return asked
}

// lease takes the addresses from the pools. One of several is enough; the error is the last one's.
func (m *Machine) lease(sa *ikeSA, req *request, asked []netip.Addr) (failed error) {
	contact := req.msg.Notify(wire.InitialContact) != nil
	for _, addr := range asked {
		m.logf("IKE", 1, "peer requested virtual IP %s", anyText(addr))
		got, err := m.leaseOne(core.LeaseRequest{
			Pools: m.conn.Pools, Peer: sa.peer(), Granted: sa.granted(), Requested: addr, Remote: sa.remote.Addr().Unmap(), Except: m.virtual.remote(),
			Takeover: m.conn.Unique == core.UniqueReplace || contact && m.conn.Unique != core.UniqueNever,
		})
		if err != nil {
			m.logf("IKE", 1, "no virtual IP found for %s requested by '%s': %v", anyText(addr), sa.peer(), err)
			failed = err
			continue
		}
		m.logf("IKE", 1, "assigning virtual IP %s to peer '%s'", got.Addr, sa.peer())
		m.virtual.leases = append(m.virtual.leases, got)
	}
	if len(m.virtual.leases) > 0 {
		return nil
	}
	return failed
}

func (m *Machine) leaseOne(r core.LeaseRequest) (core.Lease, error) {
	if len(r.Pools) == 0 || m.env.Lease == nil {
		return core.Lease{}, fmt.Errorf("connection %s has no pools", quoted(m.conn.Name))
	}
	return m.env.Lease(r)
}

func anyText(a netip.Addr) string {
	switch {
	case !a.IsUnspecified():
		return a.String()
	case a.Is4():
		return "%any"
	}
	return "%any6"
}

// configurationReply is the addresses, and the attributes of the pools that they are from.
func (m *Machine) configurationReply() *wire.CP {
	cp := &wire.CP{CFGType: wire.CFGReply}
	var pools []string
	for _, l := range m.virtual.leases {
		cp.Attributes = append(cp.Attributes, addressAttribute(l.Addr))
		pools = append(pools, l.Pool)
	}
	for _, p := range m.env.Catalog().Pools {
		if !slices.Contains(pools, p.Name) {
			continue
		}
		for _, a := range p.Attributes {
			if len(cp.Attributes) < wire.MaxCPAttributes {
				cp.Attributes = append(cp.Attributes, wire.CPAttribute{Type: wire.CPType(a.Type), Value: a.Value})
			}
		}
	}
	return cp
}

// noAddress tells why a peer gets no virtual address.
func (sa *ikeSA) noAddress(msg *wire.Message, err error) *core.Reason {
	conn := sa.m.conn
	r := sa.reason(core.InternalAddress, 2, "IKE_AUTH", msg.MessageID, fmt.Sprintf("no virtual address for the peer %q: %v", sa.peer(), err))
	r.Fix = fmt.Sprintf("enlarge `addrs` of a pool or add one to `pools` of connection %s%s", quoted(conn.Name), at(conn.Source))
	if len(conn.Pools) == 0 {
		r.Fix = fmt.Sprintf("add `pools` to connection %s%s, or let the peer ask for no virtual address", quoted(conn.Name), at(conn.Source))
	}
	return r
}

// localSelectors are a child's local traffic selectors. Dynamic ones are our virtual addresses and, before we know them, all
// of their families: the responder narrows them to what it assigns (RFC 7296 §2.19).
func (sa *ikeSA) localSelectors(cfg *core.Child) []spd.TrafficSelector {
	v := &sa.m.virtual
	if len(v.ours.Addresses) > 0 || len(v.wanted) == 0 || v.answered {
		return selectors(cfg.LocalTS, sides(v.ours.Addresses, sa.local))
	}
	var families []spd.TrafficSelector
	for _, want := range v.wanted {
		unspecified := netip.IPv6Unspecified()
		if want.Is4() {
			unspecified = netip.IPv4Unspecified()
		}
		if all := spd.FromPrefix(netip.PrefixFrom(unspecified, 0)); !slices.Contains(families, all) {
			families = append(families, all)
		}
	}
	return selectors(cfg.LocalTS, families)
}

// remoteSelectors are a child's remote traffic selectors; dynamic ones are the addresses that we assigned to the peer.
func (sa *ikeSA) remoteSelectors(cfg *core.Child) []spd.TrafficSelector {
	return selectors(cfg.RemoteTS, sides(sa.m.virtual.remote(), sa.remote))
}

// sides are what `dynamic` stands for: virtual addresses or, without, the outer one.
func sides(assigned []netip.Addr, outer netip.AddrPort) (all []spd.TrafficSelector) {
	for _, a := range assigned {
		all = append(all, spd.FromAddr(a))
	}
	if all == nil {
		all = append(all, spd.FromAddr(outer.Addr().Unmap().WithZone("")))
	}
	return all
}

// selectors are configured traffic selectors with the addresses of dynamic in them; none at all are dynamic.
func selectors(configured []core.Selector, dynamic []spd.TrafficSelector) []spd.TrafficSelector {
	if len(configured) == 0 {
		return dynamic
	}
	var list []spd.TrafficSelector
	for _, s := range configured {
		for _, ts := range s.Over(dynamic) {
			if ts.Valid() && len(list) < spd.MaxSelectors {
				list = append(list, ts)
			}
		}
	}
	return list
}

// withinAssigned leaves of the responder's TSi what has our virtual addresses.
func (sa *ikeSA) withinAssigned(cfg *core.Child, chosen []spd.TrafficSelector) []spd.TrafficSelector {
	v := &sa.m.virtual
	switch {
	case v.lacking():
		return nil
	case len(v.ours.Addresses) == 0:
		return chosen
	}
	return spd.Narrow(chosen, sa.localSelectors(cfg))
}

// nothingAssigned tells that a Child SA has no place for us in it.
func (sa *ikeSA) nothingAssigned(cfg *core.Child, msg *wire.Message) *core.Reason {
	r := sa.childReason(core.InternalAddress, cfg, msg, "the peer assigned no virtual address")
	r.ByPeer = true
	r.Fix = sa.m.fixVIPs()
	if v := &sa.m.virtual; !v.lacking() {
		r.Kind = core.TSUnacceptable
		r.Text = fmt.Sprintf("the peer's traffic selectors have no place for the virtual address %s that it assigned", v.ours.Addresses[0])
		r.Fix = "check the local selectors of the peer's configuration, which should be dynamic"
	}
	return r
}

func (m *Machine) fixVIPs() string {
	return fmt.Sprintf("give the peer an address pool for %q, or remove `vips` from connection %s%s", m.ownID(), quoted(m.conn.Name), at(m.conn.Source))
}

// ownID is who we are, as far as it is known.
func (m *Machine) ownID() auth.Identity {
	if m.current != nil {
		return m.current.localID
	}
	return auth.Identity{}
}
