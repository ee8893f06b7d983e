package vici

import (
	"context"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/core"
)

// Daemon is what the server controls. Its methods are called from many goroutines. The text of an error is what the
// client is told, so it says what was wrong and what would be right. What a method returns is not changed afterwards.
type Daemon interface {
	// Version names the daemon.
	Version() Version
	// Stats tells how the daemon is.
	Stats() Stats
	// ReloadSettings reads strongswan.conf anew.
	ReloadSettings() error

	// IKESAs are snapshots of all IKE SAs with their Child SAs and counters, in the order in which they are listed.
	IKESAs() []core.IKEStatus
	// Connections are the loaded connections, in the order in which they are listed.
	Connections() []*core.Connection
	// Policies are the installed trap, pass and drop policies.
	Policies() []Policy
	// Pools are the loaded pools.
	Pools() []Pool
	// SharedIDs are the names of the loaded secrets that have one.
	SharedIDs() []string

	// LoadConnection adds the connection of that section (its name is the connection's), or replaces the one of that
	// name. On an error everything stays as it was. Start actions run as far as the connection is new or changed, and
	// are not waited for.
	LoadConnection(s *settings.Section) error
	// UnloadConnection removes a connection and undoes its start actions.
	UnloadConnection(name string) error
	// LoadShared adds a secret, or replaces the one of the same ID. The daemon owns s.Data from then on.
	LoadShared(s Shared) error
	// UnloadShared removes the secret of that ID; it is no error if there is none.
	UnloadShared(id string) error
	// LoadCertificate adds a certificate, in DER or PEM; flag is FlagCA, FlagOCSP or another of load-cert.
	LoadCertificate(data []byte, flag string) error
	// LoadCRL adds a CRL, in DER or PEM, or replaces an older one of the same CA.
	LoadCRL(data []byte) error
	// LoadPublicKey adds a raw public key, in DER or PEM.
	LoadPublicKey(data []byte) error
	// LoadKey adds a private key, in DER or PEM, and returns its ID: the SHA-1 of its public key, in hexadecimal. It keeps
	// nothing of data.
	LoadKey(data []byte) (id string, err error)
	// UnloadKey removes the private key of that ID.
	UnloadKey(id string) error
	// KeyIDs are the IDs of the private keys.
	KeyIDs() []string
	// Certificates are the loaded certificates, CRLs and raw public keys.
	Certificates() []Certificate
	// FlushCertificates forgets CRLs and OCSP responses that were fetched.
	FlushCertificates()
	// LoadAuthority adds the authority of that section (its name is the authority's), or replaces the one of that name.
	LoadAuthority(s *settings.Section) error
	// UnloadAuthority removes an authority.
	UnloadAuthority(name string) error
	// Authorities are the loaded authorities.
	Authorities() []*core.Authority
	// ClearCredentials removes all secrets, certificates, CRLs and keys.
	ClearCredentials() error
	// LoadPool adds the pool of that section (its name is the pool's), or replaces the one of that name.
	LoadPool(s *settings.Section) error
	// UnloadPool removes a pool.
	UnloadPool(name string) error

	// Initiate negotiates a connection's child, and the IKE SA for it if there is none, and waits for the outcome. An
	// empty child negotiates the IKE SA alone. A failed negotiation is a *core.Reason. When ctx ends, only the waiting ends.
	Initiate(ctx context.Context, conn, child string) error
	// Terminate deletes an SA, with notice to the peer, and waits until it is gone. With force it does not wait for
	// the peer. When ctx ends, only the waiting ends.
	Terminate(ctx context.Context, sa Target, force bool) error
	// Rekey replaces an SA by a new one and waits until that is done. When ctx ends, only the waiting ends.
	Rekey(ctx context.Context, sa Target) error
	// InstallPolicy installs a child's trap policy, or for mode pass and drop the policy that it is. An installed one
	// is installed anew.
	InstallPolicy(ctx context.Context, conn, child string) error
	// UninstallPolicy removes an installed policy; an empty conn is the first that has the child.
	UninstallPolicy(conn, child string) error

	// Subscribe calls f for each event until cancel is called. f does not block and calls none of these methods.
	Subscribe(f func(Event)) (cancel func())
}

// Version names a daemon.
type Version struct {
	Daemon  string // "goswan"
	Version string // "0.1.0"
}

// Stats is how a daemon is.
type Stats struct {
	Since time.Time // when it started
	// Scheduled is how many timers are armed.
	Scheduled int
	// Plugins are the parts that are built in and in use.
	Plugins []string
	// Drops counts the packets that the data path dropped, by reason.
	Drops map[string]uint64
}

// Target is one SA by unique IDs. With a ChildID it is a Child SA of the IKE SA, otherwise the IKE SA.
type Target struct {
	IKE, Child uint32
}

// Policy is one installed policy.
type Policy struct {
	Conn, Child string
	// Reqid ties the Child SAs to the policy; 0 is none yet.
	Reqid uint32
	// Mode is ModePass or ModeDrop for such a policy, otherwise this is a trap.
	Mode              core.Mode
	LocalTS, RemoteTS []core.Selector
}

// Pool is a loaded pool.
type Pool struct {
	Name            string
	Base            string // its first address
	Size            uint64 // how many addresses it has to lease
	Online, Offline uint64 // leases in use, and kept for those who had them
	Leases          []Lease
}

// Lease is a pool's address with whom it is for.
type Lease struct {
	Address, Identity string
	Online            bool
}

// Shared is a secret as a client loads it.
type Shared struct {
	// ID is its name, by which it is replaced and unloaded; "" is none.
	ID   string
	Kind core.SecretKind
	Data secret.Bytes
	// Owners are identities as swanctl.conf writes them; none is any.
	Owners []string
}

// Section is the secret as config.Shared reads it.
func (s Shared) Section() *settings.Section {
	var none settings.Position
	section := settings.New("load-shared", none)
	if s.ID != "" {
		section.Set("id", s.ID, none)
	}
	section.Set("type", string(s.Kind), none)
	section.Set("data", string(s.Data), none)
	if len(s.Owners) > 0 {
		section.SetList("owners", s.Owners, none)
	}
	return section
}

// Event is what a machine told. Established, IKERekeyed, IKEDown, ChildUp, ChildRekeyed, ChildDown, Failed and Log
// reach the clients that registered for them; Message is counted. Others are ignored.
//
// An IKE SA that goes down takes its Child SAs with it: their ChildDown come first.
type Event struct {
	// Conn is the lineage's connection and IKE the unique ID of its current IKE SA; zero is not known.
	Conn string
	IKE  uint32
	What core.Output
}
