package ikev2

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// eapServer makes the machine for an applicant's round.
func (sa *ikeSA) eapServer(a *applicant) (talker, error) {
	want, settings := a.conn.Remote[a.theirs], sa.m.env.Settings.EAP
	known := ""
	switch {
	case want.EAP.IDSet && sendable(want.EAP.ID):
		known = want.EAP.ID.UserName()
	case !want.EAP.IDSet && !isAddress(a.id):
		// "the responder SHOULD NOT send EAP Identity requests": IDi has told.  RFC 7296 §3.16. An address is not a user.
		known = a.id.UserName()
	}
	if want.EAP.RADIUS {
		return eap.NewPassThrough(eap.PassThroughConfig{Identity: known, MaxRounds: settings.MaxRounds}), nil
	}
	methods, err := sa.serverMethods(a, want)
	if err != nil {
		return nil, err
	}
	return eap.NewServer(eap.ServerConfig{Identity: known, Methods: methods, PreferPeer: settings.PreferUser, Rand: sa.m.env.Rand, MaxRounds: settings.MaxRounds})
}

// serverMethods are those that an applicant may use; of any those that we have what they need for.
func (sa *ikeSA) serverMethods(a *applicant, want core.Auth) (methods []eap.ServerMethod, err error) {
	settings := sa.m.env.Settings.EAP
	types, any := []eap.Type{want.EAP.Method}, want.EAP.Method == 0
	if any {
		types = settings.Preferred
	}
	own, lacking := sa.tlsCertificates(a.conn.Local[0], sa.localID)
	conf := sa.tlsConfig(own, sa.clientVerifier(a), a.only)
	users := sa.m.users()
	for _, t := range types {
		if a.only && !slices.Contains(provingMethods, t) {
			err = fmt.Errorf("EAP-%s does not prove who we are", t)
			continue
		}
		if slices.Contains(provingMethods, t) && lacking != nil {
			err = lacking
			continue
		}
		if any && t != eap.TypeTLS && !sa.m.hasUsers() {
			err = errors.New("there are no users in `secrets`: sections whose names begin with eap, with id and secret")
			continue
		}
		switch t {
		case eap.TypeTLS:
			methods = append(methods, eap.ServerTLS{TLS: conf})
		case eap.TypeTTLS:
			methods = append(methods, eap.ServerTTLS{TLS: conf, Users: users, Methods: serverInside(settings.TTLS, users), RequireCertificate: settings.TTLSCertificate || certified(want)})
		case eap.TypePEAP:
			methods = append(methods, eap.ServerPEAP{TLS: conf, Methods: serverInside(settings.PEAP, users), RequireCertificate: settings.PEAPCertificate || certified(want)})
		default:
			methods = append(methods, serverInside(t, users)...)
		}
	}
	if len(methods) > 0 {
		return methods, nil
	}
	if err == nil {
		err = fmt.Errorf("EAP-%s is not a method of this version", want.EAP.Method)
	}
	return nil, err
}

// serverInside is a method with a password, also inside TTLS and PEAP.
func serverInside(t eap.Type, users eap.Users) []eap.ServerMethod {
	switch t {
	case eap.TypeMD5:
		return []eap.ServerMethod{eap.ServerMD5{Users: users}}
	case eap.TypeGTC:
		return []eap.ServerMethod{eap.ServerGTC{Users: users}}
	case eap.TypeMSCHAPv2, 0:
		return []eap.ServerMethod{eap.ServerMSCHAPv2{Users: users}}
	}
	return nil
}

func (m *Machine) hasUsers() bool {
	return slices.ContainsFunc(m.env.Catalog().Secrets, func(s *core.Secret) bool { return isUser(s) && len(s.Owners) > 0 })
}

func isUser(s *core.Secret) bool { return s.Kind == core.SecretEAP || s.Kind == core.SecretNTLM }

// users finds the accounts in the secrets that name an owner.
func (m *Machine) users() eap.Users {
	catalog := m.env.Catalog()
	return func(name string) (eap.Account, bool) {
		account, owner := accountOf(catalog, name)
		return account, !owner.IsAny()
	}
}

// accountOf is the account of a user, and its owner, %any for none: whose name it is, before whose it is without a Windows domain.
// All are looked at, whoever it is.
func accountOf(catalog *core.Catalog, name string) (account eap.Account, owner auth.Identity) {
	best := 0
	for _, s := range catalog.Secrets {
		if !isUser(s) {
			continue
		}
		for _, o := range s.Owners {
			fit := o.FitsUser(name)
			if fit == 0 || fit < best {
				continue
			}
			if fit > best {
				account, owner, best = eap.Account{}, o, fit
			}
			if s.Kind == core.SecretNTLM {
				account.NTHash = s.Key
			} else {
				account.Password = s.Key
			}
		}
	}
	return account, owner
}

// userName is whom EAP proved an applicant to be. An account in `secrets` has one name: what was typed may have capitals or a Windows
// domain, which make no other user of it.
func (a *applicant) userName(catalog *core.Catalog, result *eap.Result) string {
	if a.talk.radius || result.Method == eap.TypeTLS {
		return result.Identity
	}
	if _, owner := accountOf(catalog, result.Identity); !owner.IsAny() {
		return owner.UserName()
	}
	return result.Identity
}

