package goswan

import (
	"bytes"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"testing/synctest"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/esp/esptest"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
)

func ikeSuite(t *testing.T, keywords string) suite.Set {
	t.Helper()
	all, err := suite.Parse(suite.IKE, keywords)
	if err != nil {
		t.Fatal(err)
	}
	chosen, _, ok := suite.Select(all, all, false)
	if !ok {
		t.Fatalf("%s does not select itself", keywords)
	}
	set, err := suite.Resolve(chosen)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// written is what a key log's file holds.
func written(t *testing.T, dir, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeyLogOfIKE(t *testing.T) {
	for _, c := range []struct{ keywords, want string }{
		{"aes256gcm16-prfsha384-x25519", `0102030405060708,1112131415161718,aaaa,bbbb,"AES-GCM-256 with 16 octet ICV [RFC5282]",,,"NONE [RFC4306]"`},
		{"aes128-sha256-modp2048", `0102030405060708,1112131415161718,aaaa,bbbb,"AES-CBC-128 [RFC3602]",cccc,dddd,"HMAC_SHA2_256_128 [RFC4868]"`},
		{"aes256-sha1-modp2048", `0102030405060708,1112131415161718,aaaa,bbbb,"AES-CBC-256 [RFC3602]",cccc,dddd,"HMAC_SHA1_96 [RFC2404]"`},
	} {
		dir := t.TempDir()
		k, err := openKeyLog(dir)
		if err != nil {
			t.Fatal(err)
		}
		keys := core.IKEKeys{
			InitiatorSPI: header.SPI{1, 2, 3, 4, 5, 6, 7, 8}, ResponderSPI: header.SPI{0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18},
			EI: secret.Bytes{0xaa, 0xaa}, ER: secret.Bytes{0xbb, 0xbb}, Suite: ikeSuite(t, c.keywords),
		}
		if keys.Suite.Integ != nil {
			keys.AI, keys.AR = secret.Bytes{0xcc, 0xcc}, secret.Bytes{0xdd, 0xdd}
		}
		if err := k.ike(keys); err != nil {
			t.Fatal(err)
		}
		if got := written(t, dir, "ikev2_decryption_table"); got != c.want+"\n" {
			t.Errorf("%s: the row is\n%swant\n%s", c.keywords, got, c.want)
		}
	}
	k, err := openKeyLog(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.ike(core.IKEKeys{Suite: ikeSuite(t, "chacha20poly1305-prfsha256-x25519")}); err == nil {
		t.Error("a cipher that Wireshark does not know is no error")
	}
}

func TestKeyLogOfESP(t *testing.T) {
	pair := esptest.Pair{SPI: 0xc0ffee01, From: netip.MustParseAddrPort("192.0.2.1:4500"), To: netip.MustParseAddrPort("198.51.100.2:4500"),
		FromTS: []string{"10.1.0.0/16"}, ToTS: []string{"10.2.0.0/16"}}
	for _, c := range []struct{ keywords, encryption, authentication string }{
		{"aes128gcm16", `"AES-GCM with 16 octet ICV [RFC4106]","0x0aaa"`, `"NULL",""`},
		{"chacha20poly1305", `"ChaCha20 with Poly1305 [RFC7634]","0x0aaa"`, `"NULL",""`},
		{"aes256-sha1", `"AES-CBC [RFC3602]","0x0aaa"`, `"HMAC-SHA-1-96 [RFC2404]","0x0bbb"`},
		{"aes128-sha256", `"AES-CBC [RFC3602]","0x0aaa"`, `"HMAC-SHA-256-128 [RFC4868]","0x0bbb"`},
		{"aes128-sha384", `"AES-CBC [RFC3602]","0x0aaa"`, `"HMAC-SHA-384-192 [RFC4868]","0x0bbb"`},
		{"aes128-sha512", `"AES-CBC [RFC3602]","0x0aaa"`, `"HMAC-SHA-512-256 [RFC4868]","0x0bbb"`},
	} {
		pair.Keywords = c.keywords
		out, in := pair.Params()
		for _, p := range []esp.Params{out, in} {
			p.EncrKey = secret.Bytes{0x0a, 0xaa}
			if len(p.IntegKey) > 0 {
				p.IntegKey = secret.Bytes{0x0b, 0xbb}
			}
			dir := t.TempDir()
			k, err := openKeyLog(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := k.sa(p); err != nil {
				t.Fatal(err)
			}
			want := ""
			if c.keywords == "chacha20poly1305" {
				want = "# " // Wireshark 4.0 would not read what comes after it
			}
			want += `"IPv4","192.0.2.1","198.51.100.2","0xc0ffee01",` + c.encryption + "," + c.authentication + "\n"
			if got := written(t, dir, "esp_sa"); got != want {
				t.Errorf("%s, direction %d: the row is\n%swant\n%s", c.keywords, p.Direction, got, want)
			}
		}
	}
}

func TestKeyLogOfANegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "keys")
		n := encap.NewNetwork()
		moon := newEnd(t, n, moonText(), func(c *Config) { c.KeyLog = dir }).start()
		newEnd(t, n, sunText()).start()
		moon.up()
		_, err := moon.Rekey(t.Context(), SelectSAs{Child: "net"})
		want(t, "it is rekeyed", err == nil)
		sa := moon.IKESAs()[0]
		row := regexp.MustCompile(`^` + sa.SPIi.String() + `,` + sa.SPIr.String() + `,[0-9a-f]{72},[0-9a-f]{72},"AES-GCM-256 with 16 octet ICV \[RFC5282\]",,,"NONE \[RFC4306\]"` + "\n$")
		if got := written(t, dir, "ikev2_decryption_table"); !row.MatchString(got) {
			t.Errorf("the row of the IKE SA has not the form\n%v", row)
		}
		rows := regexp.MustCompile(`(?m)^"IPv4","(192\.0\.2\.1","198\.51\.100\.2|198\.51\.100\.2","192\.0\.2\.1)","0x[0-9a-f]{8}","AES-GCM with 16 octet ICV \[RFC4106\]","0x[0-9a-f]{72}","NULL",""$`)
		if got := written(t, dir, "esp_sa"); len(rows.FindAllString(got, -1)) != 4 || bytes.Count([]byte(got), []byte("\n")) != 4 {
			t.Errorf("there are %d rows of the right form for two Child SAs of two directions, want 4", len(rows.FindAllString(got, -1)))
		}
		for name, mode := range map[string]fs.FileMode{".": 0o700 | fs.ModeDir, "esp_sa": 0o600, "ikev2_decryption_table": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s has the mode %v (%v), want %v", name, info.Mode(), err, mode)
			}
		}
	})
}

func TestAKeyLogThatWasReadableIsClosed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "esp_sa")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	k := &keyLog{dir: dir}
	if err := k.append("esp_sa", "row\n"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has the mode %v (%v) after a row was written, want 0600", info.Mode(), err)
	}
	if _, err := openKeyLog(file); err == nil {
		t.Error("a key log in a file that is no directory was opened")
	}
}
