package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

// poolAttributes are the attributes of a pool by name; a number stands for any other.
var poolAttributes = []string{"dns", "nbns", "dhcp", "netmask", "server", "subnet", "p_cscf", "split_include", "split_exclude"}

// pool reads a section of pools.
func (d *decoder) pool(s *settings.Section, where at) *core.Pool {
	p := &core.Pool{Name: s.Name, Attributes: map[string][]string{}, Source: position(s.At)}
	for _, v := range s.Values() {
		if strings.EqualFold(v.Key, "addrs") {
			p.Addrs = v.Text
			d.report(where.key(v), checkPoolAddrs(v))
			continue
		}
		name := strings.ToLower(v.Key)
		d.report(where.key(v), checkAttribute(name, v))
		p.Attributes[name] = v.Items()
	}
	for _, sub := range s.Sections() {
		d.report(where.section(sub), bad("write `"+sub.Name+" = value`", "a pool has settings, not sections"))
	}
	if p.Addrs == "" {
		d.report(where, bad("add `addrs = 10.3.0.0/24`, the addresses to assign", "there is no addrs in it"))
	}
	return p
}

func checkPoolAddrs(v settings.Value) error {
	text := strings.TrimSpace(v.Text)
	if _, dynamic, err := spd.Parse(text); err == nil && !dynamic && strings.ContainsAny(text, "/-") && !strings.Contains(text, "[") {
		return nil
	}
	return bad("write one network as 10.3.0.0/24 or one range as 10.3.0.10-10.3.0.99", "%q is neither a network nor a range", v.Text)
}

func checkAttribute(name string, v settings.Value) error {
	if _, err := strconv.ParseUint(name, 10, 16); err == nil {
		return nil
	}
	if !slices.Contains(poolAttributes, name) {
		fix := "write addrs, one of " + strings.Join(poolAttributes, ", ") + " or the number of an attribute"
		if near := settings.Nearest(name, append([]string{"addrs"}, poolAttributes...)); near != "" {
			fix = "did you mean " + near + "?"
		}
		return bad(fix, "no such attribute")
	}
	for _, item := range v.Items() {
		_, err1 := netip.ParseAddr(item)
		_, err2 := netip.ParsePrefix(item)
		if err1 != nil && err2 != nil {
			return bad("write addresses or networks", "%q is neither an address nor a network", item)
		}
	}
	return nil
}

// checkPools reports pools that connections name and that are not there.
func (d *decoder) checkPools(catalog *core.Catalog) {
	var names []string
	for _, p := range catalog.Pools {
		names = append(names, p.Name)
	}
	for _, c := range catalog.Connections {
		for _, name := range c.Pools {
			if slices.Contains(names, name) {
				continue
			}
			fix := "add it to the section pools"
			if near := settings.Nearest(name, names); near != "" {
				fix = "did you mean " + near + "?"
			}
			d.report(at{"connections." + c.Name + ".pools", settings.Position(c.Source)}, warning(fix, "there is no pool %s", name))
		}
	}
}
