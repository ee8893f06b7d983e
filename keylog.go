package goswan

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

// keyLog writes the tables with which Wireshark and tshark decrypt IKEv2 and ESP: ikev2_decryption_table and esp_sa in
// one directory, as a Wireshark profile has them. Whoever reads these files reads the traffic.
type keyLog struct {
	dir string
	mu  sync.Mutex // guards the files
}

// openKeyLog makes the directory, readable by its owner only.
func openKeyLog(dir string) (*keyLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("goswan: key log: %w", err)
	}
	return &keyLog{dir: dir}, nil
}

func (k *keyLog) append(file, line string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(k.dir, file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("goswan: key log: %w", err)
	}
	if err = f.Chmod(0o600); err == nil { // it may have been there before
		_, err = f.WriteString(line)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// ike writes one row of ikev2_decryption_table:
//
//	SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"
func (k *keyLog) ike(keys core.IKEKeys) error {
	enc, integrity, ok := wiresharkIKE(keys.Suite)
	if !ok {
		return fmt.Errorf("goswan: key log: Wireshark has no name for %s", keys.Suite.Proposal)
	}
	return k.append("ikev2_decryption_table", fmt.Sprintf("%x,%x,%s,%s,%q,%s,%s,%q\n",
		keys.InitiatorSPI[:], keys.ResponderSPI[:], hex.EncodeToString(keys.EI), hex.EncodeToString(keys.ER), enc,
		hex.EncodeToString(keys.AI), hex.EncodeToString(keys.AR), integrity))
}

// sa writes one row of esp_sa:
//
//	"IPv4","source","destination","0xSPI","encryption","0xkey","authentication","0xkey"
//
// Extended sequence numbers have no column, so those packets stay encrypted for Wireshark. A row that Wireshark 4.0 does
// not know keeps it from reading the rest of the table, so a ChaCha20-Poly1305 SA is a comment: whoever has a newer
// Wireshark takes the # off.
func (k *keyLog) sa(p esp.Params) error {
	enc, auth, ok := wiresharkESP(p.Suite)
	if !ok {
		return fmt.Errorf("goswan: key log: Wireshark has no name for %s", p.Suite.Proposal)
	}
	src, dst := p.Remote.Addr(), p.Local.Addr()
	if p.Direction == esp.Out {
		src, dst = dst, src
	}
	comment := ""
	if p.Suite.Encr.Log == "CHACHA20_POLY1305" {
		comment = "# "
	}
	return k.append("esp_sa", comment+fmt.Sprintf("%q,%q,%q,%q,%q,%q,%q,%q\n",
		family(dst), src, dst, fmt.Sprintf("0x%08x", uint32(p.SPI)), enc, hexKey(p.EncrKey), auth, hexKey(p.IntegKey)))
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func hexKey(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return "0x" + hex.EncodeToString(key)
}

// integrityRFC is how Wireshark calls the specification of an integrity algorithm, by strongSwan's name of it.
var integrityRFC = map[string]string{
	"HMAC_SHA1_96": "[RFC2404]", "HMAC_SHA2_256_128": "[RFC4868]", "HMAC_SHA2_384_192": "[RFC4868]", "HMAC_SHA2_512_256": "[RFC4868]",
}

// wiresharkIKE are the names that Wireshark's IKEv2 dissector knows a cipher and an integrity algorithm by. It decrypts
// neither ChaCha20-Poly1305 nor anything newer.
func wiresharkIKE(s suite.Set) (encryption, integrity string, ok bool) {
	switch s.Encr.Log {
	case "AES_GCM_16":
		return fmt.Sprintf("AES-GCM-%d with 16 octet ICV [RFC5282]", s.EncrKeyBits), "NONE [RFC4306]", true
	case "AES_CBC":
		rfc, ok := integrityRFC[s.Integ.Log]
		return fmt.Sprintf("AES-CBC-%d [RFC3602]", s.EncrKeyBits), s.Integ.Log + " " + rfc, ok
	}
	return "", "", false
}

// wiresharkESP are the names that Wireshark's ESP dissector knows a cipher and an integrity algorithm by.
func wiresharkESP(s suite.Set) (encryption, authentication string, ok bool) {
	switch s.Encr.Log {
	case "AES_GCM_16":
		return "AES-GCM with 16 octet ICV [RFC4106]", "NULL", true
	case "CHACHA20_POLY1305":
		return "ChaCha20 with Poly1305 [RFC7634]", "NULL", true
	case "AES_CBC":
		rfc, ok := integrityRFC[s.Integ.Log]
		name := strings.NewReplacer("_SHA1_96", "-SHA-1-96", "_SHA2_", "-SHA-", "_", "-").Replace(s.Integ.Log)
		return "AES-CBC [RFC3602]", name + " " + rfc, ok
	}
	return "", "", false
}
