package aesgcm

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/goswan/goswan/crypto/ctr"
	"github.com/goswan/goswan/crypto/ghash"
)

// portable is GCM put together of its parts, for the tags that the standard library has not. It is for one goroutine at a time.
type portable struct {
	block  cipher.Block
	stream ctr.Stream
	hash   *ghash.Hash
	tagLen int

	counter [blockSize]byte // J0 and what follows it
	sum     [blockSize]byte
	mask    [blockSize]byte
}

func newPortable(b cipher.Block, tagLen int) *portable {
	p := &portable{block: b, stream: ctr.New(b), tagLen: tagLen}
	// H = CIPH_K(0¹²⁸), §7.1 step 1
	b.Encrypt(p.sum[:], p.sum[:])
	p.hash = ghash.New(p.sum[:])
	return p
}

func (p *portable) NonceSize() int { return nonceSize }
func (p *portable) Overhead() int  { return p.tagLen }

func (p *portable) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	n := len(plaintext)
	ret, out := grow(dst, n+p.tagLen)
	p.begin(nonce)
	p.stream.XORKeyStream(out[:n], plaintext, &p.counter)
	copy(out[n:], p.tag(out[:n], additionalData)[:p.tagLen])
	return ret
}

func (p *portable) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	n := len(ciphertext) - p.tagLen
	if n < 0 {
		return nil, errOpen
	}
	ret, out := grow(dst, n)
	p.begin(nonce)
	tag := p.tag(ciphertext[:n], additionalData)[:p.tagLen]
	if subtle.ConstantTimeCompare(tag, ciphertext[n:]) != 1 {
		return nil, errOpen
	}
	p.stream.XORKeyStream(out, ciphertext[:n], &p.counter)
	return ret, nil
}

// begin sets the mask of the tag, CIPH_K(J0), and the counter block behind it.
func (p *portable) begin(nonce []byte) {
	if len(nonce) != nonceSize {
		panic("aesgcm: incorrect nonce length")
	}
	// J0 = IV || 0³¹ || 1, SP 800-38D §7.1 step 2
	clear(p.counter[:])
	copy(p.counter[:], nonce)
	p.counter[blockSize-1] = 1
	p.block.Encrypt(p.mask[:], p.counter[:])
	p.counter[blockSize-1] = 2
}

// tag is the whole tag, §7.1 step 6.
func (p *portable) tag(ciphertext, aad []byte) []byte {
	p.hash.Reset()
	p.hash.Write(aad)
	p.hash.Pad()
	p.hash.Write(ciphertext)
	p.hash.Sum(&p.sum, len(aad), len(ciphertext))
	subtle.XORBytes(p.sum[:], p.sum[:], p.mask[:])
	return p.sum[:]
}

// Wipe overwrites the hash subkey and what is left of a message. The cipher is not to be used any more.
func (p *portable) Wipe() {
	p.hash.Wipe()
	*p = portable{}
}
