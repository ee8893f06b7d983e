// Package auth proves who is at the other end: identities, and the AUTH data of RFC 7296 §2.15.
package auth

// IDType is an Identification type (RFC 7296 §3.5).
type IDType uint8

// The identification types; 0 is %any, which matches every identity and is never sent.
const (
	IDAny        IDType = 0
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDRFC822Addr IDType = 3
	IDIPv6Addr   IDType = 5
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
	IDNull       IDType = 13 // RFC 7619
)

// Identity is an IKE identity; values compare with ==. The zero value is %any.
type Identity struct {
	Type IDType
	Data string // the octets of the Identification Data
}
