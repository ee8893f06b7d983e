package sig

import (
	"bytes"
	encoding "encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var (
	// ErrAlgorithm says that an AlgorithmIdentifier is not DER or names what no row has.
	ErrAlgorithm = errors.New("the AlgorithmIdentifier cannot be used")
	// errDER is ErrAlgorithm for octets that are no AlgorithmIdentifier at all.
	errDER = fmt.Errorf("sig: %w: it is not DER", ErrAlgorithm)
)

// maxSalt bounds the salt of RSASSA-PSS: a longer one fits into no key.
const maxSalt = MaxRSABits / 8

// The OBJECT IDENTIFIERs of RSASSA-PSS and of its mask generation function, RFC 4055 §2.2 and §3.
var (
	oidPSS  = der("06092a864886f70d01010a")
	oidMGF1 = der("06092a864886f70d010108")
	null    = der("0500")
)

// ParseAlgorithm reads the AlgorithmIdentifier of a Digital Signature (RFC 7427 §3) and returns the row it names; for
// RSASSA-PSS with the length of salt it tells. A refused row is returned as well: its Status says so.
// The error is ErrAlgorithm, wrapped.
func ParseAlgorithm(id []byte) (Scheme, error) {
	oid, parameters, ok := split(id)
	if !ok {
		return Scheme{}, errDER
	}
	if bytes.Equal(oid, oidPSS) {
		return parsePSS(id, parameters)
	}
	for _, s := range Schemes {
		if s.ID == nil {
			continue
		}
		rowOID, rowParameters, _ := split(s.ID)
		if !bytes.Equal(oid, rowOID) {
			continue
		}
		// "When any of these four object identifiers appears within an AlgorithmIdentifier, the parameters MUST be NULL.
		// Implementations MUST accept the parameters being absent as well as present."  RFC 4055 §5
		if bytes.Equal(parameters, rowParameters) || len(parameters) == 0 {
			return s, nil
		}
		return Scheme{}, fmt.Errorf("sig: %w: the parameters of %s are %x", ErrAlgorithm, s.Name, parameters)
	}
	return Scheme{}, fmt.Errorf("sig: %w: nothing here is called %s", ErrAlgorithm, oidText(oid))
}

// split takes an AlgorithmIdentifier apart into the elements of its SEQUENCE; parameters are empty when absent.
func split(id []byte) (oid, parameters []byte, ok bool) {
	input := cryptobyte.String(id)
	var inner, first, second cryptobyte.String
	var tag asn1.Tag
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() || !inner.ReadASN1Element(&first, asn1.OBJECT_IDENTIFIER) {
		return nil, nil, false
	}
	if !inner.Empty() && !inner.ReadAnyASN1Element(&second, &tag) || !inner.Empty() {
		return nil, nil, false
	}
	return first, second, true
}

