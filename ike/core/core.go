// Package core is the contract between a driver and an IKE machine: what goes in, what comes out and in which order,
// and what a connection is. It has no behaviour of its own.
//
// A machine (ike/ikev2) owns one IKE SA lineage: an IKE SA, its successors by rekeying, and all their Child SAs. It does
// no input or output, reads no clock and no global randomness, and is driven by one goroutine:
//
//	datagrams ─▶ Receive ─┐                 ┌─▶ Send          to the network
//	commands  ─▶ Command ─┼─▶  machine  ─▶ Next ─▶ InstallSA … to the data path
//	the clock ─▶ Advance ─┘                 └─▶ Established … to whoever watches
//
// The order of outputs is protocol: an inbound SA is installed before the response that lets the peer use it.
package core

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/eap"
)

// Datagram is one UDP payload with both of its addresses, without the non-ESP marker (RFC 3948 §2.2).
type Datagram struct {
	Local, Remote netip.AddrPort
	Data          []byte
}

// Machine is one IKE SA lineage as a pure state machine.
//
// After each Receive, Command and Advance the driver drains Next until it returns false, in order.
type Machine interface {
	// Receive takes octets from the network. A datagram that fails authentication leaves the state as it was.
	// The machine does not keep d.Data after it returns.
	Receive(now time.Time, d Datagram)
	// Command takes a wish of the driver.
	Command(now time.Time, c Command)
	// Advance tells the machine that its deadline has passed.
	Advance(now time.Time)
	// Deadline is when Advance is to be called next; zero is never.
	Deadline() time.Time
	// Next takes the next output from the ordered list.
	Next() (Output, bool)
	// Status is a snapshot that shares nothing with the machine: one entry for each live IKE SA of the lineage, the current one first.
	Status() []IKEStatus
}

// Environment is what a machine may ask of its surroundings: inputs that look like calls. A simulation supplies
// deterministic ones.
type Environment struct {
	// Rand gives nonces, SPIs, private keys and jitter.
	Rand io.Reader
	// NewSPI reserves an inbound ESP SPI. What is not installed is given back by ReleaseSPI.
	NewSPI func() (esp.SPI, error)
	// UniqueID numbers IKE SAs and Child SAs for people and vici, from 1.
	UniqueID func() uint32
	// Reqid numbers Child SAs for the data path (esp.Params.Reqid), from 1.
	Reqid func() uint32
	// Catalog is the current configuration; a responder selects its connection and its secrets from it.
	Catalog func() *Catalog
	// Lease gives a peer a virtual address (RFC 7296 §2.19); Release gives it back, once for each Lease. They look into a pool
	// and never wait: what has to be waited for, as a RADIUS server's Framed-IP-Address, is asked for (Ask) while the peer is
	// authenticated, and is LeaseRequest.Granted here. nil has no addresses.
	Lease   func(LeaseRequest) (Lease, error)
	Release func(Lease)
	// Evidence is what was learned about the revocation of certificates beside the CRLs of the Catalog; nil is nothing.
	Evidence func(now time.Time) auth.Evidence
	// FirstContact tells whether no other established IKE SA between these identities exists (RFC 7296 §2.4); nil is true.
	FirstContact func(local, remote auth.Identity) bool
	// Resolve gives the known addresses of a host name in local_addrs or remote_addrs, without waiting; nil knows none.
	Resolve func(host string) []netip.Addr
	// LastInbound tells when the data path last took a valid packet on an inbound SA of ours, zero for never: traffic
	// proves that the peer lives (RFC 7296 §2.4). nil knows nothing.
	LastInbound func(esp.SPI) time.Time
	// NATTPort is our UDP port with non-ESP markers, where an initiator on another port moves to (RFC 7296 §2.23); 0: it stays.
	NATTPort uint16
	// Settings are the daemon-wide settings.
	Settings Settings
	// KeyLog asks for IKEKeys outputs.
	KeyLog bool
}

// Settings are the settings of strongswan.conf's charon section that a machine obeys. DefaultSettings has the defaults.
type Settings struct {
	RetransmitTries        int           // retransmissions before giving up (retransmit_tries)
	RetransmitTimeout      time.Duration // before the first (retransmit_timeout)
	RetransmitBase         float64       // factor for each further one (retransmit_base)
	RetransmitJitter       int           // percent taken off at random (retransmit_jitter)
	RetransmitLimit        time.Duration // longest wait; 0 none (retransmit_limit)
	KeepAlive              time.Duration // NAT keepalive interval; 0 off (keep_alive)
	HalfOpenTimeout        time.Duration // an IKE SA must be established within (half_open_timeout)
	DeleteRekeyedDelay     time.Duration // keep the inbound SA after a rekey for packets under way (delete_rekeyed_delay)
	FragmentSize           int           // largest IP datagram an IKE message is sent in; 0: 576 for IPv4, 1280 for IPv6 (fragment_size)
	CloseIKEOnChildFailure bool          // close the IKE SA when its first Child SA fails (close_ike_on_child_failure)
	MakeBeforeBreak        bool          // reauthentication (make_before_break)
	MaxIKEv1Exchanges      int
	HashAndURL             bool // fetch what a peer shows by Hash and URL (hash_and_url)
	Signatures             bool // sign by the method Digital Signature of RFC 7427 with peers that know it (signature_authentication)
	RSAPSS                 bool // sign with RSASSA-PSS where the peer takes it (rsa_pss)
	EAP                    EAPSettings
	// FollowRedirects … further settings are added with the features that obey them.
}

// EAPSettings are the settings of the plugins eap-dynamic, eap-tls, eap-ttls, eap-peap and of libtls.
type EAPSettings struct {
	// Preferred is the order in which methods are offered where any will do; those left out are not.
	Preferred []eap.Type
	// PreferUser lets the peer choose (prefer_user).
	PreferUser bool
	// TTLS and PEAP are the methods offered inside them (phase2_method).
	TTLS, PEAP eap.Type
	// TTLSCertificate and PEAPCertificate ask the peer for a certificate too (request_peer_auth).
	TTLSCertificate, PEAPCertificate bool
	FragmentSize                     int    // octets of TLS in a packet; 0: 1024
	MaxRounds                        int    // packets of one conversation (max_message_count); 0: eap.DefaultRounds
	MinTLS, MaxTLS                   uint16 // of crypto/tls; 0: 1.2 and 1.3
	// WithoutEMS takes a TLS 1.2 without extended master secret (RFC 7627), which strongSwan's is, also where EAP alone proves who
	// the responder is (RFC 5998). Where IKE proves it too it is always taken.
	WithoutEMS bool
}

// DefaultSettings are strongSwan's defaults.
func DefaultSettings() Settings {
	return Settings{
		RetransmitTries: 5, RetransmitTimeout: 4 * time.Second, RetransmitBase: 1.8,
		KeepAlive: 20 * time.Second, HalfOpenTimeout: 30 * time.Second, DeleteRekeyedDelay: 5 * time.Second,
		FragmentSize: 1280, MakeBeforeBreak: true, MaxIKEv1Exchanges: 3, Signatures: true,
		EAP: EAPSettings{
			Preferred: []eap.Type{eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP, eap.TypeMSCHAPv2}, TTLS: eap.TypeMSCHAPv2, PEAP: eap.TypeMSCHAPv2,
		},
	}
}

// Position is a place in a configuration file. The zero value is unknown. Without a Line it is something that has none, as an
// option of a command is.
type Position struct {
	File string
	Line int
}

// String is "file:line", or "" when unknown.
func (p Position) String() string {
	if p.File == "" || p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
