// Package crypto measures ESP's suites as production uses them: suite.Parse, Resolve and NewCipher make a suite.Cipher, and its Seal
// and Open are timed on what an ESP packet encrypts: an inner packet with padding and trailer (RFC 4303 §2), 8 octets of
// associated data, from one buffer to another. Every suite that the tables of crypto/encr and crypto/integ can make is there.
//
// The packet is in the nearest cache, which is what a cipher is asked for here and what `openssl speed` does too; package path
// measures the whole way of packets.
package crypto
