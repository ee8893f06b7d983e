package profile

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// Options are what the configuration does not say of a client.
type Options struct {
	Child  string // "": the first one
	Server string // host name or address; "": local_addrs, or the gateway's id
	Name   string // what the user calls it; "": the server
	User   string // whom it is for: the user of EAP, or the client's id
	PSK    bool   // the pre-shared key may be written
	// Identity is the client's key with its certificate.
	Identity *Identity
	Now      time.Time
}

// New makes of a gateway's connection what a client of it has. The notes are for whoever exports it.
func New(catalog *core.Catalog, name string, o Options) (c *Client, notes []string, err error) {
	conn, err := config.FindConnection(catalog, name)
	if err != nil {
		return nil, nil, err
	}
	if len(conn.Local) == 0 || len(conn.Remote) == 0 {
		return nil, nil, fmt.Errorf("connection %q negotiates nothing: it has neither a section local nor remote", name)
	}
	if len(conn.Local) > 1 || len(conn.Remote) > 2 {
		return nil, nil, fmt.Errorf("connection %q has several rounds of authentication (RFC 4739); a profile can say that the client has two, a signature and then EAP", name)
	}
	b := builder{catalog: catalog, conn: conn, o: o}
	b.c = &Client{
		Connection: conn.Name, Port: conn.LocalPort, IKE: conn.Proposals, IKEPlace: conn.ProposalsPlace(),
		Rekey: conn.RekeyTime, DPD: conn.DPDDelay, Mobike: conn.Mobike, Subnets: b.assignsSubnets(), Identity: o.Identity,
	}
	for _, step := range []func() error{b.method, b.gateway, b.server, b.client, b.secret, b.child} {
		if err := step(); err != nil {
			return nil, nil, fmt.Errorf("connection %q: %w", name, err)
		}
	}
	return b.c, b.notes, b.c.checkTexts()
}

// builder makes a client.
type builder struct {
	catalog *core.Catalog
	conn    *core.Connection
	o       Options
	c       *Client
	notes   []string
}

func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

// method is how the two sides authenticate.
func (b *builder) method() error {
	local, remote := b.conn.Local[0], b.conn.Remote[0]
	switch {
	case local.Method == core.AuthEAP:
		return errors.New("the gateway itself authenticates by EAP; clients want to see its certificate: write auth = pubkey in local")
	case len(b.conn.Remote) == 2:
		if !remote.Method.Signs() || b.conn.Remote[1].Method != core.AuthEAP || b.conn.Remote[1].EAP.Method == eap.TypeTLS {
			return errors.New("of two rounds of the client (RFC 4739), a profile can say a signature and then EAP with a password")
		}
		b.c.Method = CertificateEAP
	case remote.Method == core.AuthPSK && local.Method == core.AuthPSK:
		b.c.Method = PSK
	case remote.Method == core.AuthPSK || local.Method == core.AuthPSK:
		return errors.New("one side has a pre-shared key and the other has not; clients have it on both sides or on none")
	case remote.Method == core.AuthEAP && (remote.EAP.Method == eap.TypeTLS || remote.EAP.Method == 0 && b.o.Identity != nil):
		b.c.Method = EAPTLS
	case remote.Method == core.AuthEAP:
		b.c.Method = EAP
	default:
		b.c.Method = Certificate
	}
	last := b.conn.Remote[len(b.conn.Remote)-1]
	if m := last.EAP.Method; b.c.Method.usesPassword() && m != 0 && m != eap.TypeMSCHAPv2 {
		return fmt.Errorf("its method of EAP is %s; what all clients have is EAP-MSCHAPv2 for passwords and EAP-TLS for certificates", m)
	}
	if b.c.Method.usesCertificate() && b.o.Identity == nil {
		b.note("without --p12, or --cert and --key, the profile has no certificate for the client: it has to be on the device already")
	}
	if !b.c.Method.usesCertificate() && b.o.Identity != nil {
		return fmt.Errorf("clients authenticate by %s; a certificate of theirs has no use", b.c.Method)
	}
	return nil
}

