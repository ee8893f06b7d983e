package suite

import "errors"

// ErrAuth is returned by Open when the integrity check value is wrong.
var ErrAuth = errors.New("suite: the integrity check value is wrong")

// ErrLength is returned by Open when the octets are too few for an integrity check value, or the ciphertext is not a
// whole number of blocks.
var ErrLength = errors.New("suite: the ciphertext has an impossible length")

// Cipher is one keyed direction, of ESP or of the Encrypted payload. It is not safe for concurrent use. Seal and Open
// allocate nothing.
//
// What is protected, for the two kinds of algorithm:
//
//	combined mode (RFC 4106, 4309, 7634)    encryption and integrity apart (RFC 4303 §3.3.2, RFC 7296 §3.14)
//
//	nonce  = salt | iv                      ciphertext = encrypt(iv, plaintext)
//	aad      is associated data             ICV over aad | iv | ciphertext | trail, truncated
//	trail    is empty
//
// For ESP aad is the SPI and the sequence number; with extended sequence numbers its high half stands between the two
// for combined mode (RFC 4106 §5) and is the trail otherwise (RFC 4303 §2.2.1). For the Encrypted payload aad is the
// message up to the IV and there is no trail (RFC 5282 §5.1, RFC 7296 §3.14).
//
// With an implicit IV (RFC 8750, encr.Transform.Implicit) the packet has none and iv is the sequence number, 8 octets, whose high half
// is zero where sequence numbers are not extended.
//
// A length that breaks a method's terms is a bug of the caller and panics, except where Open says otherwise.
type Cipher interface {
	// IVLen returns the octets of IV in the packet: 8 for the counter-based algorithms, a block for CBC, none for NULL and for implicit
	// IVs.
	IVLen() int
	// ICVLen returns the octets of integrity check value at the packet's end.
	ICVLen() int
	// Align returns what plaintext, padding and trailer together must be a multiple of: the block size, 1 where there is
	// none. The minimum of 4 of ESP is the caller's business.
	Align() int
	// RandomIV tells whether an IV has to be unpredictable (RFC 3602 §3). Otherwise it has to be unique and a counter is
	// best (RFC 3686 §4, RFC 4106 §3.1, RFC 4309 §3.1, RFC 7634 §2).
	RandomIV() bool
	// Seal writes ciphertext and integrity check value to dst[:len(plaintext)+ICVLen()]. dst and plaintext start at the
	// same octet or do not overlap; iv, aad and trail do not overlap dst.
	Seal(dst, iv, plaintext, aad, trail []byte)
	// Open checks the integrity check value at the end of ciphertextAndICV, in constant time, and only then decrypts
	// to dst, returning the octets of plaintext. dst and ciphertextAndICV start at the same octet or do not overlap; iv,
	// aad and trail do not overlap dst. The error is ErrLength or ErrAuth, and then dst holds no plaintext.
	Open(dst, iv, ciphertextAndICV, aad, trail []byte) (int, error)
	// Wipe overwrites what key material the Cipher holds itself and drops the rest, of which the standard library's
	// ciphers offer no overwriting. The Cipher is not to be used any more.
	Wipe()
}
