//go:build linux

package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// transformRow is one IKE and one ESP proposal and what both ends have to say that they use.
type transformRow struct {
	ike, esp         string
	wantIKE, wantESP string // as algorithms() writes them
}

// transformRows name every transform of this version at least once for the IKE SA and once for the Child SA; ESP
// proposals with a key exchange use it in a rekey.
var transformRows = []transformRow{
	{"aes128gcm16-prfsha256-x25519", "aes128gcm16-x25519", "AES_GCM_16-128 PRF_HMAC_SHA2_256 CURVE_25519", "AES_GCM_16-128 CURVE_25519"},
	{"aes192gcm16-prfsha384-ecp256", "aes192gcm16-ecp256", "AES_GCM_16-192 PRF_HMAC_SHA2_384 ECP_256", "AES_GCM_16-192 ECP_256"},
	{"aes256gcm16-prfsha512-ecp384", "aes256gcm16-ecp384", "AES_GCM_16-256 PRF_HMAC_SHA2_512 ECP_384", "AES_GCM_16-256 ECP_384"},
	{"chacha20poly1305-prfsha1-ecp521", "chacha20poly1305-ecp521", "CHACHA20_POLY1305 PRF_HMAC_SHA1 ECP_521", "CHACHA20_POLY1305 ECP_521"},
	{"aes128-sha1-modp2048", "aes128-sha1-modp2048", "AES_CBC-128 HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_2048", "AES_CBC-128 HMAC_SHA1_96 MODP_2048"},
	{"aes192-sha1-modp3072", "aes192-sha1-modp3072", "AES_CBC-192 HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_3072", "AES_CBC-192 HMAC_SHA1_96 MODP_3072"},
	{"aes256-sha1-modp4096", "aes256-sha1-modp4096", "AES_CBC-256 HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_4096", "AES_CBC-256 HMAC_SHA1_96 MODP_4096"},
	{"aes128-sha256-x25519", "aes128-sha256", "AES_CBC-128 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CBC-128 HMAC_SHA2_256_128"},
	{"aes192-sha256-ecp256", "aes192-sha256", "AES_CBC-192 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 ECP_256", "AES_CBC-192 HMAC_SHA2_256_128"},
	{"aes256-sha256-modp2048", "aes256-sha256", "AES_CBC-256 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 MODP_2048", "AES_CBC-256 HMAC_SHA2_256_128"},
	{"aes128-sha384-ecp384", "aes128-sha384", "AES_CBC-128 HMAC_SHA2_384_192 PRF_HMAC_SHA2_384 ECP_384", "AES_CBC-128 HMAC_SHA2_384_192"},
	{"aes192-sha384-x25519", "aes192-sha384", "AES_CBC-192 HMAC_SHA2_384_192 PRF_HMAC_SHA2_384 CURVE_25519", "AES_CBC-192 HMAC_SHA2_384_192"},
	{"aes256-sha384-ecp521", "aes256-sha384", "AES_CBC-256 HMAC_SHA2_384_192 PRF_HMAC_SHA2_384 ECP_521", "AES_CBC-256 HMAC_SHA2_384_192"},
	{"aes128-sha512-modp3072", "aes128-sha512", "AES_CBC-128 HMAC_SHA2_512_256 PRF_HMAC_SHA2_512 MODP_3072", "AES_CBC-128 HMAC_SHA2_512_256"},
	{"aes192-sha512-modp4096", "aes192-sha512", "AES_CBC-192 HMAC_SHA2_512_256 PRF_HMAC_SHA2_512 MODP_4096", "AES_CBC-192 HMAC_SHA2_512_256"},
	{"aes256-sha512-prfsha256-x25519", "aes256-sha512", "AES_CBC-256 HMAC_SHA2_512_256 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CBC-256 HMAC_SHA2_512_256"},
	{"default", "default", "", ""},

	// Encryption that has to be named.
	{"aes128ctr-sha256-x25519", "aes128ctr-sha256", "AES_CTR-128 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CTR-128 HMAC_SHA2_256_128"},
	{"aes256ctr-sha512-x25519", "aes256ctr-sha512", "AES_CTR-256 HMAC_SHA2_512_256 PRF_HMAC_SHA2_512 CURVE_25519", "AES_CTR-256 HMAC_SHA2_512_256"},
	{"aes128ccm8-prfsha256-x25519", "aes128ccm8", "AES_CCM_8-128 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CCM_8-128"},
	{"aes192ccm12-prfsha256-x25519", "aes192ccm12", "AES_CCM_12-192 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CCM_12-192"},
	{"aes256ccm16-prfsha256-x25519", "aes256ccm16", "AES_CCM_16-256 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CCM_16-256"},
	{"aes128gcm8-prfsha256-x25519", "aes128gcm8", "AES_GCM_8-128 PRF_HMAC_SHA2_256 CURVE_25519", "AES_GCM_8-128"},
	{"aes256gcm12-prfsha256-x25519", "aes256gcm12", "AES_GCM_12-256 PRF_HMAC_SHA2_256 CURVE_25519", "AES_GCM_12-256"},
	{"camellia128-sha256-x25519", "camellia128-sha256", "CAMELLIA_CBC-128 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CBC-128 HMAC_SHA2_256_128"},
	{"camellia256-sha256-x25519", "camellia256-sha256", "CAMELLIA_CBC-256 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CBC-256 HMAC_SHA2_256_128"},
	{"camellia192ctr-sha256-x25519", "camellia192ctr-sha256", "CAMELLIA_CTR-192 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CTR-192 HMAC_SHA2_256_128"},
	{"camellia128ccm8-prfsha256-x25519", "camellia128ccm8", "CAMELLIA_CCM_8-128 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CCM_8-128"},
	{"camellia192ccm12-prfsha256-x25519", "camellia192ccm12", "CAMELLIA_CCM_12-192 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CCM_12-192"},
	{"camellia256ccm16-prfsha256-x25519", "camellia256ccm16", "CAMELLIA_CCM_16-256 PRF_HMAC_SHA2_256 CURVE_25519", "CAMELLIA_CCM_16-256"},
	{"3des-md5-modp2048", "3des-md5", "3DES_CBC HMAC_MD5_96 PRF_HMAC_MD5 MODP_2048", "3DES_CBC HMAC_MD5_96"},
	{"aes128-md5_128-modp2048", "null-sha256", "AES_CBC-128 HMAC_MD5_128 PRF_HMAC_MD5 MODP_2048", "NULL HMAC_SHA2_256_128"},

	// Integrity and PRFs likewise.
	{"aes128-aesxcbc-x25519", "aes128-aesxcbc", "AES_CBC-128 AES_XCBC_96 PRF_AES128_XCBC CURVE_25519", "AES_CBC-128 AES_XCBC_96"},
	{"aes128-aescmac-x25519", "aes128-aescmac", "AES_CBC-128 AES_CMAC_96 PRF_AES128_CMAC CURVE_25519", "AES_CBC-128 AES_CMAC_96"},
	{"camellia128-camelliaxcbc-x25519", "camellia192-sha384", "CAMELLIA_CBC-128 CAMELLIA_XCBC_96 PRF_CAMELLIA128_XCBC CURVE_25519", "CAMELLIA_CBC-192 HMAC_SHA2_384_192"},
	{"aes256-sha1_160-x25519", "aes256-sha1_160", "AES_CBC-256 HMAC_SHA1_160 PRF_HMAC_SHA1 CURVE_25519", "AES_CBC-256 HMAC_SHA1_160"},
	{"aes128gcm16-prfaesxcbc-x25519", "aes128-md5_128", "AES_GCM_16-128 PRF_AES128_XCBC CURVE_25519", "AES_CBC-128 HMAC_MD5_128"},
}

