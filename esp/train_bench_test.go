package esp_test

import (
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun/packet"
)

// The lengths of the inner packets in the benchmarks, with the number of them in a full train.
var trains = []struct{ size, count int }{{64, 64}, {1420, 44}}

// crowd is the SAs that stand beside the one that works.
const crowd = 10000

// perPacket reports what one of n packets of each round took.
func perPacket(b *testing.B, took time.Duration, n int) {
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*n), "ns/packet")
}

// BenchmarkSealTrain is what one packet of a full train costs: the policy is looked up for each packet, the SA taken for each
// train. "bare" is the cipher alone.
func BenchmarkSealTrain(b *testing.B) {
	policies := spd.NewDatabase()
	d := sad.NewOutbound(policies)
	for i := range crowd {
		l := newLink(b, esptest.Pair{
			SPI: esp.SPI(1000 + i), Reqid: uint32(1 + i),
			FromTS: []string{"10.1.0.0/16"}, ToTS: []string{fmt.Sprintf("10.2.%d.%d", i>>8, i&255)},
		})
		if err := d.Add(l.out); err != nil {
			b.Fatal(err)
		}
	}
	for _, tt := range trains {
		b.Run(fmt.Sprint(tt.size), func(b *testing.B) {
			t, cache := packet.NewTrain(), new(spd.Cache)
			buf := append(inner(tt.size-28), make([]byte, packet.Tailroom)...)
			var v packet.View
			if err := v.Parse(buf); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				var sa *esp.Outbound
				for range tt.count {
					o := cache.Match(policies.Load(), &v.Flow).State.(*sad.Bundle).Current()
					if sa == nil {
						sa = o
						sa.Begin(t)
					}
					if sa.Seal(t, buf, 0, tt.size, packet.ProtoIPv4) != esp.OK {
						b.Fatal("refused")
					}
				}
				sa.End(now)
				t.Reset()
			}
			perPacket(b, b.Elapsed(), tt.count)
		})
		b.Run(fmt.Sprint(tt.size, "/bare"), func(b *testing.B) {
			c, t, nonce, src := bare(b), packet.NewTrain(), make([]byte, 12), make([]byte, tt.size)
			for b.Loop() {
				for i := range tt.count {
					d := t.Buf[i*(tt.size+32):]
					c.Seal(d[16:16], nonce, src, d[:8])
				}
			}
			perPacket(b, b.Elapsed(), tt.count)
		})
	}
}

func bare(b *testing.B) cipher.AEAD {
	c, err := aesgcm.New(make(secret.Bytes, 16))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkOpenTrain is the same for the receiver: the SA is looked up and taken for each train, and the view of the inner
// packet is there.
func BenchmarkOpenTrain(b *testing.B) {
	d := sad.NewInbound(rand.Reader)
	add := func(window int) *link {
		spi, err := d.Reserve()
		if err != nil {
			b.Fatal(err)
		}
		l := newLink(b, esptest.Pair{SPI: spi, Window: window})
		if err := d.Add(l.in); err != nil {
			b.Fatal(err)
		}
		return l
	}
	for range crowd {
		add(32)
	}
	for _, tt := range trains {
		b.Run(fmt.Sprint(tt.size), func(b *testing.B) {
			l, t := add(1024), packet.NewTrain()
			buf, dst := append(inner(tt.size-28), make([]byte, packet.Tailroom)...), make([]byte, 2000)
			var v packet.View
			if err := v.Parse(buf); err != nil {
				b.Fatal(err)
			}
			var took time.Duration
			for b.Loop() {
				t.Reset()
				l.out.Begin(t)
				for range tt.count {
					l.out.Seal(t, buf, 0, tt.size, packet.ProtoIPv4)
				}
				l.out.End(now)
				start := time.Now()
				in := d.Find(l.in.SPI())
				in.Begin()
				for at := 0; at < t.Len; at += t.Seg {
					n, next, r := in.Open(dst, t.Buf[at:at+t.Seg])
					if r != esp.OK || n != tt.size || in.Admit(&v, next) != esp.OK {
						b.Fatal("refused")
					}
					in.Count(n)
				}
				in.End(now, alice)
				took += time.Since(start)
			}
			perPacket(b, took, tt.count)
		})
		b.Run(fmt.Sprint(tt.size, "/bare"), func(b *testing.B) {
			c, t, nonce, src, dst := bare(b), packet.NewTrain(), make([]byte, 12), make([]byte, tt.size), make([]byte, 2000)
			for i := range tt.count {
				d := t.Buf[i*(tt.size+32):]
				c.Seal(d[16:16], nonce, src, d[:8])
			}
			for b.Loop() {
				for i := range tt.count {
					d := t.Buf[i*(tt.size+32):]
					if _, err := c.Open(dst[:0], nonce, d[16:32+tt.size], d[:8]); err != nil {
						b.Fatal(err)
					}
				}
			}
			perPacket(b, b.Elapsed(), tt.count)
		})
	}
}
