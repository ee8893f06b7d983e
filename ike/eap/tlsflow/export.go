package tlsflow

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"hash"

	"github.com/goswan/goswan/crypto/secret"
)

// ErrNoEMS says that keys cannot be taken from a conversation of TLS 1.2 that has no extended master secret (RFC 7627).
var ErrNoEMS = errors.New("tlsflow: the other side's TLS 1.2 has no extended master secret")

// Export makes n octets of the conversation's keys (RFC 5705, RFC 8446 §7.5). A nil context is none. Where TLS 1.2 came
// about without the extended master secret, it errs with ErrNoEMS, or, if withoutEMS, does what TLS did before that:
// two conversations that a man in the middle has arranged to have the same master secret then have the same keys.
func (f *Flow) Export(label string, context []byte, n int, withoutEMS bool) (secret.Bytes, error) {
	if !f.established {
		return nil, errors.New("tlsflow: no keys before the end of the handshake")
	}
	state := f.conn.ConnectionState()
	keys, err := state.ExportKeyingMaterial(label, context, n)
	if err == nil || state.Version != tls.VersionTLS12 {
		return keys, err
	}
	if !withoutEMS {
		return nil, ErrNoEMS
	}
	return f.exportWithoutEMS(state.CipherSuite, label, n)
}

// exportWithoutEMS is PRF(master_secret, label, client_random + server_random)[n], the exporter of RFC 5705 §4 without context.
func (f *Flow) exportWithoutEMS(cipherSuite uint16, label string, n int) (secret.Bytes, error) {
	if f.keys.master == nil || !f.wire.random.seen {
		return nil, ErrNoEMS
	}
	seed := append([]byte(label), f.keys.client...)
	seed = append(seed, f.wire.random.value[:]...)
	return prf12(prfHash(cipherSuite), f.keys.master, seed, n), nil
}

// prfHash is the hash of a suite's PRF: SHA-256 (RFC 5246 §5), or SHA-384 for those whose name ends in it (RFC 5289 §3.2).
func prfHash(cipherSuite uint16) func() hash.Hash {
	switch cipherSuite {
	case tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
		return sha512.New384
	}
	return sha256.New
}

// prf12 is P_hash (RFC 5246 §5).
func prf12(h func() hash.Hash, key secret.Bytes, seed []byte, n int) secret.Bytes {
	mac := hmac.New(h, key)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, part := range parts {
			mac.Write(part)
		}
		return mac.Sum(nil)
	}
	out := make(secret.Bytes, 0, n+mac.Size())
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:n]
}

// masterSecret catches the master secret of TLS 1.2 where crypto/tls gives it out: in the lines of a key log.
type masterSecret struct {
	client []byte
	master secret.Bytes
}

// Write takes one line "CLIENT_RANDOM <client_random> <master_secret>", in hexadecimal; TLS 1.3 has other lines.
func (m *masterSecret) Write(line []byte) (int, error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 || string(fields[0]) != "CLIENT_RANDOM" {
		return len(line), nil
	}
	client, err1 := hex.AppendDecode(nil, fields[1])
	master, err2 := hex.AppendDecode(nil, fields[2])
	if err1 == nil && err2 == nil {
		m.client, m.master = client, master
	}
	return len(line), nil
}

func (m *masterSecret) wipe() { m.master.Wipe() }

// serverRandom catches the random octets of the ServerHello, the first handshake message of the server, which goes by
// unencrypted in either direction.
type serverRandom struct {
	value [32]byte
	seen  bool
	lost  bool // the first records were not as expected: then there is nothing to catch
	head  []byte
}

// A record's header of 5 octets, a handshake message's of 4, the version, the random octets. RFC 5246 §6.2.1, §7.4
const (
	recordHeader    = 5
	helloRandomAt   = recordHeader + 4 + 2
	helloEnough     = helloRandomAt + 32
	recordHandshake = 22
	messageServer   = 2
)

// see looks at octets as crypto/tls reads or writes them: in records, whole or in parts, of both sides.
func (r *serverRandom) see(b []byte) {
	if r.seen || r.lost {
		return
	}
	r.head = append(r.head, b...)
	for len(r.head) >= recordHeader {
		length := recordHeader + int(r.head[3])<<8 + int(r.head[4])
		if r.head[0] != recordHandshake {
			r.lost, r.head = true, nil
			return
		}
		if len(r.head) >= helloEnough && r.head[recordHeader] == messageServer {
			copy(r.value[:], r.head[helloRandomAt:])
			r.seen, r.head = true, nil
			return
		}
		if len(r.head) < length {
			return
		}
		r.head = r.head[length:]
	}
}
