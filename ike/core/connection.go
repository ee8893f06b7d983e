package core

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/eap"
)

// Catalog is a whole configuration, immutable once published.
type Catalog struct {
	Connections []*Connection
	Secrets     []*Secret
	Pools       []*Pool
	Authorities []*Authority
	// Credentials are what signatures are made and judged with; nil is none.
	Credentials *Credentials
	// Files are those that the configuration was read from: swanctl.conf, what it includes, and the certificates and keys that
	// it names. What lies in the directories of credentials besides is not among them.
	Files []string
}

// Connection finds a connection by name.
func (c *Catalog) Connection(name string) *Connection {
	for _, conn := range c.Connections {
		if conn.Name == name {
			return conn
		}
	}
	return nil
}

// Wipe overwrites the secrets and private keys of a configuration that nobody uses.
func (c *Catalog) Wipe() {
	for _, s := range c.Secrets {
		s.Key.Wipe()
	}
	for _, k := range c.Proofs().Keys {
		k.Wipe()
	}
}

// Authority is one section of `authorities`: a CA that is trusted, and where revocation is asked for beside the places that its
// certificates name.
type Authority struct {
	Name              string
	Certificate       *auth.Certificate
	CRLURIs, OCSPURIs []string
	CertURIBase       string // for Hash and URL (RFC 7296 §3.6)
	Source            Position
}

// Credentials are our own private keys with their certificates, and what a peer's certificate is judged by. Immutable once
// published.
type Credentials struct {
	Certificates []*auth.Certificate // ours, those of peers, and CAs that are not trusted by themselves
	Authorities  []*auth.Certificate // CAs that are trusted; those of Catalog.Authorities are not among them
	Responders   []*auth.Certificate // signers of OCSP responses that are believed about any certificate
	CRLs         []*auth.CRL
	PublicKeys   []*auth.PublicKey
	Keys         []auth.PrivateKey

	// Own are the keys with their certificates, or public keys, and Trust is made of all CAs.
	Own   []*auth.Credential
	Trust *auth.Trust // nil trusts nobody
}

// HasKey tells whether the private key of a public key, a SubjectPublicKeyInfo, is there.
func (c *Credentials) HasKey(spki []byte) bool {
	return slices.ContainsFunc(c.Keys, func(k auth.PrivateKey) bool {
		own, err := auth.MarshalPublicKey(k.Public())
		return err == nil && bytes.Equal(own, spki)
	})
}

var noCredentials = &Credentials{Trust: auth.NewTrust(nil, nil)}

// Proofs are the credentials of the catalog, never nil and always with a Trust.
func (c *Catalog) Proofs() *Credentials {
	switch {
	case c.Credentials == nil:
		return noCredentials
	case c.Credentials.Trust == nil:
		filled := *c.Credentials
		filled.Trust = noCredentials.Trust
		return &filled
	}
	return c.Credentials
}

// Connection is one `connections.<name>` section of swanctl.conf, checked and with the defaults filled in.
// Immutable once published. Durations of 0 mean never.
type Connection struct {
	Name    string
	Version int // 1, 2, or 0: accept both, initiate 2
	// LocalAddrs and RemoteAddrs are addresses, prefixes, ranges, host names or %any, as configured; empty is %any.
	LocalAddrs, RemoteAddrs []string
	LocalPort, RemotePort   uint16 // 500 when not given; a NAT-T port is used at once when it is not 500
	Proposals               []suite.Proposal
	Local, Remote           []Auth // authentication rounds, at least one each if it Negotiates
	Children                []*Child

	Encap         bool // announce a NAT even if there is none (encap); goswan's transport is UDP, so it always does
	Mobike        bool
	Aggressive    bool
	DPDDelay      time.Duration // liveness after this much silence
	DPDTimeout    time.Duration // IKEv1
	Fragmentation Fragmentation
	Childless     Childless
	SendCert      SendCert
	NoCertReq     bool // send_certreq = no
	KeyingTries   int  // 0: without end
	Unique        Unique
	ReauthTime    time.Duration
	RekeyTime     time.Duration
	OverTime      time.Duration // hard limit after the soft one
	RandTime      time.Duration // taken off RekeyTime/ReauthTime at random
	Pools         []string
	VIPs          []netip.Addr // virtual addresses to ask for; 0.0.0.0 and :: are any
	DSCP          uint8
	Source        Position
	// ProposalsSource is where `proposals` stands, or Source when it is the default.
	ProposalsSource Position
}

// ProposalsPlace names the setting of the IKE proposals for a person: "`proposals` of connection "office" (swanctl.conf:14)".
func (c *Connection) ProposalsPlace() string {
	return proposalsPlace(suite.IKE, "connection", c.Name, c.Proposals, c.ProposalsSource, c.Source)
}

