package spd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/goswan/goswan/tun/packet"
)

// Dynamic is the word that stands for the outer or a virtual address of its side.
const Dynamic = "dynamic"

// protocols are the names that are understood; the first of a number is the one that is written (/etc/protocols).
var protocols = []struct {
	number uint8
	name   string
}{
	{packet.ProtoICMP, "icmp"}, {2, "igmp"}, {packet.ProtoIPv4, "ipencap"}, {packet.ProtoIPv4, "ipip"}, {packet.ProtoTCP, "tcp"},
	{8, "egp"}, {packet.ProtoUDP, "udp"}, {packet.ProtoDCCP, "dccp"}, {packet.ProtoIPv6, "ipv6"}, {46, "rsvp"}, {47, "gre"},
	{packet.ProtoESP, "esp"}, {packet.ProtoAH, "ah"}, {packet.ProtoICMPv6, "ipv6-icmp"}, {packet.ProtoICMPv6, "icmpv6"},
	{packet.ProtoICMPv6, "icmp6"}, {88, "eigrp"}, {89, "ospf"}, {103, "pim"}, {108, "ipcomp"}, {112, "vrrp"},
	{115, "l2tp"}, {packet.ProtoSCTP, "sctp"}, {packet.ProtoMobility, "mobility-header"}, {packet.ProtoMobility, "mh"},
	{packet.ProtoUDPLite, "udplite"},
}

// Parse reads a traffic selector in the form that swanctl.conf uses: an address, a prefix, a range or the word dynamic, and in
// brackets behind it a protocol by name or number, a slash, and a port, a range of ports, %any or opaque:
//
//	10.1.0.0/16   fd00::1   10.1.0.5-10.1.0.9   10.1.0.0/16[tcp/80]   dynamic[udp/5000-5010]   ::/0[icmpv6/128]   10.0.0.1[/opaque]
//
// The port of ICMP is a type, of all codes, or a type and a code, 3(4), or both in one number above 255.
// For dynamic the addresses of the result are not valid until WithAddr.
func Parse(text string) (ts TrafficSelector, dynamic bool, err error) {
	fail := func(err error) (TrafficSelector, bool, error) {
		return TrafficSelector{}, false, fmt.Errorf("traffic selector %q: %w", text, err)
	}
	addresses, upper, bracketed := strings.Cut(strings.TrimSpace(text), "[")
	ts.EndPort = maxPort
	if bracketed {
		upper, ok := strings.CutSuffix(upper, "]")
		if !ok {
			return fail(errors.New("the bracket is not closed at its end"))
		}
		if err := ts.parseUpper(upper); err != nil {
			return fail(err)
		}
	}
	addresses = strings.TrimSpace(addresses)
	if addresses == Dynamic || addresses == "%dynamic" {
		return ts, true, nil
	}
	if err := ts.parseAddresses(addresses); err != nil {
		return fail(err)
	}
	return ts, false, nil
}

// MustParse is Parse of a constant that is not dynamic; it panics on an error.
func MustParse(text string) TrafficSelector {
	ts, dynamic, err := Parse(text)
	if err != nil || dynamic {
		panic(fmt.Sprintf("spd: MustParse(%q): %v", text, err))
	}
	return ts
}

func (ts *TrafficSelector) parseAddresses(text string) error {
	if first, last, ok := cutRange(text); ok {
		start, err := parseAddr(first)
		if err != nil {
			return err
		}
		end, err := parseAddr(last)
		if err != nil {
			return err
		}
		if start.BitLen() != end.BitLen() || end.Less(start) {
			return errors.New("the range does not go from a lower to a higher address of one family")
		}
		ts.Start, ts.End = start, end
		return nil
	}
	if address, length, ok := strings.Cut(text, "/"); ok {
		a, err := parseAddr(address)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(length, 10, 8)
		if err != nil || int(n) > a.BitLen() {
			return fmt.Errorf("%q is no prefix length from 0 to %d", length, a.BitLen())
		}
		p := netip.PrefixFrom(a, int(n))
		ts.Start, ts.End = p.Masked().Addr(), lastAddr(p)
		return nil
	}
	a, err := parseAddr(text)
	ts.Start, ts.End = a, a
	return err
}

// cutRange cuts "a-b" or "a..b".
func cutRange(text string) (first, last string, ok bool) {
	if first, last, ok = strings.Cut(text, ".."); ok {
		return first, last, true
	}
	return strings.Cut(text, "-")
}

func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is no IP address, prefix or range, nor %q", text, Dynamic)
	}
	return a.Unmap(), nil
}

