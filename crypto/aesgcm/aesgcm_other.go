//go:build !amd64

package aesgcm

import (
	"crypto/cipher"

	"github.com/goswan/goswan/crypto/secret"
)

// accelerated is false where there is no assembly: the standard library has its own for arm64.
const accelerated = false

func newVector(secret.Bytes) cipher.AEAD { panic("aesgcm: no assembly for this processor") }
