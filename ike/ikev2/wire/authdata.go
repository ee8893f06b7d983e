package wire

import "fmt"

// AuthMethod is the authentication method of an AUTH payload (RFC 7296 §3.8 and IANA).
type AuthMethod uint8

// The authentication methods.
const (
	AuthRSASignature     AuthMethod = 1  // RSA Digital Signature
	AuthSharedKeyMIC     AuthMethod = 2  // Shared Key Message Integrity Code: a PSK, or an EAP method's MSK
	AuthDSSSignature     AuthMethod = 3  // DSS Digital Signature
	AuthECDSA256         AuthMethod = 9  // RFC 4754
	AuthECDSA384         AuthMethod = 10 // RFC 4754
	AuthECDSA521         AuthMethod = 11 // RFC 4754
	AuthGSPM             AuthMethod = 12 // RFC 6467
	AuthNull             AuthMethod = 13 // RFC 7619
	AuthDigitalSignature AuthMethod = 14 // RFC 7427
)

var authNames = map[AuthMethod]string{
	AuthRSASignature: "RSA signature", AuthSharedKeyMIC: "shared key MIC", AuthDSSSignature: "DSS signature",
	AuthECDSA256: "ECDSA-256", AuthECDSA384: "ECDSA-384", AuthECDSA521: "ECDSA-521",
	AuthGSPM: "generic secure password", AuthNull: "NULL", AuthDigitalSignature: "digital signature",
}

// String is a short name, "shared key MIC".
func (m AuthMethod) String() string {
	if name, ok := authNames[m]; ok {
		return name
	}
	return fmt.Sprintf("method %d", uint8(m))
}

// AUTH is the Authentication payload (RFC 7296 §3.8).
type AUTH struct {
	Method AuthMethod
	Data   []byte
}

// Type is TypeAUTH.
func (*AUTH) Type() PayloadType { return TypeAUTH }

// String is "AUTH".
func (*AUTH) String() string { return TypeAUTH.String() }

// Detail is "AUTH shared key MIC, 32 octets".
func (p *AUTH) Detail() []string {
	return []string{fmt.Sprintf("AUTH %s, %d octets", p.Method, len(p.Data))}
}

func (p *AUTH) appendBody(b []byte) []byte {
	b = append(b, uint8(p.Method), 0, 0, 0)
	return append(b, p.Data...)
}

func (p *AUTH) decode(d *decoder) {
	p.Method = AuthMethod(d.uint8())
	d.skip(3)
	p.Data = d.rest()
}
