package eap

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/eap/mschap"
)

// Account is what a server knows of a user. The owner of the account keeps it; machines copy what they need and wipe that.
type Account struct {
	// Password is in UTF-8.
	Password secret.Bytes
	// NTHash, of 16 octets, is enough for MSCHAPv2; it is made of the password where it is empty.
	NTHash secret.Bytes
}

// Users finds an account by the identity that the peer gave, as it gave it: a realm or a Windows domain is for the
// function to see to. It must take as long for a name it does not have as for one it has.
type Users func(identity string) (Account, bool)

// password is the password to compare with, or, for a user or a password that is not there, one that fits nothing. A
// conversation with an unknown user costs what one with a wrong password costs. missing tells the operator; nil if known.
func (u Users) password(method Type, identity string, random io.Reader) (password secret.Bytes, missing, broken *Reason) {
	decoy, broken := newDecoy(method, random)
	if broken != nil {
		return nil, nil, broken
	}
	account, known := u.find(identity)
	switch {
	case !known:
		return decoy, unknownUser(method, identity), nil
	case len(account.Password) == 0:
		return decoy, reasonf(BadCredentials, method, "there is no password of %q, which the method needs", identity), nil
	}
	return account.Password.Clone(), nil, nil
}

// ntHash is password for MSCHAPv2.
func (u Users) ntHash(method Type, identity string, random io.Reader) (hash secret.Bytes, missing, broken *Reason) {
	decoy, broken := newDecoy(method, random)
	if broken != nil {
		return nil, nil, broken
	}
	account, known := u.find(identity)
	password, stored := account.Password, account.NTHash
	switch {
	case !known:
		password, stored, missing = decoy, nil, unknownUser(method, identity)
	case len(stored) == mschap.HashSize:
		password = decoy // hashed all the same: it takes its time
	case len(password) == 0:
		password, missing = decoy, reasonf(BadCredentials, method, "there is neither password nor NT hash of %q", identity)
	}
	if hash = mschap.NTHash(password); len(stored) == mschap.HashSize {
		hash = stored.Clone()
	}
	return hash, missing, nil
}

func (u Users) find(identity string) (Account, bool) {
	if u == nil {
		return Account{}, false
	}
	return u(identity)
}

func unknownUser(method Type, identity string) *Reason {
	return reasonf(BadCredentials, method, "there is no user %q", identity)
}

// newDecoy is a password that nobody knows.
func newDecoy(method Type, random io.Reader) (secret.Bytes, *Reason) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, noRandomness(method, err)
	}
	return hex.AppendEncode(nil, b), nil
}

// samePassword compares in a time that tells neither octets nor length of the right one.
func samePassword(got, want []byte) bool {
	g, w := sha256.Sum256(got), sha256.Sum256(want)
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1
}
