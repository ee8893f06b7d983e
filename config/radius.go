package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/config/settings"
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
	CloseOnTimeout     bool          // a beginning or an interim update without an answer ends the IKE SA (accounting_close_on_timeout)
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

// Wipe overwrites the secrets.
func (r RADIUS) Wipe() {
	for _, s := range r.Servers {
		s.Secret.Wipe()
	}
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

// maxRADIUSServers is how many a conversation can tell apart.
const maxRADIUSServers = 255

// maxAttribute is the longest value of an attribute. RFC 2865 §5
const maxAttribute = 253

// The UDP ports. RFC 2865 §3, RFC 2866 §3
const (
	radiusAuthPort = 1812
	radiusAcctPort = 1813
)

// radiusServer is a server being read.
type radiusServer struct {
	RADIUSServer
	port  uint16 // `port`, which gives way to auth_port
	place at
	wrong bool // something in it was reported
}

// radiusReader is eap-radius being read: more than one program may have it.
type radiusReader struct {
	RADIUS
	alone   radiusServer // that in eap-radius itself
	servers []radiusServer
}

// radiusSettings are those of eap-radius itself.
var radiusSettings = []key[radiusReader]{
	{"accounting", boolean(func(r *radiusReader) *bool { return &r.Accounting })},
	{"accounting_interval", seconds(func(r *radiusReader) *time.Duration { return &r.AccountingInterval }, 0)},
	{"accounting_requires_vip", boolean(func(r *radiusReader) *bool { return &r.RequiresVIP })},
	{"accounting_send_class", boolean(func(r *radiusReader) *bool { return &r.SendClass })},
	{"accounting_close_on_timeout", boolean(func(r *radiusReader) *bool { return &r.CloseOnTimeout })},
	{"close_all_on_timeout", boolean(func(r *radiusReader) *bool { return &r.CloseAllOnTimeout })},
	{"class_group", boolean(func(r *radiusReader) *bool { return &r.ClassGroup })},
	{"filter_id", boolean(func(r *radiusReader) *bool { return &r.FilterID })},
	{"station_id_with_port", boolean(func(r *radiusReader) *bool { return &r.StationPort })},
	{"eap_start", boolean(func(r *radiusReader) *bool { return &r.EAPStart })},
	{"id_prefix", shortText(func(r *radiusReader) *string { return &r.IDPrefix })},
	{"nas_identifier", shortText(func(r *radiusReader) *string { return &r.NASIdentifier })},
	{"retransmit_tries", number(func(r *radiusReader) *int { return &r.Tries }, 1, 100)},
	{"retransmit_timeout", seconds(func(r *radiusReader) *time.Duration { return &r.Timeout }, leastTimeout)},
	{"retransmit_base", retransmitBase(func(r *radiusReader) *float64 { return &r.Base })},
	{"server", ofAlone(readServerAddress)},
	{"address", ofAlone(readServerAddress)},
	{"secret", ofAlone(readServerSecret)},
	{"port", ofAlone(serverPort)},
	{"auth_port", ofAlone(serverAuthPort)},
	{"acct_port", ofAlone(serverAcctPort)},
	{"sockets", ofAlone(serverSockets)},
	{"preference", ofAlone(serverPreference)},
}

// radiusServerSettings are those of a section in servers.
var radiusServerSettings = []key[radiusServer]{
	{"address", readServerAddress},
	{"secret", readServerSecret},
	{"port", serverPort},
	{"auth_port", serverAuthPort},
	{"acct_port", serverAcctPort},
	{"sockets", serverSockets},
	{"preference", serverPreference},
	{"nas_identifier", shortText(func(s *radiusServer) *string { return &s.NASIdentifier })},
	{"retransmit_tries", forAllServers},
	{"retransmit_timeout", forAllServers},
	{"retransmit_base", forAllServers},
}

var (
	serverPort       = number(func(s *radiusServer) *uint16 { return &s.port }, 1, 65535)
	serverAuthPort   = number(func(s *radiusServer) *uint16 { return &s.AuthPort }, 1, 65535)
	serverAcctPort   = number(func(s *radiusServer) *uint16 { return &s.AcctPort }, 0, 65535)
	serverSockets    = number(func(s *radiusServer) *int { return &s.MaxOpen }, 1, 65535)
	serverPreference = number(func(s *radiusServer) *int { return &s.Preference }, 0, 1<<31-1)
)

// ofAlone is a setting of the server that stands in eap-radius itself.
func ofAlone(read func(*radiusServer, settings.Value) error) func(*radiusReader, settings.Value) error {
	return func(r *radiusReader, v settings.Value) error { return read(&r.alone, v) }
}

func forAllServers(*radiusServer, settings.Value) error {
	return warning("write it into eap-radius, for all servers", "has no effect in goswan for one server alone")
}

func readServerAddress(s *radiusServer, v settings.Value) error {
	if _, err := netip.ParseAddr(v.Text); err != nil && !IsHostName(v.Text) {
		return bad("write an address or a host name, and the port as auth_port", "%q is neither an address nor a host name", v.Text)
	}
	s.Address = v.Text
	return nil
}

// readServerSecret takes a secret as it stands there, as strongSwan does: 0x and 0s have no meaning.
func readServerSecret(s *radiusServer, v settings.Value) error {
	switch {
	case v.Text == "":
		return bad("write `secret = \"…\"`", "the secret is empty")
	case len(v.Text) > maxSecret:
		return bad("", "the secret is longer than %d octets", maxSecret)
	}
	s.Secret = secret.Bytes(v.Text)
	return nil
}

// shortText is a setting that becomes an attribute, or a part of one.
func shortText[T any](field func(*T) *string) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		if len(v.Text) > maxAttribute {
			return bad(fmt.Sprintf("write at most %d octets", maxAttribute), "%s has %d octets", v.Key, len(v.Text))
		}
		*field(into) = v.Text
		return nil
	}
}