// ownRows are for two goswans: strongSwan's userspace data path has neither extended sequence numbers nor these algorithms.
var ownRows = []transformRow{
	{"aes256gcm16-prfsha384-x25519", "aes256gcm16-esn", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "AES_GCM_16-256 ESN"},
	{"aes256gcm16-prfsha384-x25519", "aes256gcm16iiv-esn", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "AES_GCM_16_IIV-256 ESN"},
	{"aes256gcm16-prfsha384-x25519", "aes128ccm8iiv", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "AES_CCM_8_IIV-128"},
	{"aes256gcm16-prfsha384-x25519", "chacha20poly1305iiv", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "CHACHA20_POLY1305_IIV"},
	{"aes256gcm16-prfsha384-x25519", "aes256gmac", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "NULL_AES_GMAC-256"},
	{"aes256-sha256_96-x25519", "aes256-sha256_96", "AES_CBC-256 HMAC_SHA2_256_96 PRF_HMAC_SHA2_256 CURVE_25519", "AES_CBC-256 HMAC_SHA2_256_96"},
	{"aes256gcm16-prfcamelliaxcbc-x25519", "camellia256-camelliaxcbc", "AES_GCM_16-256 PRF_CAMELLIA128_XCBC CURVE_25519", "CAMELLIA_CBC-256 CAMELLIA_XCBC_96"},
	{"aes256gcm16-prfsha384-x25519", "null-sha512-esn", "AES_GCM_16-256 PRF_HMAC_SHA2_384 CURVE_25519", "NULL HMAC_SHA2_512_256 ESN"},
}

// TestTransforms brings a tunnel up with each transform, from the one end and the other in turn, rekeys its Child SA,
// and sends something through it.
func TestTransforms(t *testing.T) {
	eachPair(t, pairs, "transforms", Topology{}, func(t *testing.T, n *Net) {
		rows := transformRows
		if n.Left.Daemon == Goswan && n.Right.Daemon == Goswan {
			rows = append(rows[:len(rows):len(rows)], ownRows...)
		}
		for i, row := range rows {
			t.Run(row.ike+"/"+row.esp, func(t *testing.T) {
				initiator := []*Host{n.Left, n.Right}[i%2]
				row.run(t, n, initiator)
			})
		}
	})
}