// ProposalsPlace names the setting of the ESP proposals for a person: "`esp_proposals` of child "lan" (swanctl.conf:31)".
func (c *Child) ProposalsPlace() string {
	return proposalsPlace(suite.ESP, "child", c.Name, c.Proposals, c.ProposalsSource, c.Source)
}

func proposalsPlace(p suite.Protocol, kind, name string, list []suite.Proposal, at, section Position) string {
	text := fmt.Sprintf("`%s` of %s %q", p.Setting(), kind, name)
	if at.String() == "" {
		return text
	}
	isDefault := slices.EqualFunc(list, suite.Default(p), func(a, b suite.Proposal) bool { return slices.Equal(a.Transforms, b.Transforms) })
	if at == section && isDefault {
		return fmt.Sprintf("%s (%s; it is not set, so write `default` too)", text, at)
	}
	return fmt.Sprintf("%s (%s)", text, at)
}

// Negotiates tells whether there is anything to negotiate: not if the connection has only children that pass or drop
// (and then it need not say how to authenticate).
func (c *Connection) Negotiates() bool {
	for _, child := range c.Children {
		if child.Mode == ModeTunnel {
			return true
		}
	}
	return len(c.Children) == 0 || len(c.Local) > 0 || len(c.Remote) > 0
}

// Fragmentation is RFC 7383 fragmentation as `fragmentation` says.
type Fragmentation uint8

// The values of `fragmentation`; the zero value is the default, yes.
const (
	FragmentYes Fragmentation = iota
	FragmentAccept
	FragmentForce
	FragmentNo
)

// Childless is RFC 6023 as `childless` says.
type Childless uint8

// The values of `childless`; the zero value is the default, allow.
const (
	ChildlessAllow Childless = iota
	ChildlessNever
	ChildlessPrefer
	ChildlessForce
)

// Unique is the policy for a second IKE SA between the same identities.
type Unique uint8

// The values of `unique`; the zero value is the default, no: replaced only on INITIAL_CONTACT.
const (
	UniqueNo Unique = iota
	UniqueNever
	UniqueKeep
	UniqueReplace
)

// SendCert is whether our certificates go to the peer, as `send_cert` says.
type SendCert uint8

// The values of `send_cert`; the zero value is the default, ifasked.
const (
	SendCertIfAsked SendCert = iota
	SendCertAlways
	SendCertNever
)

// AuthMethod is how one side proves who it is.
type AuthMethod string

// The authentication methods of this version; others are a configuration error that says so. Any is what a peer may do as it
// likes, but for EAP; for our own side it is a signature.
const (
	AuthPSK    AuthMethod = "psk"
	AuthPubkey AuthMethod = "pubkey"
	AuthEAP    AuthMethod = "eap" // RFC 7296 §2.16; how is Auth.EAP
	AuthAny    AuthMethod = "any"
)

// Takes tells whether a side with this method may prove itself with another one. EAP has to be configured as such: any has no
// method to say.
func (m AuthMethod) Takes(other AuthMethod) bool {
	return m == other || m == AuthAny && other != AuthEAP
}

// Signs tells whether our own side makes a signature.
func (m AuthMethod) Signs() bool { return m != AuthPSK && m != AuthEAP }

// Auth is one authentication round of one side (`local*`, `remote*`).
type Auth struct {
	Round  int
	Method AuthMethod
	// ID is what we are, or what the peer must be (a pattern; the zero value is %any). A zero local ID is our certificate's
	// subject, or our address.
	ID auth.Identity
	// Certs are the certificates to prove ourselves with, or the only ones that the peer may have. PublicKeys likewise, for raw
	// keys (RFC 7670).
	Certs      []*auth.Certificate
	PublicKeys []*auth.PublicKey
	// Of the peer's chain: CACerts are the CAs one of which it has to lead through, CAID is one's name, Policies are OIDs that
	// have to hold.
	CACerts  []*auth.Certificate
	CAID     auth.Identity
	Policies []x509.OID
	// Constraints rule keys and signatures, Revocation how certain it must be that no certificate is revoked.
	Constraints sig.Constraints
	Revocation  auth.Revocation
	// EAP is for AuthEAP; Constraints, CACerts and the like then rule the certificates in EAP's TLS.
	EAP EAP
	// Groups are those one of which the peer has to be in, as an authentication server says (eap.Grant.Groups); none is all.
	Groups []string

	Source Position
	// IDSource is where `id` stands, or Source.
	IDSource Position
}

