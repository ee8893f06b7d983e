// Package vectors reads the published known answers by which the rows of the transform tables are proven, for their tests and for the
// documentation that is generated of them. A file is a JSON array of objects; octets are in hexadecimal:
//
//	{
//		"transform": "ENCR_AES_CCM_8",          the row's IANA name
//		"source": "RFC 3610 §8, packet vector #1",
//		"key": "c0c1…", "salt": "…", "iv": "…", "aad": "…", "input": "…", "output": "…"
//	}
package vectors

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// Octets is octets that are written in hexadecimal.
type Octets []byte

// UnmarshalText reads hexadecimal.
func (o *Octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// Vector is one known answer.
type Vector struct {
	Transform string // the row's name, as IANA registered it
	Source    string // who published it, and where it stands there
	Use       string // what of the row it proves, when that is not its main function: "prf+"
	Key       Octets
	Salt      Octets // key material behind the key
	IV        Octets // of the packet, or its sequence number where the IV is implicit
	Nonce     Octets // instead of Salt and IV when the source's construction has another one than ESP
	AAD       Octets
	Input     Octets // plaintext, or what is authenticated
	Output    Octets // ciphertext with the ICV behind it, or the function's value
}

// Read reads a file and fails when a field of it is unknown, or a vector names no transform or no source.
func Read(file string) ([]Vector, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("vectors: %w", err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	var list []Vector
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("vectors: %s: %w", file, err)
	}
	for i, v := range list {
		if v.Transform == "" || v.Source == "" {
			return nil, fmt.Errorf("vectors: %s: vector %d names no transform or no source", file, i+1)
		}
	}
	return list, nil
}

// Sources returns the sources of each transform, in their order and each once.
func Sources(list []Vector) map[string][]string {
	sources := map[string][]string{}
	for _, v := range list {
		if !slices.Contains(sources[v.Transform], v.Source) {
			sources[v.Transform] = append(sources[v.Transform], v.Source)
		}
	}
	return sources
}
