//go:build !amd64

package aescbc

import "github.com/goswan/goswan/crypto/secret"

// accelerated is false where there is no assembly.
const accelerated = false

func newVector(secret.Bytes) Mode { panic("aescbc: no assembly for this processor") }
