//go:build !linux

package tun

import (
	"errors"
	"fmt"
	"io/fs"

	wgtun "golang.zx2c4.com/wireguard/tun"
)

// explain adds to a failure to create a device what usually is its reason.
func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w (creating a TUN device needs the administrator's rights)", err)
	}
	return err
}

func create(c Config) (wgtun.Device, error) { return wgtun.CreateTUN(c.Name, c.MTU) }

// openQueues reads and writes single packets through wireguard's device, which has one queue.
func openQueues(device wgtun.Device, _ string, _ int) ([]Queue, bool, error) {
	return []Queue{newBatchQueue(device)}, false, nil
}

// deviceMeter asks the device.
type deviceMeter struct{ wgtun.Device }

func openMeter(device wgtun.Device, _ string) (mtuMeter, error) { return deviceMeter{device}, nil }

// SetMTU says that it cannot be changed.
func (deviceMeter) SetMTU(int) error { return errors.ErrUnsupported }

// Close leaves the device open: it is not the meter's.
func (deviceMeter) Close() {}
