package esp_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/esp/sad"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/tun/packet"
)

// The lengths of the packets in the benchmarks, with the number of them in a train.
var trains = []struct{ size, count int }{{64, 64}, {1420, 44}}

// BenchmarkSealTrain is what a packet costs that is sent in a full train. "bare" is the cipher alone.
func BenchmarkSealTrain(b *testing.B) {
	for _, tr := range trains {
		b.Run(fmt.Sprint(tr.size), func(b *testing.B) {
			l := newLink(b, esptest.Pair{})
			t := packet.NewTrain()
			buf := append(inner(tr.size-28), make([]byte, packet.Tailroom)...)
			for b.Loop() {
				l.out.Begin(t)
				for range tr.count {
					if l.out.Seal(t, buf, 0, tr.size, 4) != esp.OK {
						b.Fatal("refused")
					}
				}
				l.out.End(now)
				t.Reset()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tr.count), "ns/packet")
		})
		b.Run(fmt.Sprint(tr.size, "/bare"), func(b *testing.B) {
			c, err := aesgcm.New(make([]byte, 16))
			if err != nil {
				b.Fatal(err)
			}
			src, nonce, t := make([]byte, tr.size), make([]byte, 12), packet.NewTrain()
			for b.Loop() {
				for i := range tr.count {
					at := t.Buf[i*(tr.size+32):]
					c.Seal(at[16:16], nonce, src, at[:8])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tr.count), "ns/packet")
		})
	}
}

// BenchmarkOpenTrain is the same on the other side, where the SA is found among 10,000.
func BenchmarkOpenTrain(b *testing.B) {
	d := sad.NewInbound(rand.Reader)
	for range 9999 {
		spi, _ := d.Reserve()
		l := newLink(b, esptest.Pair{SPI: spi})
		if err := d.Add(l.in); err != nil {
			b.Fatal(err)
		}
	}
	for _, tr := range trains {
		b.Run(fmt.Sprint(tr.size), func(b *testing.B) {
			spi, _ := d.Reserve()
			l := newLink(b, esptest.Pair{SPI: spi, Window: 1024})
			if err := d.Add(l.in); err != nil {
				b.Fatal(err)
			}
			t := packet.NewTrain()
			buf := append(inner(tr.size-28), make([]byte, packet.Tailroom)...)
			dst := make([]byte, 2000)
			var v packet.View
			seal := func() {
				t.Reset()
				l.out.Begin(t)
				for range tr.count {
					l.out.Seal(t, buf, 0, tr.size, 4)
				}
				l.out.End(now)
			}
			seal()
			n := t.Seg
			_ = v
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				seal()
				b.StartTimer()
				in := d.Find(spi)
				in.Begin()
				for at := 0; at < t.Len; at += n {
					n, next, r := in.Open(dst, t.Buf[at:at+n])
					if r != esp.OK || v.Parse(dst[:n]) != nil || in.Admit(&v, next) != esp.OK {
						b.Fatal("refused")
					}
					in.Count(v.Len)
				}
				in.End(now, alice)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tr.count), "ns/packet")
		})
		b.Run(fmt.Sprint(tr.size, "/bare"), func(b *testing.B) {
			c, err := aesgcm.New(make([]byte, 16))
			if err != nil {
				b.Fatal(err)
			}
			nonce, t, dst := make([]byte, 12), packet.NewTrain(), make([]byte, 2000)
			for i := range tr.count {
				at := t.Buf[i*(tr.size+32):]
				c.Seal(at[16:16], nonce, make([]byte, tr.size), at[:8])
			}
			for b.Loop() {
				for i := range tr.count {
					at := t.Buf[i*(tr.size+32):]
					if _, err := c.Open(dst[:0], nonce, at[16:tr.size+32], at[:8]); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tr.count), "ns/packet")
		})
	}
}
