// Package status says how far a transform may be used: by default, when it is named, or not at all.
//
// The recommendations behind it are RFC 8247 (IKEv2), RFC 8221 (ESP and AH) and RFC 9395 (what went with IKEv1).
package status

import "strconv"

// Status is a row's standing in its table.
type Status uint8

// The standings. The zero value is the one that gives nothing away.
const (
	Unimplemented Status = iota // known by number, name and keyword only
	Default                     // sound, and part of the proposal `default` unless the row says that it has to be named
	Legacy                      // usable when the configuration names it; worth a warning
	Refused                     // never usable: broken, or too short
)

var names = [...]string{"unimplemented", "default", "legacy", "refused"}

// String returns the standing in one lower-case word.
func (s Status) String() string {
	if int(s) < len(names) {
		return names[s]
	}
	return "status " + strconv.Itoa(int(s))
}

// Usable tells whether a transform of this standing can be configured and negotiated.
func (s Status) Usable() bool { return s == Default || s == Legacy }