// MayUse tells whether our own side may prove itself with a credential: one that the round names, or any if it names none.
func (a Auth) MayUse(own *auth.Credential) bool {
	switch {
	case len(a.Certs)+len(a.PublicKeys) == 0:
		return true
	case own.Certificate != nil:
		return slices.ContainsFunc(a.Certs, own.Certificate.Equal)
	}
	return slices.ContainsFunc(a.PublicKeys, own.Raw.Equal)
}

// EAP is how a side authenticates by EAP. A responder whose own side is EAP too shows nothing but what the method proves (RFC 5998).
type EAP struct {
	// Method is the only one; 0 is any that secrets and certificates are there for (`eap`, `eap-dynamic`).
	Method eap.Type
	// RADIUS leaves the deciding to the servers of strongswan.conf (`eap-radius`). Only of a peer.
	RADIUS bool
	// ID is `eap_id`: as whom we answer, or as whom the peer is to be known. %any of a peer has it asked by EAP-Identity, and
	// the zero value stands for the IKE identity, with IDSet telling the two apart.
	ID    auth.Identity
	IDSet bool
	// ServerID is `aaa_id`: who has to be named in the certificate that the server shows inside EAP; the zero value is the
	// responder's IKE identity. Only of our own side.
	ServerID auth.Identity
	// Inner is what our own side does inside TTLS.
	Inner eap.Inner
}

// Selector is a configured traffic selector; Dynamic stands for the outer (or a virtual) address of its side.
type Selector struct {
	Dynamic bool
	// TS has protocol and ports also when Dynamic; its addresses are then not valid.
	TS spd.TrafficSelector
}

// Over are the selectors that s stands for when dynamic has the addresses of its side.
func (s Selector) Over(dynamic []spd.TrafficSelector) []spd.TrafficSelector {
	if !s.Dynamic {
		return []spd.TrafficSelector{s.TS}
	}
	all := make([]spd.TrafficSelector, len(dynamic))
	for i, side := range dynamic {
		all[i] = s.TS
		all[i].Start, all[i].End = side.Start, side.End
	}
	return all
}

// Action is start_action, close_action or dpd_action.
type Action uint8

// The actions. Trap|Start is `trap|start`.
const (
	ActionNone  Action = 0
	ActionTrap  Action = 1
	ActionStart Action = 2
)

// Child is one `children.<name>` section.
type Child struct {
	Name              string
	Mode              Mode
	Proposals         []suite.Proposal
	LocalTS, RemoteTS []Selector

	RekeyTime, LifeTime, RandTime          time.Duration
	RekeyBytes, LifeBytes, RandBytes       uint64
	RekeyPackets, LifePackets, RandPackets uint64
	StartAction, CloseAction, DPDAction    Action

	Updown       string // script
	HostAccess   bool
	ReplayWindow int
	Reqid        uint32 // 0: chosen
	Priority     uint32
	Policies     bool
	CopyDF       bool
	CopyECN      bool
	CopyDSCP     string // in, out, yes, no
	MSSClamp     esp.MSSClamp
	Interface    string
	Inactivity   time.Duration
	Source       Position
	// ProposalsSource, LocalTSSource and RemoteTSSource are where those keys stand, or Source.
	ProposalsSource, LocalTSSource, RemoteTSSource Position
}

// Mode is a child's `mode`.
type Mode uint8

// The modes of this version. Pass and Drop are policies without SAs.
const (
	ModeTunnel Mode = iota
	ModePass
	ModeDrop
)

// String is strongSwan's keyword, in capitals.
func (m Mode) String() string {
	switch m {
	case ModePass:
		return "PASS"
	case ModeDrop:
		return "DROP"
	}
	return "TUNNEL"
}

// SecretKind is what a secret is for.
type SecretKind string

// The kinds of secret.
const (
	SecretIKE  SecretKind = "IKE"
	SecretEAP  SecretKind = "EAP"
	SecretNTLM SecretKind = "NTLM"
	SecretPPK  SecretKind = "PPK"
)

// Secret is one section of `secrets`. Without owners it fits any peer.
type Secret struct {
	Name   string // section name, "ike-moon"
	Kind   SecretKind
	Key    secret.Bytes
	Owners []auth.Identity
	Source Position
}

// Pool is one section of `pools`, parsed. What it leases is ike/pool's matter.
type Pool struct {
	Name string
	// Addrs is a network or a range; "" in the pool "radius", whose addresses an authentication server grants.
	Addrs      string
	Static     []StaticAddress
	Attributes []Attribute
	Source     Position
}

// StaticAddress is an address of a pool that one peer always gets, and no other.
type StaticAddress struct {
	Peer   auth.Identity
	Addr   netip.Addr
	Source Position
}
