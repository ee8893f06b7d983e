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

// openQueue reads and writes single packets through wireguard's device.
func openQueue(device wgtun.Device, _ string) (Queue, bool, error) {
	return newBatchQueue(device), false, nil
}

// deviceMeter asks the device.
type deviceMeter struct{ wgtun.Device }

func openMeter(device wgtun.Device, _ string) (mtuMeter, error) { return deviceMeter{device}, nil }

// Close leaves the device open: it is not the meter's.
func (deviceMeter) Close() {}
