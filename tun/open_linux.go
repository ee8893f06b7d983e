package tun

import (
	"errors"
	"fmt"
	"io/fs"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"golang.org/x/sys/unix"
)

const defaultName = "ipsec0"

// explain adds to a failure to create a device what usually is its reason.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (a TUN device needs root or CAP_NET_ADMIN)", err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w (another process has a device of this name)", err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w (is /dev/net/tun there? `modprobe tun`, or give the container the device)", err)
	}
	return err
}

// socketMeter asks by a socket of the namespace in which the device was created.
type socketMeter struct {
	fd   int
	name string
}

func openMeter(_ wgtun.Device, name string) (mtuMeter, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return socketMeter{fd, name}, nil
}

func (m socketMeter) MTU() (int, error) {
	ifr, err := unix.NewIfreq(m.name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(m.fd, unix.SIOCGIFMTU, ifr); err != nil {
		return 0, err
	}
	return int(ifr.Uint32()), nil
}

func (m socketMeter) Close() { _ = unix.Close(m.fd) }
