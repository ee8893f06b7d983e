package tun

import wgtun "golang.zx2c4.com/wireguard/tun"

// Adapt is a queue over a wireguard device of any kind: super-packets of one complete packet each.
func Adapt(device wgtun.Device) Queue { return newBatchQueue(device) }
