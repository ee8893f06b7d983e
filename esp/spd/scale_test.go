package spd

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/goswan/goswan/tun/packet"
)

// host is the i-th address of a block for 2²⁴ hosts.
func host(block byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{block, byte(i >> 16), byte(i >> 8), byte(i)})
}

// layouts are sets of many policies: the i-th policy of each, and a flow that it alone takes.
var layouts = []struct {
	name   string
	policy func(i int) *Policy
	flow   func(i int) packet.Flow
}{
	{
		"unique remotes", // a gateway for road warriors
		func(i int) *Policy {
			return &Policy{Action: Protect, LocalTS: selectors("10.0.0.0/8"), RemoteTS: []TrafficSelector{FromAddr(host(172, i))}}
		},
		func(i int) packet.Flow { return packet.Flow{Src: host(10, 1), Dst: host(172, i)} },
	},
	{
		"unique locals", // one SA for each host behind a gateway, to one network
		func(i int) *Policy {
			return &Policy{Action: Protect, LocalTS: []TrafficSelector{FromAddr(host(10, i))}, RemoteTS: selectors("0.0.0.0/0")}
		},
		func(i int) packet.Flow { return packet.Flow{Src: host(10, i), Dst: host(172, 1)} },
	},
	{
		"unique ports", // one SA for each service
		func(i int) *Policy {
			remote := selectors("172.16.0.0/16[tcp]")[0]
			remote.StartPort, remote.EndPort = uint16(i+1), uint16(i+1)
			return &Policy{Action: Protect, LocalTS: selectors("10.0.0.0/8[tcp]"), RemoteTS: []TrafficSelector{remote}}
		},
		func(i int) packet.Flow {
			return packet.Flow{
				Src: host(10, 1), Dst: netip.MustParseAddr("172.16.0.1"), Protocol: packet.ProtoTCP,
				SrcPort: 1, DstPort: uint16(i + 1), Ports: packet.PortsPair,
			}
		},
	},
}

func BenchmarkInstall(b *testing.B) {
	for _, l := range layouts {
		for _, n := range []int{10000, 50000} {
			b.Run(fmt.Sprintf("%s/%d", l.name, n), func(b *testing.B) {
				list := make([]*Policy, n)
				for i := range list {
					list[i] = l.policy(i)
				}
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var d *Database
				for range b.N {
					d = NewDatabase()
					for _, p := range list {
						d.Change(nil, []*Policy{p})
					}
				}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "octets/policy")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/policy")
				runtime.KeepAlive(d)
			})
		}
	}
}

// BenchmarkFlows is the look-up of one packet, with a cache and without, when the packets go round many flows.
func BenchmarkFlows(b *testing.B) {
	for _, l := range layouts {
		for _, policies := range []int{1, 1000, 10000, 50000} {
			d := NewDatabase()
			for i := range policies {
				d.Change(nil, []*Policy{l.policy(i)})
			}
			for _, flows := range []int{1, 100, 1000, 10000} {
				list := make([]packet.Flow, flows)
				for i := range list {
					list[i] = l.flow(i * 7919 % policies)
				}
				if flows > policies {
					continue
				}
				b.Run(fmt.Sprintf("%s/%d policies/%d flows/cached", l.name, policies, flows), func(b *testing.B) {
					c, i := new(Cache), 0
					for b.Loop() {
						if i++; i >= flows {
							i = 0
						}
						if c.Match(d.Load(), &list[i]) == nil {
							b.Fatal("no policy")
						}
					}
				})
				b.Run(fmt.Sprintf("%s/%d policies/%d flows/bare", l.name, policies, flows), func(b *testing.B) {
					i := 0
					for b.Loop() {
						if i++; i >= flows {
							i = 0
						}
						if d.Load().Match(&list[i]) == nil {
							b.Fatal("no policy")
						}
					}
				})
			}
		}
	}
}
