package inside

import (
	"crypto/aes"
	"crypto/cipher"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/crypto/aesgcm"
	"github.com/goswan/goswan/crypto/secret"
)

// cipherCalls is how many calls make a lap: enough that reading the clock is nothing beside them.
const cipherCalls = 512

// addCiphers compares our AES-GCM with the standard library's.
func (b *Bench) addCiphers() error {
	key := make(secret.Bytes, 16)
	ours, err := aesgcm.New(key)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	standard, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	gigabytes := func(perPacket float64) float64 { return large / perPacket }
	b.add(SealSpeed, gigabytes, sealLap(ours), sealLap(standard))
	b.add(OpenSpeed, gigabytes, openLap(ours), openLap(standard))
	return nil
}

func sealLap(c cipher.AEAD) lap {
	plain, out := make([]byte, large), make([]byte, large+c.Overhead())
	nonce, aad := make([]byte, c.NonceSize()), make([]byte, 8)
	return func() (int, time.Duration) {
		return cipherCalls, clock.Timed(func() {
			for range cipherCalls {
				c.Seal(out[:0], nonce, plain, aad)
			}
		})
	}
}

func openLap(c cipher.AEAD) lap {
	nonce, aad, out := make([]byte, c.NonceSize()), make([]byte, 8), make([]byte, large)
	sealed := c.Seal(nil, nonce, out, aad)
	return func() (int, time.Duration) {
		return cipherCalls, clock.Timed(func() {
			for range cipherCalls {
				if _, err := c.Open(out[:0], nonce, sealed, aad); err != nil {
					panic("inside: what was sealed does not open: " + err.Error())
				}
			}
		})
	}
}
