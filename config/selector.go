package config

import (
	"slices"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

const selectorForms = "write networks as 10.1.0.0/24, ranges as 10.1.0.1-10.1.0.9 or dynamic, with a protocol and port behind if wanted: 10.1.0.0/24[tcp/80]"

// dynamicSelector is `dynamic`: the address of its side, any protocol and port.
func dynamicSelector() core.Selector {
	return core.Selector{Dynamic: true, TS: spd.TrafficSelector{EndPort: 65535}}
}

// readSelectors is a key with traffic selectors.
func readSelectors(field func(*child) (*[]core.Selector, *core.Position)) func(*child, settings.Value) error {
	return func(c *child, v settings.Value) error {
		into, source := field(c)
		*source = position(v.At)
		var all []core.Selector
		for _, item := range v.Items() {
			ts, dynamic, err := spd.Parse(item)
			if err != nil {
				return bad(selectorForms, "%v", err)
			}
			all = append(all, core.Selector{Dynamic: dynamic, TS: ts})
		}
		*into = all
		return nil
	}
}

// checkFamilies refuses a child whose two sides cannot have an address family in common.
func checkFamilies(c *core.Child) error {
	has := func(all []core.Selector, v4 bool) bool {
		return slices.ContainsFunc(all, func(s core.Selector) bool { return s.Dynamic || s.TS.Start.Is4() == v4 })
	}
	if has(c.LocalTS, true) && has(c.RemoteTS, true) || has(c.LocalTS, false) && has(c.RemoteTS, false) {
		return nil
	}
	return bad("write networks of one family on both sides", "local_ts and remote_ts have no address family in common")
}
