package tun

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"golang.org/x/sys/unix"

	"github.com/goswan/goswan/tun/poll"
)

const defaultName = "ipsec0"

// How a queue is opened. A second process that asks for one of many would be given another queue of the same interface, so
// whoever makes one insists on making it.
const (
	onlyQueue    = unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	anotherQueue = onlyQueue | unix.IFF_MULTI_QUEUE
	firstOfMany  = anotherQueue | unix.IFF_TUN_EXCL
)

// openFD opens a queue of the interface, and makes it with its first.
func openFD(name string, flags uint16) (int, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return -1, err
	}
	ifr.SetUint16(flags)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// create makes the interface. Its file is blocking as long as Go might have it watched: see poll.File.
func create(c Config) (wgtun.Device, error) {
	flags := uint16(onlyQueue)
	if c.Queues > 1 {
		flags = firstOfMany
	}
	fd, err := openFD(c.Name, flags)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "/dev/net/tun")
	device, err := wgtun.CreateTUNFromFile(file, c.MTU)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return device, nil
}

// openQueues takes the device's file for its first queue, and opens the others. They take super-packets.
func openQueues(device wgtun.Device, name string, n int) (queues []Queue, super bool, err error) {
	file, err := poll.Unwatched(device.File())
	if err != nil {
		return nil, true, err
	}
	q := newVnetQueue(name, file)
	if err := q.inspect(); err != nil {
		return nil, true, err
	}
	queues = append(queues, q)
	for len(queues) < n {
		fd, err := openFD(name, anotherQueue)
		if err != nil {
			return queues, true, fmt.Errorf("queue %d of %d: %w", len(queues)+1, n, err)
		}
		file, err := poll.NewFile(fd, "/dev/net/tun")
		if err != nil {
			return queues, true, err
		}
		another := newVnetQueue(name, file)
		another.uso = q.uso
		queues = append(queues, another)
	}
	return queues, true, nil
}

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

func (m socketMeter) SetMTU(octets int) error {
	ifr, err := unix.NewIfreq(m.name)
	if err != nil {
		return err
	}
	ifr.SetUint32(uint32(octets))
	return unix.IoctlIfreq(m.fd, unix.SIOCSIFMTU, ifr)
}

func (m socketMeter) Close() { _ = unix.Close(m.fd) }
