//go:build !amd64

package aesgcm

import (
	"crypto/cipher"

	"github.com/goswan/goswan/crypto/ctr"
	"github.com/goswan/goswan/crypto/secret"
)

// accelerated is false where there is no assembly: the standard library has its own for arm64.
const accelerated = false

func newVector(secret.Bytes, int) cipher.AEAD { panic("aesgcm: no assembly for this processor") }

func newCounterVector(secret.Bytes) ctr.Stream { panic("aesgcm: no assembly for this processor") }
