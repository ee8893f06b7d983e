package main

import (
	"bytes"
	"net/netip"
	"sync/atomic"

	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/tun/packet"
)

// wiretap sees every datagram that an endpoint puts on the wire, and looks in it for octets that only plaintext has.
type wiretap struct {
	encap.Transport
	needle []byte
	port   uint16 // of the socket with non-ESP markers

	ike, esp, octets, plaintext atomic.Uint64
}

func (w *wiretap) SendIKE(local, remote netip.AddrPort, datagram []byte) error {
	w.ike.Add(1)
	w.see(datagram)
	return w.Transport.SendIKE(local, remote, datagram)
}

func (w *wiretap) Write(t *packet.Train) error {
	for i := range t.Count() {
		d := t.Datagram(i)
		w.esp.Add(1)
		w.see(d)
		// "…the non-ESP marker … 4 zero-valued bytes" would be an SPI of zero, and an inner packet in clear begins with its
		// version and header length: neither is an SPI of ours.  RFC 3948 §2.2
		if kind, _ := encap.Split(d); kind != encap.ESP {
			w.plaintext.Add(1)
		}
	}
	return w.Transport.Write(t)
}

func (w *wiretap) see(d []byte) {
	w.octets.Add(uint64(len(d)))
	if bytes.Contains(d, w.needle) {
		w.plaintext.Add(1)
	}
}