// run loads the row at both ends, uses it, and sends a megabyte.
func (row transformRow) run(t *testing.T, n *Net, initiator *Host) {
	row.load(t, n)
	initiator.Initiate(t, "net")
	n.WaitUp(t, "net")
	n.LeftLAN.Ping(t, n.RightLAN.IPv4)
	n.rekey(t, initiator, rekeyChild)
	row.check(t, n)
	n.LeftLAN.Transfer(t, n.RightLAN, n.RightLAN.IPv4, 1<<20)
	n.record(t)
	initiator.Terminate(t, "site")
	n.WaitGone(t)
}

// load writes the row's proposals for both ends and loads them.
func (row transformRow) load(t *testing.T, n *Net) {
	t.Helper()
	for _, h := range []*Host{n.Left, n.Right} {
		h.WriteConfig(t, "ike.conf", "proposals = "+row.ike+"\n")
		h.WriteConfig(t, "esp.conf", "esp_proposals = "+row.esp+"\n")
		h.LoadAll(t)
	}
}

// check asks both ends which algorithms they use. Of a default proposal they have to say the same.
func (row transformRow) check(t *testing.T, n *Net) {
	t.Helper()
	wantIKE, wantESP := row.wantIKE, row.wantESP
	if wantIKE == "" {
		wantIKE, wantESP = algorithms(n.Left.SA(t).Section), algorithms(n.Left.Child(t, "net").Section)
		t.Logf("default: %s, %s", wantIKE, wantESP)
	}
	for _, h := range []*Host{n.Left, n.Right} {
		if got := algorithms(h.SA(t).Section); got != wantIKE {
			t.Errorf("%s (%s): its IKE SA uses %q, want %q", h.Name, h.Daemon, got, wantIKE)
		}
		if got := algorithms(h.Child(t, "net").Section); got != wantESP {
			t.Errorf("%s (%s): its Child SA uses %q, want %q", h.Name, h.Daemon, got, wantESP)
		}
	}
}

// TestHarnessRecord adds to a record what is not in it.
func TestHarnessRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record.tsv")
	for _, lines := range [][]string{{"IKE\tECP_256\tgoswan", "ESP\tAES_GCM_16-128\tgoswan"}, {"IKE\tECP_256\tstrongSwan 5.9.8", "IKE\tECP_256\tgoswan"}} {
		if err := addLines(file, lines); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := recordHead + "ESP\tAES_GCM_16-128\tgoswan\nIKE\tECP_256\tgoswan\nIKE\tECP_256\tstrongSwan 5.9.8\n"; string(got) != want {
		t.Errorf("the record is\n%s, want\n%s", got, want)
	}
	if err := addLines(t.TempDir(), nil); err == nil {
		t.Error("a directory is a record")
	}
}

// TestHarnessTransforms holds the table to the transforms that it promises.
func TestHarnessTransforms(t *testing.T) {
	var ike, esp string
	for _, row := range transformRows {
		ike += " " + row.wantIKE + " "
		esp += " " + row.wantESP + " "
	}
	both := []string{"CHACHA20_POLY1305", "CURVE_25519", "ECP_256", "ECP_384", "ECP_521", "MODP_2048", "MODP_3072", "MODP_4096"}
	both = append(both,
		"AES_CTR-128", "AES_CCM_8-128", "AES_CCM_12-192", "AES_CCM_16-256", "AES_GCM_8-128", "AES_GCM_12-256", "CAMELLIA_CBC-128", "CAMELLIA_CTR-192",
		"CAMELLIA_CCM_8-128", "CAMELLIA_CCM_12-192", "CAMELLIA_CCM_16-256", "3DES_CBC",
		"HMAC_MD5_96", "HMAC_SHA1_160", "AES_XCBC_96", "AES_CMAC_96",
	)
	for _, size := range []string{"128", "192", "256"} {
		both = append(both, "AES_GCM_16-"+size)
		for _, integ := range []string{"HMAC_SHA1_96", "HMAC_SHA2_256_128", "HMAC_SHA2_384_192", "HMAC_SHA2_512_256"} {
			both = append(both, "AES_CBC-"+size+" "+integ)
		}
	}
	for _, want := range both {
		for _, table := range []struct{ of, all string }{{"an IKE SA", ike}, {"a Child SA", esp}} {
			if !strings.Contains(table.all, " "+want+" ") {
				t.Errorf("no row uses %s in %s", want, table.of)
			}
		}
	}
	for _, want := range []string{"NULL HMAC_SHA2_256_128", "HMAC_MD5_128"} {
		if !strings.Contains(esp, " "+want+" ") {
			t.Errorf("no row uses %s in a Child SA", want)
		}
	}
	for _, prf := range []string{
		"PRF_HMAC_SHA1", "PRF_HMAC_SHA2_256", "PRF_HMAC_SHA2_384", "PRF_HMAC_SHA2_512",
		"PRF_HMAC_MD5", "PRF_AES128_XCBC", "PRF_AES128_CMAC", "PRF_CAMELLIA128_XCBC",
	} {
		if !strings.Contains(ike, " "+prf+" ") {
			t.Errorf("no row uses %s", prf)
		}
	}
}
