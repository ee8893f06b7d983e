package vici

import (
	"strings"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/core"
)

// sharedKinds are the types of load-shared, which are compared without regard to case.
var sharedKinds = map[string]core.SecretKind{
	"ike": core.SecretIKE, "eap": core.SecretEAP, "xauth": core.SecretEAP, "ntlm": core.SecretNTLM, "ppk": core.SecretPPK,
}

func loadShared(c *call) *Message {
	text, ok := c.request.Lookup("type")
	if !ok {
		return failure("shared key type missing")
	}
	kind, ok := sharedKinds[strings.ToLower(text)]
	if !ok {
		return failure("invalid shared key type: %s", text)
	}
	// The packet's octets are wiped when the command has been answered.
	data := c.request.Bytes("data")
	if len(data) == 0 {
		return failure("shared key data missing")
	}
	return outcome(c.daemon.LoadShared(Shared{
		ID: c.request.Get("id"), Kind: kind, Data: secret.Bytes(data).Clone(), Owners: c.request.List("owners"),
	}))
}

func unloadShared(c *call) *Message {
	id := c.request.Get("id")
	if id == "" {
		return failure("unique identifier missing")
	}
	return outcome(c.daemon.UnloadShared(id))
}

func getShared(c *call) *Message {
	return (&Message{}).AddList("keys", c.daemon.SharedIDs()...)
}
