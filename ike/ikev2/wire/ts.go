package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/goswan/goswan/esp/spd"
)

// The Traffic Selector types (RFC 7296 §3.13.1).
const (
	tsIPv4AddrRange = 7
	tsIPv6AddrRange = 8
)

// TS is the content of both Traffic Selector payloads (RFC 7296 §3.13).
type TS struct {
	// Selectors are the address ranges, in order.
	Selectors []spd.TrafficSelector
	// Others are selectors of types other than the two of RFC 7296 (Fibre Channel, security labels); they match nothing.
	Others []OtherSelector
}

// OtherSelector is a traffic selector of a type that we do not use.
type OtherSelector struct {
	Type uint8
	// Protocol is the octet behind the type: the IP protocol, or reserved.
	Protocol uint8
	Body     []byte // behind the Selector Length
}

func (p *TS) text() string {
	items := make([]string, 0, len(p.Selectors)+len(p.Others))
	for _, ts := range p.Selectors {
		items = append(items, ts.String())
	}
	for _, o := range p.Others {
		items = append(items, fmt.Sprintf("type %d (%d octets)", o.Type, len(o.Body)))
	}
	if len(items) == 0 {
		return "none"
	}
	return listed(items, " ")
}

func (p *TS) check() error {
	if n := len(p.Selectors) + len(p.Others); n > 255 {
		return fmt.Errorf("%d selectors", n)
	}
	for _, ts := range p.Selectors {
		if !validRange(ts) {
			return fmt.Errorf("selector %s to %s is not a range of one address family", ts.Start, ts.End)
		}
	}
	for _, o := range p.Others {
		if len(o.Body) > MaxMessage-4 {
			return fmt.Errorf("selector of %d octets", len(o.Body))
		}
	}
	return nil
}

// validRange tells whether addresses are of one family and in order, and ports are in order or OPAQUE.
func validRange(ts spd.TrafficSelector) bool {
	if !ts.Start.IsValid() || ts.Start.Is4() != ts.End.Is4() || ts.Start.Zone() != "" || ts.End.Zone() != "" || ts.Start.Compare(ts.End) > 0 {
		return false
	}
	// Who wants OPAQUE "but not "ANY" ports, MUST set the start port to 65535 and the end port to 0."  RFC 7296 §3.13.1
	return ts.StartPort <= ts.EndPort || (ts.StartPort == 65535 && ts.EndPort == 0)
}

func (p *TS) appendBody(b []byte) []byte {
	b = append(b, uint8(len(p.Selectors)+len(p.Others)), 0, 0, 0)
	for _, ts := range p.Selectors {
		t, length := uint8(tsIPv4AddrRange), uint16(16)
		if !ts.Start.Is4() {
			t, length = tsIPv6AddrRange, 40
		}
		b = append(b, t, ts.Protocol)
		b = binary.BigEndian.AppendUint16(b, length)
		b = binary.BigEndian.AppendUint16(b, ts.StartPort)
		b = binary.BigEndian.AppendUint16(b, ts.EndPort)
		b = append(b, ts.Start.AsSlice()...)
		b = append(b, ts.End.AsSlice()...)
	}
	for _, o := range p.Others {
		b = append(b, o.Type, o.Protocol)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(o.Body)))
		b = append(b, o.Body...)
	}
	return b
}

func (p *TS) decode(d *decoder) {
	n := int(d.uint8())
	d.skip(3)
	for i := 0; i < n && !d.failed(); i++ {
		p.decodeSelector(d)
	}
}

// decodeSelector reads one traffic selector (RFC 7296 §3.13.1):
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|   TS Type     |IP Protocol ID*|       Selector Length         |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|           Start Port*         |           End Port*           |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	~            Starting Address* and then Ending Address*         ~
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
func (p *TS) decodeSelector(d *decoder) {
	t, protocol, length := d.uint8(), d.uint8(), int(d.uint16())
	if d.failed() {
		return
	}
	if length < 4 || t == tsIPv4AddrRange && length != 16 || t == tsIPv6AddrRange && length != 40 {
		d.pos -= 2
		d.fail(BadLength, "selector of type %d with length %d", t, length)
		return
	}
	s := d.sub(length - 4)
	if t != tsIPv4AddrRange && t != tsIPv6AddrRange {
		p.Others = append(p.Others, OtherSelector{Type: t, Protocol: protocol, Body: s.rest()})
		return
	}
	ts := spd.TrafficSelector{Protocol: protocol, StartPort: s.uint16(), EndPort: s.uint16()}
	half := s.remaining() / 2
	ts.Start, _ = netip.AddrFromSlice(s.take(half))
	ts.End, _ = netip.AddrFromSlice(s.take(half))
	if !d.failed() && !validRange(ts) {
		d.fail(BadValue, "selector whose end is before its start")
	}
	p.Selectors = append(p.Selectors, ts)
}

// TSi is the Traffic Selector payload of the initiator's side.
type TSi struct{ TS }

// Type is TypeTSi.
func (*TSi) Type() PayloadType { return TypeTSi }

// String is "TSi".
func (*TSi) String() string { return TypeTSi.String() }

// Detail is "TSi 10.1.0.0/16 10.2.0.1/32[tcp/80]".
func (p *TSi) Detail() []string { return []string{"TSi " + p.text()} }

// TSr is the Traffic Selector payload of the responder's side.
type TSr struct{ TS }

// Type is TypeTSr.
func (*TSr) Type() PayloadType { return TypeTSr }

// String is "TSr".
func (*TSr) String() string { return TypeTSr.String() }

// Detail is "TSr 10.2.0.0/16".
func (p *TSr) Detail() []string { return []string{"TSr " + p.text()} }

// NewTSi and NewTSr make the payloads of some selectors.
func NewTSi(selectors ...spd.TrafficSelector) *TSi { return &TSi{TS{Selectors: selectors}} }

// NewTSr is NewTSi for the responder's side.
func NewTSr(selectors ...spd.TrafficSelector) *TSr { return &TSr{TS{Selectors: selectors}} }
