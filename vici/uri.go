package vici

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// DefaultURI is where strongSwan's daemon listens and where swanctl looks.
const DefaultURI = "unix:///run/charon.vici"

// ParseURI splits strongSwan's URIs into what net.Dial and net.Listen take:
//
//	unix:///run/charon.vici   a unix socket
//	tcp://127.0.0.1:4502      TCP, without any authentication
//	tcp://[::1]:4502
func ParseURI(uri string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(uri, "unix://"); ok {
		if path == "" {
			return "", "", fmt.Errorf("vici: URI %q has no path; a unix socket is written unix:///run/charon.vici", uri)
		}
		return "unix", path, nil
	}
	address, ok := strings.CutPrefix(uri, "tcp://")
	if !ok {
		return "", "", fmt.Errorf("vici: URI %q begins neither with unix:// nor with tcp://", uri)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", "", fmt.Errorf("vici: URI %q is not of the form tcp://host:port", uri)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("vici: URI %q: %q is no port from 0 to 65535", uri, port)
	}
	return "tcp", address, nil
}