// gateway is who the gateway proves to be, and by which CA.
func (b *builder) gateway() error {
	local := b.conn.Local[0]
	b.c.ServerID = local.ID
	if b.c.Method == PSK {
		return nil
	}
	cert, err := b.certificate()
	if err != nil {
		return err
	}
	b.c.Gateway = cert
	if b.c.ServerID.IsAny() {
		b.c.ServerID = (&auth.Credential{Certificate: cert}).ID()
	}
	if cert.Proves(b.c.ServerID) == auth.MatchNone {
		return fmt.Errorf("the certificate of the gateway does not name its id %q but %s", b.c.ServerID, cert.Presents())
	}
	if b.o.Now.After(cert.X509.NotAfter) {
		b.note("the certificate of the gateway expired on %s: no client accepts it", cert.X509.NotAfter.Format(time.DateOnly))
	}
	return b.authority()
}

// certificate is the gateway's own.
func (b *builder) certificate() (*auth.Certificate, error) {
	local := b.conn.Local[0]
	if len(local.Certs) > 0 {
		return local.Certs[0], nil
	}
	if len(local.PublicKeys) > 0 {
		return nil, errors.New("the gateway has a raw public key (RFC 7670), which no client knows; write certs = … in local")
	}
	own, _, err := auth.Choose(b.catalog.Proofs().Own, local.ID, nil, local.Constraints, nil)
	if err != nil {
		return nil, err
	}
	if own.Certificate == nil {
		return nil, errors.New("the gateway has a raw public key (RFC 7670), which no client knows; write certs = … in local")
	}
	return own.Certificate, nil
}

// authority finds the root that clients have to trust.
func (b *builder) authority() error {
	have := b.catalog.Proofs()
	known := slices.Concat(have.Authorities, have.Certificates)
	for _, a := range b.catalog.Authorities {
		known = append(known, a.Certificate)
	}
	cert := b.c.Gateway
	chain := (&auth.Credential{Certificate: cert}).CompleteChain(known).Chain
	last := cert
	if len(chain) > 0 {
		last = chain[len(chain)-1]
		b.c.Issuer = chain[0].Presents().CN
	}
	if !last.SelfIssued() {
		return fmt.Errorf("no CA is known for the certificate %q: put the certificate of %q into the directory x509ca", last.Name(), last.Issuer())
	}
	if last == cert {
		b.note("the certificate of the gateway signed itself: clients trust this one alone, and need another profile when it is renewed")
		b.c.Issuer = cert.Presents().CN
	}
	b.c.CAs = []*auth.Certificate{last}
	return nil
}

// server is where the client connects to.
func (b *builder) server() error {
	b.c.Server = b.o.Server
	if b.c.Server == "" {
		b.c.Server = b.localAddress()
	}
	if b.c.Server == "" {
		return errors.New("local_addrs names no address that clients could connect to: say --server NAME")
	}
	if !isHost(b.c.Server) {
		return fmt.Errorf("--server %q is neither a host name nor an address", b.c.Server)
	}
	if a, err := netip.ParseAddr(b.c.Server); err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()) {
		b.note("%s is not an address of the Internet; --server names another", a)
	}
	if b.c.ServerID.IsAny() {
		id, err := auth.ParseIdentity(b.c.Server)
		if err != nil {
			return err
		}
		b.c.ServerID = id
		b.note("local has no id; clients expect %q, so write `id = %s` in local", id, id)
	}
	if b.c.Name = b.o.Name; b.c.Name == "" {
		b.c.Name = b.c.Server
	}
	return nil
}

// localAddress is the first of local_addrs that is one address or name, or else the gateway's id if it is one.
func (b *builder) localAddress() string {
	for _, a := range b.conn.LocalAddrs {
		if isHost(a) {
			return a
		}
	}
	if text, ok := identityText(b.c.ServerID); ok && b.c.ServerID.Type != auth.IDRFC822Addr && isHost(text) {
		return text
	}
	return ""
}

