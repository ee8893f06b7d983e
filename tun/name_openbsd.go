package tun

const defaultName = "tun"
