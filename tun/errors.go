package tun

import "errors"

// ErrDown says that the device is not up, so it takes no packets.
var ErrDown = errors.New("tun: the device is down")

// ErrRefused says that the device does not take such a packet.
var ErrRefused = errors.New("tun: the device refused the packet")
