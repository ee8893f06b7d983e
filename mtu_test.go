package goswan

import (
	"errors"
	"testing"

	"github.com/goswan/goswan/tun/tuntest"
	"go.uber.org/zap"
)

// sized is a device whose MTU can be set, unless refused.
type sized struct {
	*tuntest.Device
	refused error
}

func (s *sized) SetMTU(octets int) error {
	if s.refused == nil {
		s.Device.SetMTU(octets)
	}
	return s.refused
}

// TestTunnelMTU: the device's MTU is what fits, between 1280 and the default, and is left alone once an administrator has set it.
func TestTunnelMTU(t *testing.T) {
	d := &sized{Device: tuntest.New(tuntest.Config{MTU: 1400})}
	m := ownMTU(d)
	for _, c := range []struct{ room, want int }{{1438, 1400}, {1350, 1350}, {1000, 1280}, {1281, 1281}, {0, 1400}, {9000, 1400}} {
		if m.follow(c.room, zap.NewNop()); d.MTU() != c.want {
			t.Errorf("room for %d: the MTU is %d, want %d", c.room, d.MTU(), c.want)
		}
	}
	d.refused = errors.New("no")
	m.follow(1300, zap.NewNop())
	d.refused = nil
	if m.follow(1300, zap.NewNop()); d.MTU() != 1300 {
		t.Errorf("the MTU is %d after a failure and another try, want 1300", d.MTU())
	}
	d.Device.SetMTU(1390)
	if m.follow(1290, zap.NewNop()); d.MTU() != 1390 {
		t.Errorf("the administrator's MTU of 1390 became %d", d.MTU())
	}
	d.Device.SetMTU(1300)
	d.refused = errors.ErrUnsupported
	if m.follow(1290, zap.NewNop()); m.device != nil {
		t.Error("a device that cannot change its MTU is asked again")
	}
	m.follow(0, zap.NewNop())
}
