package radius

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc6911"
)

// Status is what a record tells: the beginning, the course or the end of a session. RFC 2866 §5.1
type Status uint32

// The statuses.
const (
	Start   = Status(rfc2866.AcctStatusType_Value_Start)
	Interim = Status(rfc2866.AcctStatusType_Value_InterimUpdate)
	Stop    = Status(rfc2866.AcctStatusType_Value_Stop)
)

// String is RFC 2866's name.
func (s Status) String() string { return rfc2866.AcctStatusType(s).String() }

// Cause is why a session ended. RFC 2866 §5.10
type Cause uint32

// The causes that an IKE SA ends for.
const (
	UserRequest    = Cause(rfc2866.AcctTerminateCause_Value_UserRequest)    // the peer deleted it
	LostCarrier    = Cause(rfc2866.AcctTerminateCause_Value_LostCarrier)    // the peer does not answer
	IdleTimeout    = Cause(rfc2866.AcctTerminateCause_Value_IdleTimeout)    // nothing came for as long as the server allowed
	SessionTimeout = Cause(rfc2866.AcctTerminateCause_Value_SessionTimeout) // it lasted as long as the server allowed
	AdminReset     = Cause(rfc2866.AcctTerminateCause_Value_AdminReset)     // we were told to end it
	NASError       = Cause(rfc2866.AcctTerminateCause_Value_NASError)       // ours
	NASReboot      = Cause(rfc2866.AcctTerminateCause_Value_NASReboot)      // we are going down
)

// Record is one message about a session.
type Record struct {
	Caller
	Status   Status
	Identity string
	// Addresses are the peer's inside the tunnel.
	Addresses []netip.Addr
	// Classes are those of the Access-Accept: they "SHOULD be sent unmodified" (RFC 2865 §5.25).
	Classes [][]byte
	// Elapsed, and what was received from the peer and sent to it, are of Interim and Stop.
	Elapsed               time.Duration
	InOctets, OutOctets   uint64
	InPackets, OutPackets uint64
	Cause                 Cause // of Stop
	Delay                 time.Duration
	EventTime             time.Time // when it was, zero: left out
}

// Account sends a record to the first server that keeps accounts and answers. It errs if none does: the owner may keep
// the record and try again, with Delay.
func (c *Client) Account(ctx context.Context, r Record) error {
	if r.SessionID == "" {
		return errors.New("radius: a record without SessionID")
	}
	var failed []error
	for _, i := range c.order(func(s Server) bool { return s.Accounting.IsValid() }) {
		err := c.accountOne(ctx, i, r)
		if err == nil {
			return nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil || !errors.Is(err, ErrSilent) {
			break
		}
	}
	if failed == nil {
		return errors.New("radius: no server keeps accounts")
	}
	return errors.Join(failed...)
}

func (c *Client) accountOne(ctx context.Context, i int, r Record) error {
	server := c.config.Servers[i]
	p, err := newPacket(radius.CodeAccountingRequest, server.Secret)
	if err != nil {
		return err
	}
	response, err := c.exchange(ctx, i, server.Accounting, func(n nas) ([]byte, error) {
		return n.accountingRequest(p, r)
	}, false)
	if err != nil {
		return err
	}
	if response.Code != radius.CodeAccountingResponse {
		return fmt.Errorf("radius: server %s answered a record with %s", server.name(), response.Code)
	}
	return nil
}

// accountingRequest is the Accounting-Request for a record. Its authenticator is a hash over it all, which Encode makes.
func (n nas) accountingRequest(p *radius.Packet, r Record) ([]byte, error) {
	integer(p, rfc2866.AcctStatusType_Type, uint32(r.Status))
	if err := attribute(p, rfc2866.AcctSessionID_Type, []byte(r.SessionID)); err != nil {
		return nil, err
	}
	if err := attribute(p, rfc2865.UserName_Type, []byte(r.Identity)); err != nil {
		return nil, err
	}
	if err := n.describe(p, r.Caller); err != nil {
		return nil, err
	}
	for _, address := range r.Addresses {
		if address = address.Unmap(); address.Is4() {
			p.Add(rfc2865.FramedIPAddress_Type, address.AsSlice())
		} else if address.Is6() {
			p.Add(rfc6911.FramedIPv6Address_Type, address.AsSlice())
		}
	}
	for _, class := range r.Classes {
		if err := attribute(p, rfc2865.Class_Type, class); err != nil {
			return nil, err
		}
	}
	integer(p, rfc2866.AcctDelayTime_Type, uint32(r.Delay/time.Second))
	if !r.EventTime.IsZero() {
		integer(p, rfc2869.EventTimestamp_Type, uint32(r.EventTime.Unix()))
	}
	if r.Status != Start {
		r.counters(p)
	}
	return p.Encode()
}

// counters adds what has been counted: octets in two halves, the upper in gigawords (RFC 2869 §5.1).
func (r Record) counters(p *radius.Packet) {
	for _, counter := range []struct {
		typ   radius.Type
		value uint64
	}{
		{rfc2866.AcctSessionTime_Type, uint64(r.Elapsed / time.Second)},
		{rfc2866.AcctInputOctets_Type, r.InOctets & 0xffffffff},
		{rfc2869.AcctInputGigawords_Type, r.InOctets >> 32},
		{rfc2866.AcctOutputOctets_Type, r.OutOctets & 0xffffffff},
		{rfc2869.AcctOutputGigawords_Type, r.OutOctets >> 32},
		{rfc2866.AcctInputPackets_Type, r.InPackets},
		{rfc2866.AcctOutputPackets_Type, r.OutPackets},
	} {
		integer(p, counter.typ, uint32(min(counter.value, 0xffffffff)))
	}
	if r.Status == Stop && r.Cause != 0 {
		integer(p, rfc2866.AcctTerminateCause_Type, uint32(r.Cause))
	}
}
