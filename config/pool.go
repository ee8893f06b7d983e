package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/pool"
)

// attributeNumbers are an attribute's numbers in a Configuration payload (RFC 7296 §3.15.1 and IANA) for either family; 0 is
// none.
type attributeNumbers struct{ v4, v6 uint16 }

// Cisco's, which IKEv1 clients take.
const (
	unitySplitInclude = 28676
	unityLocalLAN     = 28678
)

// attribute is an attribute of a pool by name; a number stands for any other.
type attribute struct {
	name    string
	numbers attributeNumbers
}

var attributes = []attribute{
	{"dns", attributeNumbers{3, 10}}, {"nbns", attributeNumbers{4, 11}}, {"dhcp", attributeNumbers{6, 12}},
	{"netmask", attributeNumbers{2, 9}}, {"server", attributeNumbers{23456, 23457}}, {"subnet", attributeNumbers{13, 15}},
	{"p_cscf", attributeNumbers{20, 21}},
	{"split_include", attributeNumbers{unitySplitInclude, 0}}, {"split_exclude", attributeNumbers{unityLocalLAN, 0}},
}

// poolAttributes are their names.
var poolAttributes = func() (names []string) {
	for _, a := range attributes {
		names = append(names, a.name)
	}
	return names
}()

// named tells that the numbers are those of a name.
func (n attributeNumbers) named() bool {
	return slices.ContainsFunc(attributes, func(a attribute) bool { return a.numbers == n })
}

// of is the attribute with a value of a's family.
func (n attributeNumbers) of(a netip.Addr, value []byte) (core.Attribute, error) {
	number := n.v6
	if a.Is4() {
		number = n.v4
	}
	if number == 0 {
		return core.Attribute{}, bad("write IPv4 networks", "%s is IPv6, which the attribute does not have", a)
	}
	return core.Attribute{Type: number, Value: value}, nil
}

// pool reads a section of pools.
func (d *decoder) pool(s *settings.Section, where at) *core.Pool {
	p := &core.Pool{Name: s.Name, Source: position(s.At)}
	for _, v := range s.Values() {
		if strings.EqualFold(v.Key, "addrs") {
			p.Addrs = strings.TrimSpace(v.Text)
			d.report(where.key(v), checkPoolAddrs(v))
			continue
		}
		all, err := readAttribute(v)
		d.report(where.key(v), err)
		p.Attributes = append(p.Attributes, all...)
	}
	for _, sub := range s.Sections() {
		if !fits("static*", sub.Name) {
			d.report(where.section(sub), bad("write `"+sub.Name+" = value`, or `static-… { id = …  addr = … }` for the address of one peer", "no such section in a pool"))
			continue
		}
		d.static(p, sub, where.section(sub))
	}
	switch granted := p.Name == pool.RADIUS; {
	case granted && (p.Addrs != "" || len(p.Static) > 0):
		d.report(where, bad("keep only attributes as dns in it, or give the pool another name", "the RADIUS servers give the addresses of the pool %s", p.Name))
	case !granted && p.Addrs == "":
		d.report(where, bad("add `addrs = 10.3.0.0/24`, the addresses to assign", "there is no addrs in it"))
	}
	return p
}

// staticTable is a section of a pool with the address of one peer, which strongSwan keeps in a database instead.
var staticTable = table[core.StaticAddress]{
	place: "pools.<pool>.static<suffix>",
	keys: []key[core.StaticAddress]{
		{"id", func(s *core.StaticAddress, v settings.Value) (err error) {
			s.Peer, err = identity(v.Text)
			if err == nil && (s.Peer.IsAny() || isNamePattern(s.Peer)) {
				err = bad("write the identity of one peer, its EAP identity if it has one", "%q is not one peer", v.Text)
			}
			return err
		}},
		{"addr", func(s *core.StaticAddress, v settings.Value) (err error) {
			if s.Addr, err = netip.ParseAddr(v.Text); err != nil {
				err = bad("write one address as 10.3.0.10", "%q is not an address", v.Text)
			}
			return err
		}},
	},
}

// static reads a section with the address of one peer.
func (d *decoder) static(p *core.Pool, s *settings.Section, where at) {
	static := core.StaticAddress{Source: position(s.At)}
	failed := len(d.problems)
	staticTable.read(d, &static, s, where)
	if len(d.problems) > failed {
		return
	}
	d.report(where, checkStatic(p, static))
	p.Static = append(p.Static, static)
}