// parsePSS reads the parameters of RSASSA-PSS, RFC 4055 §3.1:
//
//	RSASSA-PSS-params  ::=  SEQUENCE  {
//	   hashAlgorithm     [0] HashAlgorithm DEFAULT sha1Identifier,
//	   maskGenAlgorithm  [1] MaskGenAlgorithm DEFAULT mgf1SHA1Identifier,
//	   saltLength        [2] INTEGER DEFAULT 20,
//	   trailerField      [3] INTEGER DEFAULT 1  }
//
// A field may be there with its default value: for the first, second and fourth RFC 4055 demands to accept that, and
// what one writes for the third leaves no doubt.
func parsePSS(id, parameters []byte) (Scheme, error) {
	input := cryptobyte.String(parameters)
	var fields cryptobyte.String
	if !input.ReadASN1(&fields, asn1.SEQUENCE) {
		return Scheme{}, fmt.Errorf("sig: %w: RSASSA-PSS without parameters", ErrAlgorithm)
	}
	var hashID, mgfID cryptobyte.String
	var hasHash, hasMGF bool
	if !fields.ReadOptionalASN1(&hashID, &hasHash, explicit(0)) || !fields.ReadOptionalASN1(&mgfID, &hasMGF, explicit(1)) {
		return Scheme{}, errDER
	}
	salt, ok := optionalInteger(&fields, 2, 20)
	trailer, ok2 := optionalInteger(&fields, 3, 1)
	if !ok || !ok2 || !fields.Empty() {
		return Scheme{}, errDER
	}
	h, err := pssHash(hashID, hasHash)
	if err != nil {
		return Scheme{}, err
	}
	mgf, err := mgfHash(mgfID, hasMGF)
	if err != nil {
		return Scheme{}, err
	}
	switch {
	// RFC 4055 §3.1 recommends one hash for the octets and the mask, and no implementation of IKE is known to do otherwise.
	case h != mgf:
		return Scheme{}, fmt.Errorf("sig: %w: RSASSA-PSS with %s and a mask made with %s", ErrAlgorithm, h.name, mgf.name)
	case salt < 1 || salt > maxSalt:
		return Scheme{}, fmt.Errorf("sig: %w: RSASSA-PSS with a salt of %d octets", ErrAlgorithm, salt)
	case trailer != 1:
		return Scheme{}, fmt.Errorf("sig: %w: RSASSA-PSS with the trailer field %d", ErrAlgorithm, trailer)
	}
	return pssRow(h, int(salt), id), nil
}

// pssRow is the row of RSASSA-PSS with a hash, for a salt of so many octets.
func pssRow(h *hashAlgorithm, salt int, id []byte) Scheme {
	for _, s := range Schemes {
		if s.SaltLen != 0 && s.HashID == h.id {
			if salt != s.SaltLen {
				s.SaltLen, s.ID = salt, bytes.Clone(id)
			}
			return s
		}
	}
	panic("sig: the table has no RSASSA-PSS with " + h.name)
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// optionalInteger reads an explicitly tagged INTEGER, which is absent when it has its default value.
func optionalInteger(fields *cryptobyte.String, n uint8, absent int64) (int64, bool) {
	var field cryptobyte.String
	var present bool
	if !fields.ReadOptionalASN1(&field, &present, explicit(n)) {
		return 0, false
	}
	if !present {
		return absent, true
	}
	var value int64
	ok := field.ReadASN1Integer(&value) && field.Empty()
	return value, ok
}

// pssHash reads hashAlgorithm.
func pssHash(id []byte, present bool) (*hashAlgorithm, error) {
	if !present {
		return &hashes[0], nil // sha1Identifier
	}
	oid, parameters, ok := split(id)
	// "All implementations MUST accept both NULL and absent parameters as legal and equivalent encodings."  RFC 4055 §2.1
	if !ok || len(parameters) != 0 && !bytes.Equal(parameters, null) {
		return nil, errDER
	}
	for i := range hashes {
		if hashes[i].oid != nil && bytes.Equal(oid, hashes[i].oid) {
			return &hashes[i], nil
		}
	}
	return nil, fmt.Errorf("sig: %w: RSASSA-PSS with the hash %s", ErrAlgorithm, oidText(oid))
}

// mgfHash reads maskGenAlgorithm: MGF1, whose parameters are the AlgorithmIdentifier of a hash.
func mgfHash(id []byte, present bool) (*hashAlgorithm, error) {
	if !present {
		return &hashes[0], nil // mgf1SHA1Identifier
	}
	oid, parameters, ok := split(id)
	if !ok {
		return nil, errDER
	}
	if !bytes.Equal(oid, oidMGF1) {
		return nil, fmt.Errorf("sig: %w: RSASSA-PSS with the mask %s", ErrAlgorithm, oidText(oid))
	}
	return pssHash(parameters, true)
}

// oidText is an OBJECT IDENTIFIER for a message, "1.2.840.113549.1.1.10"; its octets where they are none.
func oidText(element []byte) string {
	input := cryptobyte.String(element)
	var oid encoding.ObjectIdentifier
	if !input.ReadASN1ObjectIdentifier(&oid) {
		return hex.EncodeToString(element)
	}
	return oid.String()
}