// eapPeer makes our own machine for a round; only: EAP has to prove the responder too. verify judges the server in TLS.
func (sa *ikeSA) eapPeer(round int, only bool, verify verifyFunc) (*eap.Peer, error) {
	mine, settings := sa.m.conn.Local[round], sa.m.env.Settings.EAP
	name := sa.localID.UserName()
	if mine.EAP.IDSet && !mine.EAP.ID.IsAny() {
		name = mine.EAP.ID.UserName()
	}
	methods, err := sa.peerMethods(mine, name, only, verify)
	if err != nil {
		return nil, err
	}
	return eap.NewPeer(eap.PeerConfig{Identity: name, Methods: methods, Rand: sa.m.env.Rand, MaxRounds: settings.MaxRounds})
}

// anyMethod is the order in which we offer methods where any will do. MD5 and GTC have to be named: the one is weak, the other
// gives the password to whoever asks.
var anyMethod = []eap.Type{eap.TypeTLS, eap.TypeTTLS, eap.TypePEAP, eap.TypeMSCHAPv2}

// peerMethods are those that we do; of any those that we have what they need for.
func (sa *ikeSA) peerMethods(mine core.Auth, name string, only bool, verify verifyFunc) (methods []eap.PeerMethod, err error) {
	types, any := []eap.Type{mine.EAP.Method}, mine.EAP.Method == 0
	if any {
		types = anyMethod
	}
	password, missing := sa.password(mine, name)
	own, lacking := sa.tlsCertificates(mine, sa.localID)
	conf := sa.tlsConfig(own, verify, only)
	for _, t := range types {
		switch {
		case only && !slices.Contains(provingMethods, t):
			err = fmt.Errorf("EAP-%s does not prove who the responder is", t)
		case t == eap.TypeTLS && lacking != nil:
			err = lacking
		case t != eap.TypeTLS && missing != nil:
			err = missing
		case t == eap.TypeTLS:
			methods = append(methods, eap.PeerTLS{TLS: conf})
		case t == eap.TypeTTLS:
			methods = append(methods, eap.PeerTTLS{TLS: conf, Inner: mine.EAP.Inner, Name: name, Password: password, Methods: append(insideOf(name, password), eap.PeerMD5{Password: password})})
		case t == eap.TypePEAP:
			methods = append(methods, eap.PeerPEAP{TLS: conf, Identity: name, Methods: insideOf(name, password)})
		case t == eap.TypeMSCHAPv2:
			methods = append(methods, eap.PeerMSCHAPv2{Name: name, Password: password})
		case t == eap.TypeMD5:
			methods = append(methods, eap.PeerMD5{Password: password})
		case t == eap.TypeGTC:
			methods = append(methods, eap.PeerGTC{Password: password})
		default:
			err = fmt.Errorf("EAP-%s is not a method of this version", t)
		}
	}
	if len(methods) > 0 {
		return methods, nil
	}
	return nil, err
}

// insideOf are the methods that we do inside a tunnel, whose other end has proved itself.
func insideOf(name string, password secret.Bytes) []eap.PeerMethod {
	return []eap.PeerMethod{eap.PeerMSCHAPv2{Name: name, Password: password}, eap.PeerGTC{Password: password}}
}

// password is that of one of our names.
func (sa *ikeSA) password(mine core.Auth, name string) (secret.Bytes, error) {
	best, weight := (*core.Secret)(nil), auth.MatchNone
	for _, s := range sa.m.env.Catalog().Secrets {
		if s.Kind != core.SecretEAP {
			continue
		}
		w := weigh(s, auth.FromUser(name), sa.remoteID)
		if len(s.Owners) > 0 && !slices.ContainsFunc(s.Owners, func(o auth.Identity) bool { return o.IsUser(name) }) {
			continue
		}
		if w > weight || best == nil {
			best, weight = s, w
		}
	}
	if best == nil {
		return nil, fmt.Errorf("there is no password of %q%s: add `eap-… { id = %s; secret = … }` to `secrets`", name, at(mine.Source), name)
	}
	return best.Key, nil
}

// tlsCertificates are our own for TLS inside EAP: those that a round may use and that prove an identity, the first that fits.
func (sa *ikeSA) tlsCertificates(mine core.Auth, id auth.Identity) ([]tls.Certificate, error) {
	for _, named := range []bool{true, false} {
		for _, c := range ownCredentials(sa.m.env.Catalog().Proofs().Own, mine) {
			if c.Certificate == nil || !c.Key.Valid() || !usableInTLS(c.Key.Public()) {
				continue
			}
			// A user's certificate need not have the IKE identity in it; a server's goes first that has.
			if named && c.Certificate.Proves(id) == auth.MatchNone {
				continue
			}
			own := tls.Certificate{PrivateKey: c.Key.Signer(), Leaf: c.Certificate.X509}
			for _, p := range c.Payloads() {
				own.Certificate = append(own.Certificate, p.Data)
			}
			return []tls.Certificate{own}, nil
		}
	}
	return nil, fmt.Errorf("there is no certificate for %q with an RSA, ECDSA or Ed25519 key, which TLS needs%s", id, at(mine.Source))
}

func usableInTLS(key crypto.PublicKey) bool {
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

// tlsConfig is TLS inside EAP.
func (sa *ikeSA) tlsConfig(own []tls.Certificate, verify verifyFunc, only bool) eap.TLSConfig {
	settings := sa.m.env.Settings.EAP
	return eap.TLSConfig{
		Certificates: own, MinVersion: settings.MinTLS, MaxVersion: settings.MaxTLS, FragmentSize: settings.FragmentSize,
		WithoutEMS: settings.WithoutEMS || !only, Verify: verify,
	}
}