// checkStatic tells what is wrong with the address of one peer in a pool.
func checkStatic(p *core.Pool, s core.StaticAddress) error {
	rng, err := pool.ParseRange(p.Addrs)
	taken := slices.IndexFunc(p.Static, func(o core.StaticAddress) bool { return o.Addr == s.Addr })
	twice := slices.IndexFunc(p.Static, func(o core.StaticAddress) bool { return o.Peer.Folded() == s.Peer.Folded() })
	switch {
	case s.Peer.IsAny():
		return bad("add `id = …`, whose address it is", "there is no id in it")
	case !s.Addr.IsValid():
		return bad("add `addr = …`", "there is no addr in it")
	case err == nil && !rng.Contains(s.Addr):
		return bad("write an address within addrs; the first and the last of a network are not assigned", "%s is not one that %s assigns", s.Addr, p.Addrs)
	case taken >= 0:
		return bad("give each peer an address of its own", "%s is the address of %s already (%s)", s.Addr, p.Static[taken].Peer, p.Static[taken].Source)
	case twice >= 0:
		return bad("keep one; a peer has one address of a pool", "%s has %s already (%s)", s.Peer, p.Static[twice].Addr, p.Static[twice].Source)
	}
	return nil
}

func checkPoolAddrs(v settings.Value) error {
	if _, err := pool.ParseRange(v.Text); err == nil {
		return nil
	}
	return bad("write one network as 10.3.0.0/24 or one range as 10.3.0.10-10.3.0.99", "%q is neither a network nor a range", v.Text)
}

// readAttribute reads the values of one attribute.
func readAttribute(v settings.Value) (all []core.Attribute, err error) {
	name := strings.ToLower(v.Key)
	number, err := strconv.ParseUint(name, 10, 15)
	numbers := attributeNumbers{uint16(number), uint16(number)}
	if err != nil {
		i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == name })
		if i < 0 {
			return nil, unknownAttribute(name)
		}
		numbers = attributes[i].numbers
	}
	for _, item := range v.Items() {
		a, err := parseAttribute(numbers, item)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func unknownAttribute(name string) error {
	fix := "write addrs, one of " + strings.Join(poolAttributes, ", ") + " or the number of an attribute"
	if near := settings.Nearest(name, append([]string{"addrs"}, poolAttributes...)); near != "" {
		fix = "did you mean " + near + "?"
	}
	return bad(fix, "no such attribute")
}

// parseAttribute reads an address, a network or, of an attribute that is given by its number, any text.
func parseAttribute(numbers attributeNumbers, item string) (core.Attribute, error) {
	if a, err := netip.ParseAddr(item); err == nil && a.Zone() == "" {
		return numbers.of(a, a.AsSlice())
	}
	if p, err := netip.ParsePrefix(item); err == nil {
		return numbers.of(p.Addr(), networkValue(numbers.v4, p))
	}
	if numbers.v4 != numbers.v6 || numbers.named() {
		return core.Attribute{}, bad("write addresses or networks", "%q is neither an address nor a network", item)
	}
	return core.Attribute{Type: numbers.v4, Value: []byte(item)}, nil
}

// networkValue is a network with a netmask, or an IPv6 one with its length (RFC 7296 §3.15.1). Cisco's attributes have six
// octets more, for protocol and ports, which are any.
func networkValue(number uint16, p netip.Prefix) []byte {
	value := p.Addr().AsSlice()
	if p.Addr().Is6() {
		return append(value, uint8(p.Bits()))
	}
	value = append(value, net.CIDRMask(p.Bits(), 32)...)
	if number == unitySplitInclude || number == unityLocalLAN {
		value = append(value, make([]byte, 6)...)
	}
	return value
}

// asksRADIUS tells whether a peer of the connection is judged by an authentication server.
func asksRADIUS(c *core.Connection) bool {
	return slices.ContainsFunc(c.Remote, func(a core.Auth) bool { return a.EAP.RADIUS })
}

// checkPools reports pools that connections name and that are not there.
func (d *decoder) checkPools(catalog *core.Catalog) {
	var names []string
	for _, p := range catalog.Pools {
		names = append(names, p.Name)
	}
	for _, c := range catalog.Connections {
		for _, name := range c.Pools {
			d.report(at{"connections." + c.Name + ".pools", settings.Position(c.Source)}, checkPool(c, name, names))
		}
	}
}

// checkPool warns of a pool that is not there. The one of the RADIUS servers is there for connections that ask them.
func checkPool(c *core.Connection, name string, names []string) error {
	switch {
	case name == pool.RADIUS && !asksRADIUS(c):
		return warning("write auth = eap-radius in the section remote", "no RADIUS server is asked that could give addresses of the pool %s", name)
	case name == pool.RADIUS || slices.Contains(names, name):
		return nil
	}
	fix := "add it to the section pools"
	if near := settings.Nearest(name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	return warning(fix, "there is no pool %s", name)
}
