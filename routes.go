package goswan

import (
	"errors"
	"net/netip"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/route"
	"go.uber.org/zap"
)

// openRoutes takes over the host's routing for the device, or its addresses alone.
func (e *Endpoint) openRoutes(c route.Config) error {
	c.Device, c.Log = e.device.Name(), e.log
	table, err := route.Open(c)
	if errors.Is(err, route.ErrUnsupported) {
		e.log.Warn(err.Error()+"; add the routes for the remote traffic selectors yourself", zap.String("device", c.Device))
		return nil
	}
	if err != nil {
		return err
	}
	if e.host = table; c.AddressesOnly {
		return nil
	}
	e.routes = table
	for _, warning := range table.Warnings() {
		e.log.Warn(warning)
	}
	return nil
}

// routeChild leads what a Child SA protects into the device.
func (e *Endpoint) routeChild(c core.ChildStatus) error {
	return e.routeSelectors(c.LocalTS, c.RemoteTS)
}

func (e *Endpoint) unrouteChild(c core.ChildStatus) { e.unrouteSelectors(c.LocalTS, c.RemoteTS) }

// routePolicy leads what a trap or a drop policy is for into the device, and what passes through away from it.
func (e *Endpoint) routePolicy(in installedPolicy) error {
	p := in.policy
	if e.routes == nil {
		return nil
	}
	if p.Action != spd.Bypass {
		return e.routeSelectors(in.sources(), p.RemoteTS)
	}
	var errs []error
	for _, prefix := range prefixes(p.RemoteTS) {
		errs = append(errs, e.routes.Throw(prefix))
	}
	return errors.Join(errs...)
}

func (e *Endpoint) unroutePolicy(in installedPolicy) {
	p := in.policy
	if e.routes == nil {
		return
	}
	if p.Action != spd.Bypass {
		e.unrouteSelectors(in.sources(), p.RemoteTS)
		return
	}
	for _, prefix := range prefixes(p.RemoteTS) {
		if err := e.routes.Unthrow(prefix); err != nil {
			e.log.Warn("route not removed", zap.Error(err))
		}
	}
}

// sources are the local selectors within which a policy's routes have their source: none before there is a virtual address,
// for it is to be the one.
func (in installedPolicy) sources() []spd.TrafficSelector {
	if len(in.conn.VIPs) > 0 {
		return nil
	}
	return in.policy.LocalTS
}

// routeSelectors routes the remote selectors. The routes carry a source within the local selectors when the host owns
// such an address, so that the host's own packets are within them too.
func (e *Endpoint) routeSelectors(local, remote []spd.TrafficSelector) error {
	if e.routes == nil {
		return nil
	}
	var errs []error
	for _, prefix := range prefixes(remote) {
		errs = append(errs, e.routes.Route(prefix, prefixes(local)))
	}
	return errors.Join(errs...)
}

func (e *Endpoint) unrouteSelectors(local, remote []spd.TrafficSelector) {
	if e.routes == nil {
		return
	}
	for _, prefix := range prefixes(remote) {
		if err := e.routes.Unroute(prefix, prefixes(local)); err != nil {
			e.log.Warn("route not removed", zap.Error(err))
		}
	}
}

// prefixes are the prefixes that cover the selectors' addresses exactly.
func prefixes(all []spd.TrafficSelector) []netip.Prefix {
	var out []netip.Prefix
	for _, ts := range all {
		out = append(out, ts.Prefixes()...)
	}
	return out
}
