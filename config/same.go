package config

import (
	"crypto/x509"
	"reflect"

	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// Same tells whether two connections say the same, wherever each of them stands.
func Same(a, b *core.Connection) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

// SamePool tells it of two pools.
func SamePool(a, b *core.Pool) bool {
	return same(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem())
}

// SameButCertificates tells whether two connections say the same but for the certificates and raw keys that they name.
func SameButCertificates(a, b *core.Connection) bool {
	if a == nil || b == nil {
		return a == b
	}
	return Same(unnamed(a), unnamed(b))
}

// unnamed is a connection without the certificates and keys that it names.
func unnamed(c *core.Connection) *core.Connection {
	bare := *c
	strip := func(rounds []core.Auth) (all []core.Auth) {
		for _, r := range rounds {
			r.Certs, r.CACerts, r.PublicKeys = nil, nil, nil
			all = append(all, r)
		}
		return all
	}
	bare.Local, bare.Remote = strip(c.Local), strip(c.Remote)
	return &bare
}

var positionType = reflect.TypeFor[core.Position]()

// same compares the kinds of values that a connection is made of; positions are all the same.
func same(a, b reflect.Value) bool {
	if a.Type() == positionType {
		return true
	}
	switch x := a.Interface().(type) {
	case *auth.Certificate:
		return x.Equal(b.Interface().(*auth.Certificate))
	case *auth.PublicKey:
		return x.Equal(b.Interface().(*auth.PublicKey))
	case *sig.Scheme, x509.OID:
		return reflect.DeepEqual(x, b.Interface())
	}
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if a.Comparable() && !holdsPosition(a.Type()) {
			return a.Equal(b)
		}
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// holdsPosition tells whether a struct has a position in it, so that == is not the question.
func holdsPosition(t reflect.Type) bool {
	for i := range t.NumField() {
		if f := t.Field(i).Type; f == positionType || f.Kind() == reflect.Struct && holdsPosition(f) {
			return true
		}
	}
	return false
}
