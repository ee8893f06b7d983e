package encr

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/goswan/goswan/crypto/aescbc"
	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/crypto/camellia"
	"github.com/goswan/goswan/crypto/ccm"
	"github.com/goswan/goswan/crypto/ctr"
	"github.com/goswan/goswan/crypto/gmac"
	"github.com/goswan/goswan/crypto/secret"
)

// newAESCBC keys both directions of AES-CBC, RFC 3602 §2; the key's length chooses AES-128, -192 or -256.
func newAESCBC(key, _ secret.Bytes) (encrypt, decrypt Mode, err error) { return aescbc.New(key) }

// newCamelliaCBC keys both directions of Camellia-CBC, RFC 5529 §2.1.
func newCamelliaCBC(key, _ secret.Bytes) (encrypt, decrypt Mode, err error) {
	return camellia.NewCBC(key)
}

// newTripleDES keys both directions of 3DES in CBC mode with three keys, RFC 2451 §2.1. The standard library looks its s-boxes up in
// tables, so its timing is not independent of the key.
func newTripleDES(key, _ secret.Bytes) (encrypt, decrypt Mode, err error) {
	b, err := des.NewTripleDESCipher(key)
	if err != nil {
		return nil, nil, err
	}
	zero := make([]byte, des.BlockSize)
	encrypt, ok := cipher.NewCBCEncrypter(b, zero).(Mode)
	decrypt, ok2 := cipher.NewCBCDecrypter(b, zero).(Mode)
	if !ok || !ok2 {
		panic("encr: the standard library's mode takes no second IV")
	}
	return encrypt, decrypt, nil
}

// newAESCTR keys AES in counter mode, RFC 3686 §4; both directions are the same.
func newAESCTR(key, nonce secret.Bytes) (encrypt, decrypt Mode, err error) {
	s, err := aesgcm.NewCounter(key)
	if err != nil {
		return nil, nil, err
	}
	m := ctr.NewMode(s, nonce)
	return m, m, nil
}

// newCamelliaCTR keys Camellia in counter mode, RFC 5529 §2.2.
func newCamelliaCTR(key, nonce secret.Bytes) (encrypt, decrypt Mode, err error) {
	b, err := camellia.New(key)
	if err != nil {
		return nil, nil, err
	}
	m := ctr.NewMode(ctr.New(b), nonce)
	return m, m, nil
}

// null is the NULL encryption algorithm: "NULL(b) = I(b) = b"  RFC 2410 §2.
type null struct{}

func newNull(key, _ secret.Bytes) (encrypt, decrypt Mode, err error) {
	if len(key) != 0 {
		return nil, nil, aes.KeySizeError(len(key))
	}
	return null{}, null{}, nil
}

func (null) BlockSize() int              { return 1 }
func (null) SetIV([]byte)                {}
func (null) CryptBlocks(dst, src []byte) { copy(dst, src) }

// newAESGCM keys AES-GCM with a nonce of 12 octets and an ICV of 8, 12 or 16, RFC 4106 §4 and §6.
func newAESGCM(icv int) func(secret.Bytes) (cipher.AEAD, error) {
	return func(key secret.Bytes) (cipher.AEAD, error) { return aesgcm.NewTruncated(key, icv) }
}

// newGMAC keys AES-GMAC, which encrypts nothing, RFC 4543 §3.
func newGMAC(key secret.Bytes) (cipher.AEAD, error) { return gmac.NewESP(key) }

// ccmNonce is the octets of nonce: a salt of 3 and the IV of 8, RFC 4309 §4.
const ccmNonce = 11

// newAESCCM keys AES-CCM with an ICV of 8, 12 or 16 octets, RFC 4309.
func newAESCCM(icv int) func(secret.Bytes) (cipher.AEAD, error) {
	return func(key secret.Bytes) (cipher.AEAD, error) { return aesCCM(key, ccmNonce, icv) }
}

func aesCCM(key secret.Bytes, nonce, icv int) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s, err := aesgcm.NewCounter(key)
	if err != nil {
		return nil, err
	}
	return ccm.New(b, s, nonce, icv)
}

// newCamelliaCCM keys Camellia-CCM, RFC 5529 §2.3.
func newCamelliaCCM(icv int) func(secret.Bytes) (cipher.AEAD, error) {
	return func(key secret.Bytes) (cipher.AEAD, error) { return camelliaCCM(key, ccmNonce, icv) }
}

func camelliaCCM(key secret.Bytes, nonce, icv int) (cipher.AEAD, error) {
	b, err := camellia.New(key)
	if err != nil {
		return nil, err
	}
	return ccm.New(b, ctr.New(b), nonce, icv)
}

// newChaCha20Poly1305 keys AEAD_CHACHA20_POLY1305 of RFC 8439 §2.8, RFC 7634 §2.
func newChaCha20Poly1305(key secret.Bytes) (cipher.AEAD, error) { return chacha20poly1305.New(key) }
