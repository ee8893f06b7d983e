// Command static is an endpoint of goswan's data path without IKE, for the benchmark of tunnels: its own device, sockets and engine, and one
// Child SA of fixed keys. It shows what the path costs without a cipher, and with one, what IKE beside it costs. It is a program of
// its own so that the cipher that protects nothing is in no other.
package main

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/engine"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/route"
)

// staticSuites are what a static endpoint can be asked for.
var staticSuites = map[string]suite.Set{
	"null": {Encr: encr.Transform{
		Name: "no protection at all", AEAD: true, SaltLen: 4, IVLen: 8, ICVLen: nullTag, Block: 1,
		NewAEAD: func(secret.Bytes) (cipher.AEAD, error) { return null{}, nil },
	}},
	"aes128gcm16": {Encr: gcmRow(), EncrKeyBits: 128},
}

// gcmRow is the row of AES-GCM with an ICV of 16 octets (RFC 4106 §8.1).
func gcmRow() encr.Transform {
	row, ok := encr.Lookup(20)
	if !ok {
		panic("static: the table has no AES-GCM")
	}
	return row
}

const nullTag = 16

// null has the framing of AES-GCM and copies. It protects nothing and is nowhere but in this program: no table has its row,
// so that neither a configuration nor a peer can name it.
type null struct{}

func (null) NonceSize() int { return 12 }
func (null) Overhead() int  { return nullTag }

func (null) Seal(dst, _, plaintext, _ []byte) []byte {
	return append(append(dst, plaintext...), make([]byte, nullTag)...)
}

var errNull = errors.New("static: too short or with another tag than zeros")

func (null) Open(dst, _, ciphertext, _ []byte) ([]byte, error) {
	n := len(ciphertext) - nullTag
	if n < 0 || !bytes.Equal(ciphertext[n:], make([]byte, nullTag)) {
		return nil, errNull
	}
	return append(dst, ciphertext[:n]...), nil
}

// staticEnd is one end: outer and inner addresses.
type staticEnd struct{ outer, inner netip.Addr }

// staticParams are the two SAs at the end local.
func staticParams(local, remote staticEnd, set suite.Set) []esp.Params {
	p := esp.Params{
		Reqid: 1, Suite: set, Window: config.DefaultReplayWindow,
		Local: netip.AddrPortFrom(local.outer, encap.PortNATT), Remote: netip.AddrPortFrom(remote.outer, encap.PortNATT),
		LocalTS: []spd.TrafficSelector{spd.FromAddr(local.inner)}, RemoteTS: []spd.TrafficSelector{spd.FromAddr(remote.inner)},
	}
	in, out := p, p
	in.Direction, in.SPI, in.EncrKey = esp.In, staticSPI(local), staticKey(local, set)
	out.Direction, out.SPI, out.EncrKey = esp.Out, staticSPI(remote), staticKey(remote, set)
	return []esp.Params{in, out}
}

// staticSPI and staticKey are those of the SA to an end. They are no secret: the tunnel carries what iperf3 makes up.
func staticSPI(to staticEnd) esp.SPI { return 0x10000 | esp.SPI(to.outer.As4()[3]) }

func staticKey(to staticEnd, set suite.Set) secret.Bytes {
	return bytes.Repeat([]byte{to.outer.As4()[3]}, set.EncrKeyLen())
}

// runStatic is the endpoint: args are the outer and the inner address of this end, those of the other, and the suite. It opens
// what `goswan run` opens by default.
func runStatic(ctx context.Context, args []string) error {
	ends, set, err := parseStatic(args)
	if err != nil {
		return err
	}
	lanes := max(1, runtime.GOMAXPROCS(0)/2) // as many as the daemon has
	device, err := tun.Open(tun.Config{Queues: lanes})
	if err != nil {
		return err
	}
	sockets, err := encap.Listen(encap.Config{
		Port: encap.Port, PortNATT: encap.PortNATT, Mark: route.DefaultMark, Lanes: lanes,
	})
	if err != nil {
		return errors.Join(err, device.Close())
	}
	e := engine.New(engine.Config{Device: device, Transport: sockets})
	for _, p := range staticParams(ends[0], ends[1], set) {
		if err := e.Install(p); err != nil {
			return errors.Join(err, device.Close(), sockets.Close())
		}
	}
	return e.Run(ctx)
}

// parseStatic reads the arguments that package tunnel gives.
func parseStatic(args []string) (ends [2]staticEnd, set suite.Set, err error) {
	if len(args) != 5 {
		return ends, set, fmt.Errorf("a static endpoint takes 5 arguments, not %d", len(args))
	}
	for i, a := range []*netip.Addr{&ends[0].outer, &ends[0].inner, &ends[1].outer, &ends[1].inner} {
		if *a, err = netip.ParseAddr(args[i]); err != nil {
			return ends, set, err
		}
	}
	set, ok := staticSuites[args[4]]
	if !ok {
		return ends, set, fmt.Errorf("a static endpoint knows no suite %q", args[4])
	}
	return ends, set, nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runStatic(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "static:", err)
		os.Exit(1)
	}
}
