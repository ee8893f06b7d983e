package encr

import (
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/goswan/goswan/crypto/aescbc"
	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/crypto/secret"
)

// newAESCBC keys both directions of AES-CBC, RFC 3602 §2; the key's length chooses AES-128, -192 or -256.
func newAESCBC(key secret.Bytes) (encrypt, decrypt CBC, err error) { return aescbc.New(key) }

// newAESGCM keys AES-GCM with a nonce of 12 octets and an ICV of 16 octets, RFC 4106 §4 and §6.
func newAESGCM(key secret.Bytes) (cipher.AEAD, error) { return aesgcm.New(key) }

// newChaCha20Poly1305 keys AEAD_CHACHA20_POLY1305 of RFC 8439 §2.8, RFC 7634 §2.
func newChaCha20Poly1305(key secret.Bytes) (cipher.AEAD, error) { return chacha20poly1305.New(key) }