// readRADIUS reads a section eap-radius, over what a program before it said.
func (r *charonReader) readRADIUS(s *settings.Section, where at) {
	failed := len(r.problems)
	readKnown(r, radiusSettings, &r.radius, s, where)
	r.radius.alone.place, r.radius.alone.wrong = where, len(r.problems) > failed
	for _, sub := range s.Sections() {
		inside := where.section(sub)
		switch sub.Name {
		case "servers":
			each(&r.decoder, sub, inside, r.readServer)
		case "dae":
			if v, ok := sub.Value("enable"); ok {
				r.report(inside.key(v), noEffect[charonReader]("Dynamic Authorization (RFC 5176) is not supported in this version", "no")(r, v))
			}
		case "forward":
			r.withoutEffect(sub, inside, "attributes are not forwarded between IKE and RADIUS in this version")
		case "xauth":
			r.withoutEffect(sub, inside, "XAuth is for IKEv1")
		default:
			r.report(inside, notOneOf(sub.Name, []string{"servers", "dae", "forward", "xauth"}))
		}
	}
	r.checkModes(s, where.path)
}

// readServer reads a section in servers.
func (r *charonReader) readServer(s *settings.Section, where at) {
	list := &r.radius.servers
	i := slices.IndexFunc(*list, func(known radiusServer) bool { return known.Name == s.Name })
	if i < 0 {
		i = len(*list)
		*list = append(*list, radiusServer{RADIUSServer: RADIUSServer{Name: s.Name, AcctPort: radiusAcctPort}})
	}
	server := &(*list)[i]
	failed := len(r.problems)
	readKnown(r, radiusServerSettings, server, s, where)
	server.place, server.wrong = where, len(r.problems) > failed
	for _, sub := range s.Sections() {
		r.report(where.section(sub), notOneOf(sub.Name, nil))
	}
}

// withoutEffect warns of a section in which something is set.
func (r *charonReader) withoutEffect(s *settings.Section, where at, why string) {
	isSet := func(v settings.Value) bool { return v.Text != "" }
	if slices.ContainsFunc(s.Values(), isSet) || len(s.Sections()) > 0 {
		r.report(where, warning("", "has no effect in goswan: %s", why))
	}
}

// readKnown reads the settings of a section all of which are known. As for all that is unknown in strongswan.conf there is a
// warning of others.
func readKnown[T any](r *charonReader, rows []key[T], into *T, s *settings.Section, where at) {
	for _, v := range s.Values() {
		i := slices.IndexFunc(rows, func(k key[T]) bool { return k.name == v.Key })
		switch {
		case i >= 0:
			r.report(where.key(v), rows[i].read(into, v))
		case v.Key != "load": // goswan has no plugins to load
			r.report(where.key(v), notOneOf(v.Key, table[T]{keys: rows}.keyNames()))
		}
	}
}

// notOneOf warns of a name in strongswan.conf that is none of those there may be.
func notOneOf(name string, names []string) error {
	if near := settings.Nearest(name, names); near != "" {
		return warning("did you mean "+near+"?", "no such setting")
	}
	return warning("", "no such setting")
}

// finish is what the sections say together. A server in eap-radius itself is the only one, as in strongSwan.
func (r *radiusReader) finish(d *decoder) RADIUS {
	list := r.servers
	switch {
	case r.alone.Address == "" && r.alone.Secret != nil:
		d.report(r.alone.place, warning("add `server = …`", "there is a secret and no server for it"))
	case r.alone.Address != "":
		if len(list) > 0 {
			d.report(list[0].place, warning("put the server of eap-radius into servers too, or remove servers", "has no effect beside `server` in eap-radius"))
		}
		list = []radiusServer{r.alone}
	}
	if len(list) > maxRADIUSServers {
		d.report(list[maxRADIUSServers].place, bad(fmt.Sprintf("keep %d", maxRADIUSServers), "there are too many servers"))
	}
	out := r.RADIUS
	for _, s := range list {
		d.report(s.place, s.check())
		s.AuthPort = cmp.Or(s.AuthPort, s.port, radiusAuthPort)
		out.Servers = append(out.Servers, s.RADIUSServer)
	}
	slices.SortStableFunc(out.Servers, func(a, b RADIUSServer) int { return cmp.Compare(b.Preference, a.Preference) })
	return out
}

// check tells what a server lacks. strongSwan goes without such a server and says so in its log.
func (s *radiusServer) check() error {
	switch {
	case s.wrong:
		return nil
	case s.Address == "":
		return bad("add `address = …`", "the server has no address")
	case s.Secret == nil:
		// Without one anybody could answer in the server's place.
		return bad("add `secret = …`, the one that the server has for us", "the server has no secret")
	}
	return nil
}
