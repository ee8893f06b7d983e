package main

import (
	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/radius"
)

// radiusOf is what charon.plugins.eap-radius says, as the endpoint takes it.
func radiusOf(c config.RADIUS) goswan.RADIUS {
	r := goswan.RADIUS{
		Client: radius.Config{
			NASIdentifier: c.NASIdentifier, Tries: c.Tries, Timeout: c.Timeout, Growth: c.Base, WithoutPorts: !c.StationPort,
			EAPStart: c.EAPStart, IdentityPrefix: c.IDPrefix, ClassGroups: c.ClassGroup, FilterGroups: c.FilterID,
		},
		CloseAll: c.CloseAllOnTimeout,
		Accounting: goswan.Accounting{
			On: c.Accounting, Interval: c.AccountingInterval, RequiresVIP: c.RequiresVIP, SendClass: c.SendClass, CloseOnTimeout: c.CloseOnTimeout,
		},
	}
	for _, s := range c.Servers {
		r.Servers = append(r.Servers, goswan.RADIUSServer{
			Name: s.Name, Host: s.Address, AuthPort: s.AuthPort, AcctPort: s.AcctPort, Secret: s.Secret, NASIdentifier: s.NASIdentifier, MaxOpen: s.MaxOpen,
		})
	}
	return r
}
