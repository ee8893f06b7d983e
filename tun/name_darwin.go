package tun

const defaultName = "utun"
