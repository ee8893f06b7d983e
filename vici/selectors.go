package vici

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
)

// selectors are traffic selectors as strongSwan prints them.
func selectors(all []spd.TrafficSelector) []string {
	texts := make([]string, len(all))
	for i, ts := range all {
		texts[i] = selectorText(ts, services())
	}
	return texts
}

// configured are selectors of a configuration; a dynamic one has no addresses.
func configured(all []core.Selector) []string {
	texts := make([]string, len(all))
	for i, s := range all {
		ts := s.TS
		if s.Dynamic {
			ts.Start, ts.End = spd.TrafficSelector{}.Start, spd.TrafficSelector{}.End
		}
		texts[i] = selectorText(ts, services())
	}
	return texts
}

// selectorText is a traffic selector as strongSwan prints it: as spd does, but a single port that the host's
// /etc/services names has that name, 10.1.0.0/16[tcp/http].
func selectorText(ts spd.TrafficSelector, names map[service]string) string {
	text := ts.String()
	if ts.StartPort != ts.EndPort {
		return text
	}
	number := "/" + strconv.Itoa(int(ts.StartPort)) + "]"
	rest, ok := strings.CutSuffix(text, number)
	if !ok {
		return text // types and codes of ICMP
	}
	_, protocol, _ := strings.Cut(rest, "[")
	if protocol == "0" {
		protocol = ""
	}
	if name := names[service{ts.StartPort, protocol}]; name != "" {
		return rest + "/" + name + "]"
	}
	return text
}

// service is a port of a protocol; the protocol "" is the first that has the port, as getservbyport(3) finds it.
type service struct {
	port     uint16
	protocol string
}

const servicesFile = "/etc/services"

// services are the host's names for ports, none if it has no such file.
var services = sync.OnceValue(func() map[service]string {
	f, err := os.Open(servicesFile)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	names := map[service]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		addService(names, lines.Text())
	}
	return names
})

// addService reads a line of services(5): "http  80/tcp  www  # World Wide Web".
func addService(names map[service]string, line string) {
	line, _, _ = strings.Cut(line, "#")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return
	}
	number, protocol, ok := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil {
		return
	}
	for _, s := range []service{{uint16(port), protocol}, {uint16(port), ""}} {
		if names[s] == "" {
			names[s] = fields[0]
		}
	}
}
