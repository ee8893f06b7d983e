package header

import (
	"strconv"
	"strings"
)

// ExchangeType says which exchange a message belongs to, and with it which payloads it may have (RFC 7296 §3.1, and the
// IANA registries of IKEv2 and IKEv1).
type ExchangeType uint8

// The exchange types of IKEv2.
const (
	IKESAInit        ExchangeType = 34 // RFC 7296 §1.2
	IKEAuth          ExchangeType = 35 // RFC 7296 §1.2
	CreateChildSA    ExchangeType = 36 // RFC 7296 §1.3
	Informational    ExchangeType = 37 // RFC 7296 §1.4
	IKESessionResume ExchangeType = 38 // RFC 5723
	GSAAuth          ExchangeType = 39 // RFC 9838
	GSARegistration  ExchangeType = 40 // RFC 9838
	GSARekey         ExchangeType = 41 // RFC 9838
	GSAInbandRekey   ExchangeType = 42 // RFC 9838
	IKEIntermediate  ExchangeType = 43 // RFC 9242
	IKEFollowupKE    ExchangeType = 44 // RFC 9370
)

// The exchange types of IKEv1 (RFC 2408 §3.1, RFC 2409 §5).
const (
	IdentityProtection ExchangeType = 2 // Main Mode
	AuthenticationOnly ExchangeType = 3
	Aggressive         ExchangeType = 4
	InformationalV1    ExchangeType = 5
	Transaction        ExchangeType = 6 // Mode Config and XAUTH
	QuickMode          ExchangeType = 32
	NewGroupMode       ExchangeType = 33
)

var exchangeNames = map[ExchangeType]string{
	IKESAInit:        "IKE_SA_INIT",
	IKEAuth:          "IKE_AUTH",
	CreateChildSA:    "CREATE_CHILD_SA",
	Informational:    "INFORMATIONAL",
	IKESessionResume: "IKE_SESSION_RESUME",
	GSAAuth:          "GSA_AUTH",
	GSARegistration:  "GSA_REGISTRATION",
	GSARekey:         "GSA_REKEY",
	GSAInbandRekey:   "GSA_INBAND_REKEY",
	IKEIntermediate:  "IKE_INTERMEDIATE",
	IKEFollowupKE:    "IKE_FOLLOWUP_KE",

	IdentityProtection: "ID_PROT",
	AuthenticationOnly: "AUTH_ONLY",
	Aggressive:         "AGGRESSIVE",
	InformationalV1:    "INFORMATIONAL_V1",
	Transaction:        "TRANSACTION",
	QuickMode:          "QUICK_MODE",
	NewGroupMode:       "NEW_GROUP_MODE",
}

// String is the name as charon logs it, "IKE_SA_INIT", or "EXCHANGE_99" for one without a name.
func (e ExchangeType) String() string {
	if name, ok := exchangeNames[e]; ok {
		return name
	}
	return "EXCHANGE_" + strconv.Itoa(int(e))
}

// Flags are the header's bits. Bits without a name here are kept on parsing and mean nothing.
type Flags uint8

// The flags of IKEv2 (RFC 7296 §3.1).
const (
	Initiator Flags = 0x08 // the sender is the original initiator of the IKE SA
	Version   Flags = 0x10 // the sender could speak a higher major version; cleared on sending, ignored on receipt
	Response  Flags = 0x20 // the message answers one with the same Message ID
)

// The flags of IKEv1 (RFC 2408 §3.1).
const (
	Encryption   Flags = 0x01
	Commit       Flags = 0x02
	AuthOnlyFlag Flags = 0x04
)

// String lists the bits by name, "I|R", or "-" for none. Bits without a name are one hexadecimal number.
func (f Flags) String() string {
	var names []string
	for _, bit := range []struct {
		flag Flags
		name string
	}{{Initiator, "I"}, {Version, "V"}, {Response, "R"}, {Encryption, "E"}, {Commit, "C"}, {AuthOnlyFlag, "A"}} {
		if f&bit.flag != 0 {
			names = append(names, bit.name)
			f &^= bit.flag
		}
	}
	if f != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(f), 16))
	}
	if names == nil {
		return "-"
	}
	return strings.Join(names, "|")
}