// client is whom the profile is for.
func (b *builder) client() error {
	if b.c.Method == EAP {
		return b.user()
	}
	if b.c.Method == CertificateEAP {
		if err := b.user(); err != nil {
			return err
		}
	}
	want := b.conn.Remote[0].ID
	id, err := b.identity(want)
	if err != nil {
		return err
	}
	if own := b.o.Identity; own != nil && own.Certificate.Proves(id) == auth.MatchNone {
		return fmt.Errorf("the client's certificate does not name %q but %s", id, own.Certificate.Presents())
	}
	b.c.LocalID = id
	if !id.IsAny() && id.Matches(want) == auth.MatchNone {
		return fmt.Errorf("the gateway requires the id %q of its clients, and %q does not fit", want, id)
	}
	if b.c.Method.usesCertificate() && id.IsAny() {
		required := ""
		if !want.IsAny() {
			required = fmt.Sprintf("; the gateway requires the id %q", want)
		}
		b.note("without --user, the profile leaves it to the device who it says that it is%s", required)
	}
	if b.c.Method == PSK && id.IsAny() {
		return fmt.Errorf("the gateway takes clients with the id %q: say which one it is for, --user NAME", want)
	}
	return nil
}

// identity is who the client says that it is: --user (where that is not the user of EAP), what its certificate says, or the one
// that the gateway takes.
func (b *builder) identity(want auth.Identity) (auth.Identity, error) {
	switch {
	case b.o.User != "" && b.c.Method != CertificateEAP:
		id, err := auth.ParseIdentity(b.o.User)
		if err != nil {
			return id, fmt.Errorf("--user: %w", err)
		}
		return id, nil
	case b.o.Identity != nil:
		return named(b.o.Identity.Certificate, want), nil
	case strings.Contains(want.Data, "*"):
		return auth.Identity{}, nil
	}
	return want, nil
}

// named is the name of a certificate that fits a pattern best; a subjectAltName goes before the distinguished name.
func named(c *auth.Certificate, pattern auth.Identity) (best auth.Identity) {
	names := c.Identities()
	slices.SortStableFunc(names, func(a, b auth.Identity) int {
		if (a.Type == auth.IDDERASN1DN) == (b.Type == auth.IDDERASN1DN) {
			return 0
		}
		if a.Type == auth.IDDERASN1DN {
			return 1
		}
		return -1
	})
	match := auth.MatchNone
	for i, id := range names {
		if m := id.Matches(pattern); i == 0 || m > match {
			best, match = id, m
		}
	}
	return best
}

// user is the user of EAP: the IKE identity is another matter, and clients send what they like.
func (b *builder) user() error {
	round := b.conn.Remote[len(b.conn.Remote)-1]
	b.c.User = b.o.User
	if id := round.EAP.ID; b.c.User == "" && !id.IsAny() && !strings.Contains(id.Data, "*") {
		b.c.User = id.String()
	}
	if b.c.User == "" {
		b.note("without --user the device asks for the user's name")
	} else if user := auth.FromUser(b.c.User); user.Matches(round.EAP.ID) == auth.MatchNone {
		return fmt.Errorf("the gateway requires the eap_id %q of its users, and %q does not fit", round.EAP.ID, b.c.User)
	}
	if b.c.Method == EAP && !round.ID.IsAny() {
		b.note("the gateway requires the IKE id %q of its clients; most send their address, or the user's name: write id = %%any and use eap_id", round.ID)
	}
	return nil
}

// secret is the pre-shared key for the two.
func (b *builder) secret() error {
	if b.c.Method != PSK {
		return nil
	}
	if !b.o.PSK {
		return errors.New("clients need the pre-shared key, and whoever has the file has the key: say --with-psk if it is to be in it")
	}
	var found []*core.Secret
	best := 0
	for _, s := range b.catalog.Secrets {
		weight := b.fits(s)
		if s.Kind != core.SecretIKE || weight == 0 || weight < best {
			continue
		}
		if weight > best {
			found, best = nil, weight
		}
		found = append(found, s)
	}
	switch {
	case len(found) == 0:
		return fmt.Errorf("there is no secret for %q and %q", b.c.ServerID, b.c.LocalID)
	case len(found) > 1 && !found[0].Key.Equal(found[1].Key):
		return fmt.Errorf("the secrets %s and %s are both for %q and %q; give them ids that tell them apart", found[0].Name, found[1].Name, b.c.ServerID, b.c.LocalID)
	}
	b.c.Secret = found[0].Key.Clone()
	return nil
}