func (ts *TrafficSelector) parseUpper(text string) error {
	name, port, hasPort := strings.Cut(text, "/")
	if err := ts.parseProtocol(strings.TrimSpace(name)); err != nil {
		return err
	}
	port = strings.TrimSpace(port)
	switch {
	case !hasPort || port == "" || port == "%any" || port == "any":
		return nil
	case strings.EqualFold(port, "opaque") || port == "%opaque":
		ts.StartPort, ts.EndPort = maxPort, 0
		return nil
	}
	first, last, isRange := strings.Cut(port, "-")
	// A name such as ftp-data has a dash too.
	if isRange && !startsWithDigit(first) {
		first, isRange = port, false
	}
	low, high, err := ts.parsePort(first)
	if err != nil {
		return err
	}
	if isRange {
		if _, high, err = ts.parsePort(last); err != nil {
			return err
		}
	}
	if low > high {
		return fmt.Errorf("the port range %q does not go up", port)
	}
	ts.StartPort, ts.EndPort = low, high
	return nil
}

func (ts *TrafficSelector) parseProtocol(name string) error {
	if name == "" || name == "%any" || name == "any" {
		return nil
	}
	for _, p := range protocols {
		if strings.EqualFold(p.name, name) {
			ts.Protocol = p.number
			return nil
		}
	}
	n, err := strconv.ParseUint(name, 10, 8)
	if err != nil {
		return fmt.Errorf("%q is no protocol name or number from 0 to 255", name)
	}
	ts.Protocol = uint8(n)
	return nil
}

// parsePort reads one port, or one ICMP type, as the range it stands for.
func (ts *TrafficSelector) parsePort(text string) (low, high uint16, err error) {
	text = strings.TrimSpace(text)
	if kind, code, ok := strings.Cut(text, "("); ok && ts.typed() {
		t, err1 := strconv.ParseUint(kind, 10, 8)
		c, err2 := strconv.ParseUint(strings.TrimSuffix(code, ")"), 10, 8)
		if err1 != nil || err2 != nil || !strings.HasSuffix(code, ")") {
			return 0, 0, fmt.Errorf("%q is no ICMP type and code, as in 3(4)", text)
		}
		port := uint16(t<<8 | c)
		return port, port, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return ts.parseService(text)
	}
	// strongSwan too takes a number that cannot be a type and a code for a type.
	if ts.typed() && n < 256 {
		return uint16(n << 8), uint16(n<<8 | 0xff), nil
	}
	return uint16(n), uint16(n), nil
}

func (ts *TrafficSelector) parseService(name string) (low, high uint16, err error) {
	network := "tcp"
	if ts.Protocol == packet.ProtoUDP {
		network = "udp"
	}
	if !startsWithDigit(name) && name != "" && !ts.typed() {
		if port, err := net.LookupPort(network, name); err == nil {
			return uint16(port), uint16(port), nil
		}
	}
	return 0, 0, fmt.Errorf("%q is no port from 0 to 65535, nor the name of a service", name)
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// typed says that the protocol has types and codes in place of ports.
func (ts *TrafficSelector) typed() bool {
	return ts.Protocol == packet.ProtoICMP || ts.Protocol == packet.ProtoICMPv6
}

// String is the selector as strongSwan prints it, with port numbers instead of service names: 10.1.0.0/16[tcp/80],
// 10.1.0.5..10.1.0.9. Parse reads it back. Without addresses it is "dynamic".
func (ts TrafficSelector) String() string {
	if !ts.Start.IsValid() {
		return Dynamic + ts.Upper()
	}
	if p, ok := ts.Prefix(); ok {
		return p.String() + ts.Upper()
	}
	return ts.Start.String() + ".." + ts.End.String() + ts.Upper()
}

// Upper is the part of String in brackets, "[tcp/80]", or "" when any protocol and port is selected.
func (ts TrafficSelector) Upper() string {
	if ts.Protocol == 0 && ts.AnyPort() {
		return ""
	}
	name := strconv.Itoa(int(ts.Protocol))
	for _, p := range protocols {
		if p.number == ts.Protocol {
			name = p.name
			break
		}
	}
	if ts.AnyPort() {
		return "[" + name + "]"
	}
	return "[" + name + "/" + ts.ports() + "]"
}

func (ts *TrafficSelector) ports() string {
	switch {
	case ts.Opaque():
		return "OPAQUE"
	case ts.typed():
		return ts.types()
	case ts.StartPort == ts.EndPort:
		return strconv.Itoa(int(ts.StartPort))
	}
	return fmt.Sprintf("%d-%d", ts.StartPort, ts.EndPort)
}

func (ts *TrafficSelector) types() string {
	low, high := ts.StartPort, ts.EndPort
	switch {
	case low == high:
		return typeCode(low)
	case low&0xff == 0 && high&0xff == 0xff && low>>8 == high>>8:
		return strconv.Itoa(int(low >> 8))
	case low&0xff == 0 && high&0xff == 0xff:
		return fmt.Sprintf("%d-%d", low>>8, high>>8)
	}
	return typeCode(low) + "-" + typeCode(high)
}

func typeCode(port uint16) string { return fmt.Sprintf("%d(%d)", port>>8, port&0xff) }

// MarshalText returns String.
func (ts TrafficSelector) MarshalText() ([]byte, error) { return []byte(ts.String()), nil }
