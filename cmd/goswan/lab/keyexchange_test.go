//go:build linux

package lab

import (
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/ke"
)

// keyExchanges are the methods that TestTransforms' own rows leave out, each used in the IKE SA and in the Child SA's rekeying:
// the keyword, and what both ends have to call it.
var keyExchanges = []struct{ word, name string }{
	{"modp768", "MODP_768"}, {"modp1024", "MODP_1024"}, {"modp1536", "MODP_1536"}, {"modp6144", "MODP_6144"}, {"modp8192", "MODP_8192"},
	{"modp1024s160", "MODP_1024_160"}, {"modp2048s224", "MODP_2048_224"}, {"modp2048s256", "MODP_2048_256"},
	{"ecp192", "ECP_192"}, {"ecp224", "ECP_224"},
	{"ecp224bp", "ECP_224_BP"}, {"ecp256bp", "ECP_256_BP"}, {"ecp384bp", "ECP_384_BP"}, {"ecp512bp", "ECP_512_BP"},
	{"x448", "CURVE_448"},
}

// newKeyExchanges are for two goswans: strongSwan 5.9.8 has no ML-KEM.
var newKeyExchanges = []struct{ word, name string }{
	{"mlkem512", "ML_KEM_512"}, {"mlkem768", "ML_KEM_768"}, {"mlkem1024", "ML_KEM_1024"},
}

// TestTransformsKeyExchange negotiates each key exchange once, from the one end and the other in turn.
func TestTransformsKeyExchange(t *testing.T) {
	eachPair(t, pairs, "transforms", Topology{}, func(t *testing.T, n *Net) {
		methods := keyExchanges
		if n.Left.Daemon == Goswan && n.Right.Daemon == Goswan {
			methods = slices.Concat(methods, newKeyExchanges)
		}
		for i, method := range methods {
			t.Run(method.word, func(t *testing.T) {
				row := transformRow{
					ike: "aes128-sha256-" + method.word, wantIKE: "AES_CBC-128 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 " + method.name,
					esp: "aes128gcm16-" + method.word, wantESP: "AES_GCM_16-128 " + method.name,
				}
				row.run(t, n, []*Host{n.Left, n.Right}[i%2])
			})
		}
	})
}

// TestHarnessKeyExchanges holds the tables to the methods that this version has: each is negotiated.
func TestHarnessKeyExchanges(t *testing.T) {
	var named []string
	for _, row := range transformRows {
		named = append(named, strings.Fields(row.wantIKE)...)
	}
	for _, method := range slices.Concat(keyExchanges, newKeyExchanges) {
		named = append(named, method.name)
	}
	for _, r := range ke.Transforms {
		if r.Status.Usable() && !slices.Contains(named, r.Name) {
			t.Errorf("no row of the lab negotiates %s", r.Name)
		}
	}
}
