package goswan

import (
	"errors"

	"github.com/goswan/goswan/tun"
	"go.uber.org/zap"
)

// leastMTU is what an IPv6 link has (RFC 8200 §5).
const leastMTU = 1280

// tunnelMTU keeps the MTU of a device that we opened, and nobody named an MTU for, at what fits the paths of all SAs: then the host's
// own packets fit without its having to be told by ICMP. It is used by the goroutine of the data path's events.
type tunnelMTU struct {
	device tun.Resizable // nil: the MTU is not ours to set
	set    int           // what it was set to last; another is an administrator's, which stays
}

// ownMTU takes charge of a device's MTU.
func ownMTU(device tun.Resizable) tunnelMTU { return tunnelMTU{device: device, set: device.MTU()} }

// mtuFor is the MTU for room of so many octets, 0 for no limit: within what an IPv6 link has and the default.
func mtuFor(room int) int {
	if room == 0 {
		return tun.DefaultMTU
	}
	return min(max(room, leastMTU), tun.DefaultMTU)
}

// follow sets the MTU for a new room.
func (m *tunnelMTU) follow(room int, log *zap.Logger) {
	mtu := mtuFor(room)
	if m.device == nil || mtu == m.set || m.device.MTU() != m.set {
		return
	}
	fields := []zap.Field{zap.String("device", m.device.Name()), zap.Int("mtu", mtu), zap.Int("room", room)}
	err := m.device.SetMTU(mtu)
	switch {
	case err == nil:
		m.set = mtu
		log.Info("the MTU of the TUN device follows what the paths to the peers take", fields...)
	case errors.Is(err, errors.ErrUnsupported):
		m.device = nil
		log.Warn("the MTU of the TUN device cannot be changed here; give --mtu", fields...)
	default:
		log.Warn("MTU of the TUN device not set", append(fields, zap.Error(err))...)
	}
}
