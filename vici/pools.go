package vici

import "strconv"

func loadPool(c *call) *Message { return c.loadSections(c.daemon.LoadPool) }

func unloadPool(c *call) *Message {
	name := c.request.Get("name")
	if name == "" {
		return failure("missing pool name to unload")
	}
	for _, p := range c.daemon.Pools() {
		if p.Name != name {
			continue
		}
		if p.Online > 0 {
			return failure("%s has online leases, unable to unload", name)
		}
		return outcome(c.daemon.UnloadPool(name))
	}
	return failure("%s not found", name)
}

// getPools answers with the pools. Order: vici_attribute.c, get_pools.
func getPools(c *call) *Message {
	name, withLeases := c.request.Get("name"), c.yes("leases")
	m := &Message{}
	for _, p := range c.daemon.Pools() {
		if name != "" && name != p.Name {
			continue
		}
		section := m.AddSection(p.Name)
		section.Add("base", p.Base)
		section.Addf("size", "%d", p.Size).Addf("online", "%d", p.Online).Addf("offline", "%d", p.Offline)
		if !withLeases {
			continue
		}
		leases := section.AddSection("leases")
		for i, lease := range p.Leases {
			status := "offline"
			if lease.Online {
				status = "online"
			}
			leases.AddSection(strconv.Itoa(i)).Add("address", lease.Address).Add("identity", lease.Identity).Add("status", status)
		}
	}
	return m
}
