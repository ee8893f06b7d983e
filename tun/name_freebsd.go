package tun

const defaultName = "ipsec0"
