package config

import (
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// RADIUS is what charon.plugins.eap-radius says: whom `auth = eap-radius` asks, and what the servers' answers rule.
type RADIUS struct {
	// Servers are in the order in which they are to be asked: the highest preference first, as in the file where it is equal.
	// None is a gateway without eap-radius.
	Servers []RADIUSServer
	// NASIdentifier is what we call ourselves to servers that have no name of their own for us; "" is the client's default.
	NASIdentifier string

	Accounting         bool          // the servers are told of sessions
	AccountingInterval time.Duration // interim updates where the server does not say how often; 0: none
	RequiresVIP        bool          // sessions without a virtual address are not told of (accounting_requires_vip)
	SendClass          bool          // Class goes into the records (accounting_send_class)
	CloseOnTimeout     bool          // an interim update without an answer ends the IKE SA (accounting_close_on_timeout)
	CloseAllOnTimeout  bool          // servers that do not answer end all IKE SAs (close_all_on_timeout)

	ClassGroup bool // Class is a group of the peer (class_group)
	FilterID   bool // Filter-Id is, if the Tunnel-Type is ESP (filter_id)

	StationPort bool   // Called- and Calling-Station-Id have ports (station_id_with_port)
	EAPStart    bool   // a conversation begins with an empty EAP message, so that the server asks for the identity (eap_start)
	IDPrefix    string // goes before the identity in EAP-Identity (id_prefix)

	Tries   int           // transmissions of a request to one server
	Timeout time.Duration // how long the first is waited for
	Base    float64       // by how much longer each further one is
}

// RADIUSServer is one RADIUS server.
type RADIUSServer struct {
	Name    string // of its section; "" for one that stands in eap-radius itself
	Address string // an address or a host name
	// AuthPort and AcctPort are UDP ports; AcctPort 0 is a server that keeps no accounts.
	AuthPort, AcctPort uint16
	Secret             secret.Bytes
	Preference         int
	NASIdentifier      string // what we call ourselves to this server; "" is RADIUS.NASIdentifier
	MaxOpen            int    // requests under way at a time (sockets); 0 is the client's default
}

// defaultRADIUS has strongSwan's defaults.
func defaultRADIUS() RADIUS {
	return RADIUS{CloseOnTimeout: true, StationPort: true, Tries: 4, Timeout: 2 * time.Second, Base: 1.4}
}
