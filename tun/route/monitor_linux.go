package route

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// monitor listens to what the kernel tells of changes, until it is stopped.
type monitor struct {
	socket  *nl.NetlinkSocket
	stopped atomic.Bool
	wg      sync.WaitGroup
}

// watch begins to listen.
func (l *linux) watch(to changes) error {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
		unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return err
	}
	l.monitor.socket = socket
	l.monitor.wg.Go(func() { l.listen(to) })
	return nil
}

// unwatch ends it and waits for the end.
func (l *linux) unwatch() {
	m := &l.monitor
	if m.socket == nil {
		return
	}
	m.stopped.Store(true)
	m.socket.Close()
	m.wg.Wait()
}

func (l *linux) listen(to changes) {
	for {
		messages, from, err := l.monitor.socket.Receive()
		switch {
		case l.monitor.stopped.Load():
			return
		case errors.Is(err, unix.ENOBUFS): // more changes than the socket holds: any may be lost
			to.addressesChanged(true, netip.Addr{})
			to.addressesChanged(false, netip.Addr{})
			to.rulesGone()
			to.deviceUp()
			continue
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			l.config.Log.Error("changes to the host's routing are not followed any more", zap.Error(err))
			return
		case from.Pid != nl.PidKernel:
			continue
		}
		for _, m := range messages {
			l.tell(m, to)
		}
	}
}

// tell tells of one message.
func (l *linux) tell(m syscall.NetlinkMessage, to changes) {
	switch m.Header.Type {
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		l.tellAddress(m, to)
	case unix.RTM_DELROUTE:
		l.tellRoute(m.Data, to)
	case unix.RTM_DELRULE:
		to.rulesGone()
	case unix.RTM_NEWLINK:
		if len(m.Data) < unix.SizeofIfInfomsg {
			return
		}
		info := nl.DeserializeIfInfomsg(m.Data)
		// Change says which flags changed; only a device that came up has lost anything.
		if int(info.Index) == l.index && info.Flags&unix.IFF_UP != 0 && info.Change&unix.IFF_UP != 0 {
			to.deviceUp()
		}
	}
}

func (l *linux) tellAddress(m syscall.NetlinkMessage, to changes) {
	if len(m.Data) < unix.SizeofIfAddrmsg {
		return
	}
	info := nl.DeserializeIfAddrmsg(m.Data)
	v4 := info.Family == unix.AF_INET
	if m.Header.Type == unix.RTM_NEWADDR {
		to.addressesChanged(v4, netip.Addr{})
		return
	}
	attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return
	}
	var gone netip.Addr
	for _, a := range attrs {
		// On a point-to-point link IFA_ADDRESS is the other end's, and IFA_LOCAL ours.
		if a.Attr.Type == unix.IFA_LOCAL || a.Attr.Type == unix.IFA_ADDRESS && !gone.IsValid() {
			if ip, ok := netip.AddrFromSlice(a.Value); ok {
				gone = ip
			}
		}
	}
	to.addressesChanged(v4, gone)
}

func (l *linux) tellRoute(data []byte, to changes) {
	if len(data) < unix.SizeofRtMsg {
		return
	}
	info := nl.DeserializeRtMsg(data)
	attrs, err := nl.ParseRouteAttr(data[unix.SizeofRtMsg:])
	if err != nil {
		return
	}
	table, dst := int(info.Table), netip.IPv4Unspecified()
	if info.Family == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	for _, a := range attrs {
		switch {
		case a.Attr.Type == unix.RTA_TABLE && len(a.Value) == 4:
			table = int(binary.NativeEndian.Uint32(a.Value))
		case a.Attr.Type == unix.RTA_DST:
			if ip, ok := netip.AddrFromSlice(a.Value); ok {
				dst = ip
			}
		}
	}
	if table == l.config.Table {
		to.routeGone(netip.PrefixFrom(dst, int(info.Dst_len)))
	}
}
