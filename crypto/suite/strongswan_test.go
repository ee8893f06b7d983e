package suite

import (
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/status"
)

// strongSwanWords are the keywords that strongSwan 6.0 knows, and the ones for NTRU that Debian 12's 5.9.8 has besides.
const strongSwanWords = `
null des 3des aes aes128 aes192 aes256 aes128ctr aes192ctr aes256ctr aes128ccm8 aes128ccm64 aes128ccm12
aes128ccm96 aes128ccm16 aes128ccm128 aes128ccm aes192ccm8 aes192ccm64 aes192ccm12 aes192ccm96 aes192ccm16
aes192ccm128 aes192ccm aes256ccm8 aes256ccm64 aes256ccm12 aes256ccm96 aes256ccm16 aes256ccm128 aes256ccm
aes128gcm8 aes128gcm64 aes128gcm12 aes128gcm96 aes128gcm16 aes128gcm128 aes128gcm aes192gcm8 aes192gcm64
aes192gcm12 aes192gcm96 aes192gcm16 aes192gcm128 aes192gcm aes256gcm8 aes256gcm64 aes256gcm12 aes256gcm96
aes256gcm16 aes256gcm128 aes256gcm aes128gmac aes192gmac aes256gmac chacha20poly1305 chacha20poly1305compat
blowfish blowfish128 blowfish192 blowfish256 camellia camellia128 camellia192 camellia256 camellia128ctr
camellia192ctr camellia256ctr camellia128ccm8 camellia128ccm64 camellia128ccm12 camellia128ccm96
camellia128ccm16 camellia128ccm128 camellia192ccm8 camellia192ccm64 camellia192ccm12 camellia192ccm96
camellia192ccm16 camellia192ccm128 camellia256ccm8 camellia256ccm64 camellia256ccm12 camellia256ccm96
camellia256ccm16 camellia256ccm128 cast128 serpent serpent128 serpent192 serpent256 twofish twofish128
twofish192 twofish256 sha sha1 sha1_160 sha256 sha2_256 sha256_96 sha2_256_96 sha384 sha2_384 sha512 sha2_512
md5 md5_128 aesxcbc camelliaxcbc aescmac prfsha1 prfsha256 prfsha384 prfsha512 prfmd5 prfaesxcbc
prfcamelliaxcbc prfaescmac none modpnone modpnull modp768 modp1024 modp1536 modp2048 modp3072 modp4096
modp6144 modp8192 ecp192 ecp224 ecp256 ecp384 ecp521 modp1024s160 modp2048s224 modp2048s256 ecp224bp ecp256bp
ecp384bp ecp512bp curve25519 x25519 curve448 x448 gost256 gost512 mlkem512 mlkem768 mlkem1024 noesn esn
ntru112 ntru128 ntru192 ntru256
`

// A configuration that strongSwan takes is taken here too, or the error says that the algorithm is known and why it is
// not to be had. It never says that the word is unknown.
func TestEveryWordOfStrongSwanIsKnown(t *testing.T) {
	for word := range strings.FieldsSeq(strongSwanWords) {
		tr, ok := lookup(word)
		if !ok {
			t.Errorf("%q is a word of strongSwan's and none of ours", word)
			continue
		}
		_, reason, _ := parseWord(ESP, word)
		switch s, why := tr.Status(); s {
		case status.Default, status.Legacy:
			if reason != "" {
				t.Errorf("%q is usable and yet %s", word, reason)
			}
		case status.Unimplemented:
			if !strings.Contains(reason, "not implemented in this version") {
				t.Errorf("%q %s: that does not say that it is not implemented in this version", word, reason)
			}
		case status.Refused:
			if why == "" || !strings.Contains(reason, why) {
				t.Errorf("%q %s: that does not say why", word, reason)
			}
		}
	}
}

// ourWords are for what strongSwan does not have.
const ourWords = `
aes128ccm8iiv aes192ccm8iiv aes256ccm8iiv aes128gcm16iiv aes192gcm16iiv aes256gcm16iiv chacha20poly1305iiv
`

func TestEveryWordIsOneOfStrongSwan(t *testing.T) {
	known := map[string]bool{}
	for word := range strings.FieldsSeq(strongSwanWords + ourWords) {
		known[word] = true
	}
	for word, tr := range keywords() {
		if !known[word] {
			t.Errorf("%q for %s is no word of strongSwan's", word, tr)
		}
	}
}
