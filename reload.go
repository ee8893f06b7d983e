package goswan

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

// LoadCredentials takes what proves something from a configuration that was read anew: certificates, CRLs, keys, secrets,
// authorities, and the certificates that its connections name. What else a connection says stays as it was last loaded, and so do
// pools; no SA is dropped and no start_action runs.
//
// What the files held when New, Load or LoadCredentials was called last, and do not hold any more, goes; what came in another
// way, as by vici, stays. If a connection could not prove itself any more with what is there now, everything stays as it was, the
// keys in c are wiped, and the error says which connection.
func (e *Endpoint) LoadCredentials(c *core.Catalog) error {
	e.loading.Lock()
	defer e.loading.Unlock()
	old := e.catalog.Load()
	next := &core.Catalog{
		Connections: renewedConnections(old.Connections, e.files, c), Pools: old.Pools, Files: c.Files,
		Secrets: renewed(old.Secrets, e.files.Secrets, c.Secrets, sameSecret, func(a, b *core.Secret) bool { return a.Name != "" && a.Name == b.Name }),
		Authorities: renewed(old.Authorities, e.files.Authorities, c.Authorities,
			func(a, b *core.Authority) bool { return a == b }, func(a, b *core.Authority) bool { return a.Name == b.Name }),
	}
	next.Credentials = renewedCredentials(old.Proofs(), e.files.Proofs(), c.Proofs(), next.Authorities)
	for _, conn := range next.Connections {
		if before := old.Connection(conn.Name); signs(old, before) && !signs(next, conn) {
			c.Wipe()
			return fmt.Errorf("goswan: connection %q has a certificate without its private key, or the other way round; what it had stays until both are there", conn.Name)
		}
	}
	e.catalog.Store(next)
	e.files = c
	for i, conn := range next.Connections {
		if conn != old.Connections[i] {
			e.adopt(conn)
		}
	}
	return nil
}

// renewed are the items of a list without those that the files held, then those that they hold now. One that came in another way
// keeps its name to itself.
func renewed[T any](have, were, are []T, same, named func(T, T) bool) []T {
	all := slices.DeleteFunc(slices.Clone(have), func(x T) bool { return slices.ContainsFunc(were, func(o T) bool { return same(x, o) }) })
	for _, x := range are {
		if !slices.ContainsFunc(all, func(o T) bool { return same(x, o) || named(x, o) }) {
			all = append(all, x)
		}
	}
	return all
}

func nameless[T any](T, T) bool { return false }

func renewedCredentials(have, were, are *core.Credentials, authorities []*core.Authority) *core.Credentials {
	certificates := func(list func(*core.Credentials) []*auth.Certificate) []*auth.Certificate {
		return renewed(list(have), list(were), list(are), (*auth.Certificate).Equal, nameless)
	}
	return creds.Join(core.Credentials{
		Certificates: certificates(func(c *core.Credentials) []*auth.Certificate { return c.Certificates }),
		Authorities:  certificates(func(c *core.Credentials) []*auth.Certificate { return c.Authorities }),
		Responders:   certificates(func(c *core.Credentials) []*auth.Certificate { return c.Responders }),
		CRLs: renewed(have.CRLs, were.CRLs, are.CRLs,
			func(a, b *auth.CRL) bool { return bytes.Equal(a.List.Raw, b.List.Raw) }, nameless),
		PublicKeys: renewed(have.PublicKeys, were.PublicKeys, are.PublicKeys, (*auth.PublicKey).Equal, nameless),
		Keys:       renewed(have.Keys, were.Keys, are.Keys, auth.PrivateKey.SameAs, nameless),
	}, authorities)
}

// renewedConnections are the connections, each that stands in the files as it is with the certificates that the files have now.
func renewedConnections(have []*core.Connection, were, are *core.Catalog) []*core.Connection {
	all := slices.Clone(have)
	for i, conn := range all {
		before, now := were.Connection(conn.Name), are.Connection(conn.Name)
		if config.Same(conn, before) && !config.Same(before, now) && config.SameButCertificates(before, now) {
			all[i] = now
		}
	}
	return all
}

// sameSecret tells whether two secrets are the same, wherever each was written.
func sameSecret(a, b *core.Secret) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Key.Equal(b.Key) && slices.Equal(a.Owners, b.Owners)
}

// signs tells whether a connection, which may be nil, has a key for each round in which we sign, or show a certificate inside EAP.
func signs(c *core.Catalog, conn *core.Connection) bool {
	if conn == nil {
		return false
	}
	for _, mine := range conn.Local {
		if !mine.Method.Signs() && len(mine.Certs) == 0 {
			continue
		}
		usable := slices.DeleteFunc(slices.Clone(c.Proofs().Own), func(own *auth.Credential) bool { return !mine.MayUse(own) })
		if _, _, err := auth.Choose(usable, mine.ID, nil, mine.Constraints, mine.Constraints.Hashes()); err != nil {
			return false
		}
	}
	return true
}

// adopt puts a connection in the place of the one of its name that says the same but for certificates: in what is negotiated from
// its policies, and in the IKE SAs that are up.
func (e *Endpoint) adopt(conn *core.Connection) {
	p := &e.policies
	p.mu.Lock()
	for key, in := range p.installed {
		if child := childNamed(conn, key.child); key.conn == conn.Name && child != nil {
			in.conn, in.child = conn, child
			p.installed[key] = in
		}
	}
	p.mu.Unlock()
	if e.running {
		e.ike.Broadcast(core.Reconfigure{Connection: conn}, func(all []core.IKEStatus) bool { return len(all) > 0 && all[0].Conn == conn.Name })
	}
	e.log.Info("certificates renewed", zap.String("conn", conn.Name))
}
