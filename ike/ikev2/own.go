package ikev2

import (
	"bytes"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/ikev2/wire"
)

// own is what we prove ourselves with: a pre-shared key, or a credential and how to sign with it.
type own struct {
	id         auth.Identity
	key        secret.Bytes
	credential *auth.Credential // nil: the pre-shared key
	use        sig.Use
}

// introduce finds who we are to a peer in a round and what proves it; nothing does where it is EAP's matter. The peer may have
// asked for one of our identities (%any if not). The identity is there even if nothing proves it.
func (sa *ikeSA) introduce(conn *core.Connection, round int, asked, remote auth.Identity, id uint32) (own, *core.Reason) {
	mine := conn.Local[round]
	if mine.Method.Signs() {
		return sa.withCredential(conn, mine, asked, id)
	}
	o := own{id: sa.nameOr(mine.ID, asked)}
	if mine.Method == core.AuthEAP {
		return o, nil
	}
	keys := sharedKeys(sa.m.env.Catalog(), o.id, remote)
	if len(keys) == 0 {
		return o, sa.noSecret(conn, "IKE_AUTH", id, o.id, remote)
	}
	o.key = keys[0].Key
	return o, nil
}

// nameOr is a configured identity, else the one that the peer asked for, else our address.
func (sa *ikeSA) nameOr(id, asked auth.Identity) auth.Identity {
	switch {
	case sendable(id):
		return id
	case !asked.IsAny():
		return asked
	}
	return auth.FromAddr(sa.local.Addr())
}

// withCredential chooses among our credentials. Without a configured identity the one that the peer asks for is tried first, and
// then any, whose subject is who we are.
func (sa *ikeSA) withCredential(conn *core.Connection, mine core.Auth, wished auth.Identity, id uint32) (own, *core.Reason) {
	list := ownCredentials(sa.m.env.Catalog().Proofs().Own, mine)
	choose := func(id auth.Identity) (*auth.Credential, sig.Use, error) {
		return auth.Choose(list, id, sa.opened.asked.authorities, mine.Constraints, sa.opened.hashes)
	}
	wanted := mine.ID
	if wanted.IsAny() {
		wanted = wished
	}
	credential, use, err := choose(wanted)
	if err != nil && mine.ID.IsAny() && !wanted.IsAny() {
		wanted = auth.Identity{}
		credential, use, err = choose(wanted)
	}
	if err != nil {
		o := own{id: sa.nameOr(mine.ID, wished)}
		return o, sa.noCredential(conn, mine, o.id, err, id)
	}
	if !sendable(wanted) {
		wanted = sa.nameOr(credential.ID(), auth.Identity{})
	}
	return own{id: wanted, credential: credential, use: use}, nil
}

// ownCredentials are those that a round may use: with one of its certificates or raw keys, if it names any. A raw key that is not
// named comes last, for a peer has to know it.
func ownCredentials(all []*auth.Credential, mine core.Auth) (list []*auth.Credential) {
	named := len(mine.Certs)+len(mine.PublicKeys) > 0
	var raw []*auth.Credential
	for _, c := range all {
		switch {
		case !mine.MayUse(c):
		case c.Raw != nil && !named:
			raw = append(raw, c)
		default:
			list = append(list, c)
		}
	}
	for i, c := range list {
		if named && c.Certificate != nil && i > 0 && bytes.Equal(c.Certificate.X509.Raw, mine.Certs[0].X509.Raw) {
			list[0], list[i] = list[i], list[0] // the first one named goes first
		}
	}
	return append(list, raw...)
}

// prove is our AUTH payload (RFC 7296 §2.15), with the CERT payloads before it.
func (sa *ikeSA) prove(conn *core.Connection, o own, idBody []byte) (certificates []wire.Payload, proof wire.Payload, reason *core.Reason) {
	m := sa.m
	octets := auth.SignedOctets(sa.keys.prf, sa.opened.localMessage, sa.theirNonce(), sa.ownP(), idBody)
	if o.credential == nil {
		m.logf("IKE", 1, "authentication of '%s' (myself) with pre-shared key", o.id)
		return nil, &wire.AUTH{Method: wire.AuthSharedKeyMIC, Data: auth.PSK(sa.keys.prf, o.key, octets)}, nil
	}
	data, err := o.credential.Sign(m.env.Rand, o.use, octets)
	if err != nil {
		return nil, nil, sa.reason(core.Internal, 1, "IKE_AUTH", 1, "no signature with the key of "+o.credential.Name()+": "+err.Error())
	}
	m.logf("IKE", 1, "authentication of '%s' (myself) with %s successful", o.id, o.use.Scheme)
	return sa.certificates(conn, o.credential), &wire.AUTH{Method: wire.AuthMethod(o.use.Method), Data: data}, nil
}