// fits tells how well a secret belongs to the client and the gateway, as IKE judges it: the client's own goes first.
func (b *builder) fits(s *core.Secret) int {
	if len(s.Owners) == 0 {
		return 1
	}
	weight := 0
	for _, owner := range s.Owners {
		switch {
		case b.c.LocalID.Matches(owner) != auth.MatchNone:
			weight = max(weight, 2+int(b.c.LocalID.Matches(owner)))
		case b.c.ServerID.Matches(owner) != auth.MatchNone:
			weight = max(weight, 2)
		}
	}
	return weight
}

// child is what goes through the tunnel.
func (b *builder) child() error {
	var children []*core.Child
	var names []string
	for _, child := range b.conn.Children {
		if child.Mode == core.ModeTunnel {
			children, names = append(children, child), append(names, child.Name)
		}
	}
	if len(children) == 0 {
		return errors.New("it has no child for clients to use")
	}
	child, err := config.FindChild(b.conn, b.o.Child)
	if err != nil {
		return err
	}
	if child == nil {
		child = children[0]
		if len(children) > 1 {
			b.note("clients have one child: %q; --child names another of %s", child.Name, strings.Join(names, ", "))
		}
	}
	b.c.ESP, b.c.ESPPlace, b.c.ChildRekey = child.Proposals, child.ProposalsPlace(), child.RekeyTime
	b.networks(child)
	return nil
}

// networks are those behind the gateway. Nothing is left of them when one of them is everything of its family.
func (b *builder) networks(child *core.Child) {
	var all []netip.Prefix
	for _, s := range child.LocalTS {
		if s.Dynamic {
			if a, err := netip.ParseAddr(b.c.Server); err == nil {
				all = append(all, netip.PrefixFrom(a, a.BitLen()))
			}
			b.note("local_ts of child %q has dynamic in it: of that, clients reach the gateway itself and nothing behind it", child.Name)
			continue
		}
		if s.TS.Protocol != 0 || !s.TS.AnyPort() {
			b.note("local_ts of child %q names protocols or ports, which no profile can say; the gateway narrows what clients ask for", child.Name)
		}
		all = append(all, s.TS.Prefixes()...)
	}
	if len(all) == 0 {
		b.note("the profile names no networks, so that clients send all traffic into the tunnel: write those behind the gateway into local_ts of child %q, or 0.0.0.0/0", child.Name)
	}
	if slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		all = nil
	}
	b.c.Networks = all
}

// The attributes by which a gateway assigns networks, RFC 7296 §3.15.1.
const (
	internalIP4Subnet = 13
	internalIP6Subnet = 15
)

func (b *builder) assignsSubnets() bool {
	for _, p := range b.catalog.Pools {
		if slices.Contains(b.conn.Pools, p.Name) && slices.ContainsFunc(p.Attributes, func(a core.Attribute) bool {
			return a.Type == internalIP4Subnet || a.Type == internalIP6Subnet
		}) {
			return true
		}
	}
	return false
}

// demand checks what a platform demands of the gateway's certificate beyond what IKE does.
func (c *Client) demand(platform string, name auth.Identity) error {
	cert := c.Gateway
	if cert == nil {
		return nil
	}
	fix := "`goswan pki issue --gateway " + name.String() + "` makes one that has it"
	if !pki.HasUsage(cert, x509.ExtKeyUsageServerAuth) {
		return fmt.Errorf("for %s the gateway's certificate needs serverAuth in extendedKeyUsage, which %q has not; %s", platform, cert.Name(), fix)
	}
	if name.Type == auth.IDDERASN1DN || cert.Proves(name) == auth.MatchNone {
		return fmt.Errorf("for %s the gateway's certificate needs %q as subjectAltName, and has %s; %s", platform, name, cert.Presents(), fix)
	}
	return nil
}
