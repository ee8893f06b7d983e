// Package secret holds octets that must not be seen: pre-shared keys, private keys and session keys.
//
// Whatever prints a value of this type, a log, an error, %v, %x or JSON, prints [redacted].
package secret

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
)

const redacted = "[redacted]"

// Bytes is key material. The owner calls Wipe when it is no longer needed.
type Bytes []byte

// String returns "[redacted]".
func (Bytes) String() string { return redacted }

// GoString returns "[redacted]", for %#v.
func (Bytes) GoString() string { return redacted }

// Format prints "[redacted]" for every verb, %x and %s included.
func (Bytes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON returns the JSON string "[redacted]".
func (Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// MarshalText returns "[redacted]".
func (Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Wipe overwrites the octets with zeros.
func (b Bytes) Wipe() { clear(b) }

// Clone returns a copy that is wiped on its own.
func (b Bytes) Clone() Bytes {
	if b == nil {
		return nil
	}
	return append(Bytes{}, b...)
}

// Equal compares in constant time for equal lengths.
func (b Bytes) Equal(o Bytes) bool { return subtle.ConstantTimeCompare(b, o) == 1 }
