package profile

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// commented is a line that has to be filled in.
var commented = regexp.MustCompile(`(?m)^( *)# `)

// lay writes a profile's directory and reads it as the daemon would.
func lay(t *testing.T, p *Profile) (*core.Catalog, error) {
	t.Helper()
	dir := t.TempDir()
	files, _ := p.Directory()
	for _, f := range files {
		file := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		data := f.Data
		if f.Path == "swanctl.conf" { // what is left to be filled in
			connections, secrets, _ := strings.Cut(string(data), "\nsecrets {")
			data = []byte(connections + "\nsecrets {" + strings.ReplaceAll(commented.ReplaceAllString(secrets, "$1"), "write it here", phrase))
			if secrets == "" {
				data = f.Data
			}
		}
		if err := os.WriteFile(file, data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	catalog, _, err := config.Load(dir)
	return catalog, err
}

// TestThereAndBack exports what a gateway has, imports it, and compares the two sides of the connection.
func TestThereAndBack(t *testing.T) {
	for name, c := range every(t) {
		for format, write := range map[string]func(*Client) ([]byte, []string, error){"mobileconfig": Mobileconfig, "sswan": SSwan} {
			if format == "sswan" && c.Method == PSK || format == "mobileconfig" && c.Method == CertificateEAP {
				continue // the platform cannot
			}
			t.Run(name+" "+format, func(t *testing.T) {
				file, _, err := write(c)
				if err != nil {
					t.Fatal(err)
				}
				p, err := Read(file)
				if err != nil {
					t.Fatal(err)
				}
				if len(p.Warnings) > 0 && !(len(p.Warnings) == 1 && c.Subnets) {
					t.Errorf("of our own profile is not taken over: %v", p.Warnings)
				}
				compare(t, c, p.Clients[0])
				catalog, err := lay(t, p)
				if err != nil {
					t.Fatal(err)
				}
				otherSide(t, c, catalog)
			})
		}
	}
}

// compare holds what was read to what was written.
func compare(t *testing.T, wrote, read *Client) {
	t.Helper()
	if read.Server != wrote.Server || read.Name != wrote.Name || read.Method != wrote.Method || read.User != wrote.User || !read.Secret.Equal(wrote.Secret) {
		t.Errorf("read %s %q %s %q, wrote %s %q %s %q, and whether the secrets are equal: %v", read.Server, read.Name, read.Method, read.User,
			wrote.Server, wrote.Name, wrote.Method, wrote.User, read.Secret.Equal(wrote.Secret))
	}
	if read.ServerID != wrote.ServerID {
		t.Errorf("the gateway has to be %q, and was %q", read.ServerID, wrote.ServerID)
	}
	if len(read.CAs) != len(wrote.CAs) || len(read.CAs) > 0 && !read.CAs[0].Equal(wrote.CAs[0]) {
		t.Errorf("the CAs are %v, and were %v", read.CAs, wrote.CAs)
	}
	if (read.Identity == nil) != (wrote.Identity == nil) || read.Identity != nil && string(read.Identity.P12) != string(wrote.Identity.P12) {
		t.Error("the client's key is another")
	}
}

// otherSide holds an imported connection to the gateway's: it has to be one that the gateway would accept.
func otherSide(t *testing.T, c *Client, catalog *core.Catalog) {
	t.Helper()
	conn := catalog.Connections[0]
	if !slices.Equal(conn.RemoteAddrs, []string{c.Server}) || conn.Remote[0].ID != c.ServerID || conn.Mobike != c.Mobike {
		t.Errorf("the connection goes to %v, expects %q, MOBIKE %v", conn.RemoteAddrs, conn.Remote[0].ID, conn.Mobike)
	}
	if c.Method != EAP && c.Method != EAPTLS && conn.Local[0].ID != c.LocalID {
		t.Errorf("the client is %q, and was %q", conn.Local[0].ID, c.LocalID)
	}
	if _, _, ok := suite.Select(conn.Proposals, c.IKE, true); !ok {
		t.Errorf("the gateway refuses the IKE proposals %v", conn.Proposals)
	}
	if _, _, ok := suite.Select(conn.Children[0].Proposals, c.ESP, true); !ok {
		t.Errorf("the gateway refuses the ESP proposals %v", conn.Children[0].Proposals)
	}
	switch c.Method {
	case PSK:
		if len(catalog.Secrets) != 1 || !catalog.Secrets[0].Key.Equal(c.Secret) || conn.Local[0].Method != core.AuthPSK {
			t.Error("the pre-shared key is not there, or another")
		}
	case EAP:
		if conn.Local[0].Method != core.AuthEAP || conn.Local[0].EAP.ID.String() != c.User && c.User != "" || len(catalog.Secrets) != 1 {
			t.Errorf("the client does EAP by %+v, with %d passwords", conn.Local[0], len(catalog.Secrets))
		}
	case EAPTLS:
		if conn.Local[0].EAP.Method != eap.TypeTLS || len(catalog.Proofs().Own) != 1 {
			t.Errorf("the client does EAP-TLS by %+v, with %d keys", conn.Local[0], len(catalog.Proofs().Own))
		}
	case CertificateEAP:
		if len(conn.Local) != 2 || !conn.Local[0].Method.Signs() || conn.Local[1].Method != core.AuthEAP {
			t.Errorf("the client has the rounds %+v, and not a signature and then EAP", conn.Local)
		}
	case Certificate:
		if len(conn.Remote[0].CACerts) != 1 || !conn.Remote[0].CACerts[0].Equal(c.CAs[0]) {
			t.Error("the gateway's certificate may come from any CA")
		}
		if own := catalog.Proofs().Own; (len(own) == 1) != (c.Identity != nil) {
			t.Errorf("the client has %d keys with certificates", len(own))
		}
	}
}

const head = `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0">`

// configuration is a profile with payloads.
func configuration(payloads string) string {
	return head + `<dict><key>PayloadType</key><string>Configuration</string><key>PayloadContent</key><array>` + payloads + `</array></dict></plist>`
}

// vpn is a payload with keys in its dictionary IKEv2.
func vpn(name, keys string) string {
	return `<dict><key>PayloadType</key><string>com.apple.vpn.managed</string><key>VPNType</key><string>IKEv2</string><key>UserDefinedName</key><string>` + name +
		`</string><key>IKEv2</key><dict><key>RemoteAddress</key><string>vpn.example.org</string>` + keys + `</dict></dict>`
}

func key(name, value string) string { return "<key>" + name + "</key>" + value }

func str(s string) string { return "<string>" + s + "</string>" }

func TestBadProfilesAreRefused(t *testing.T) {
	deep := strings.Repeat("<array>", 40) + strings.Repeat("</array>", 40)
	for _, c := range []struct{ file, want string }{
		{"", "the file is empty"},
		{strings.Repeat(" ", MaxFile+1), "more than 4 MiB"},
		{"hello", "neither a .mobileconfig (XML, or signed) nor a .sswan (JSON)"},
		{"bplist00\x01", "plutil -convert xml1"},
		{"\x30\x80", "openssl cms -verify"},
		{"\x30\x03\x06\x01\x01", "openssl cms -verify"},
		{"<", "the XML is broken"},
		{"<plist>&x;</plist>", "the XML is broken"},
		{`<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><string>&a;</string></plist>`, "has no entities of its own"},
		{`<?xml version="1.0" encoding="UTF-7"?><plist/>`, "the XML is broken"},
		{head + deep + "</plist>", "more than 32 levels deep"},
		{head + "<array>" + strings.Repeat("<true/>", maxElements) + "</array></plist>", "more than 100000 elements"},
		{"<abcd>", "no property list"},
		{head + "<array/></plist>", "no property list"},
		{head + "<dict/></plist>", `PayloadType is "" and not Configuration`},
		{head + `<dict><key>PayloadType</key><string>Configuration</string><key>EncryptedPayloadContent</key><data>AAAA</data></dict></plist>`, "the profile is encrypted"},
		{configuration(""), "there is no VPN with IKEv2 in the profile"},
		{configuration(`<dict><key>PayloadType</key><string>com.apple.vpn.managed</string><key>VPNType</key><string>L2TP</string></dict>`), `VPNType is "L2TP" and not IKEv2`},
		{configuration(`<dict><key>PayloadType</key><string>com.apple.wifi.managed</string></dict>`), `"com.apple.wifi.managed", is not taken over`},
		{configuration(strings.Replace(vpn("a", ""), "vpn.example.org", "a b", 1)), `RemoteAddress" "a b" is neither a host name nor an address`},
		{configuration(vpn("a", key("AuthenticationMethod", str("Magic")))), `AuthenticationMethod" "Magic" is not one that is known`},
		{configuration(`<dict><key>PayloadType</key><string>com.apple.security.root</string><key>PayloadContent</key><data>AAAA</data></dict>`), "certificate"},
		{"{", "not JSON"},
		{strings.Repeat(`{"a":`, 20_000), "not JSON"},
		{"{}", `"type" "" is not one that is known`},
		{`{"type": "ikev2-eap"}`, `"addr" "" is neither a host name`},
		{`{"type": "ikev2-eap", "remote": {"addr": "h", "port": 70000}}`, "70000 is no port"},
		{`{"type": "ikev2-eap", "remote": {"addr": "h", "cert": "!"}}`, "is not Base64"},
		{`{"type": "ikev2-eap", "remote": {"addr": "h", "cert": "AAAA"}}`, "certificate"},
		{`{"type": "ikev2-cert", "remote": {"addr": "h"}, "local": {"p12": "!"}}`, "is not Base64"},
		{`{"type": "ikev2-eap", "remote": {"addr": "fe80::1%eth0"}}`, "is neither a host name nor an address"},
	} {
		p, err := Read([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.300q is read with %v, %v, want %q", c.file, p, err, c.want)
		}
	}
}

func TestWhatHasNoCounterpartIsTold(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{configuration(vpn("a", key("MTU", "<integer>1300</integer>"))), "goswan run --mtu"},
		{configuration(vpn("a", key("Frobnicate", "<true/>"))), `"Frobnicate" is not taken over: goswan does not know it`},
		{configuration(vpn("a", key("RemoteIdentifier", "<integer>1</integer>"))), `"RemoteIdentifier" is not a text`},
		{configuration(vpn("a", key("LocalIdentifier", str("asn1dn:x")))), "LocalIdentifier"},
		{configuration(vpn("a", key("OnDemandRules", "<array/>"))), "start_action = trap"},
		{configuration(vpn("a", key("IncludeAllNetworks", "<integer>1</integer>"))), "remote_ts names the networks"},
		{configuration(vpn("a", key("EnablePFS", str("yes")))), "is neither true nor false"},
		{configuration(vpn("a", key("ServerCertificateCommonName", str("other")))), `not for "other"`},
		{configuration(vpn("a", key("PayloadCertificateUUID", str("X")))), "names a payload that is not in the profile"},
		{configuration(vpn("a", key("IKESecurityAssociationParameters", "<dict>"+key("EncryptionAlgorithm", str("DES"))+"</dict>"))), "goswan's default takes its place"},
		{configuration(vpn("a", key("IKESecurityAssociationParameters", "<dict>"+key("EncryptionAlgorithm", str("ROT13"))+"</dict>"))), `"ROT13" with "SHA2-256" is not known`},
		{configuration(vpn("a", key("IKESecurityAssociationParameters", "<dict>"+key("DiffieHellmanGroup", "<integer>-1</integer>")+"</dict>"))), "is not a number from 0"},
		{configuration(vpn("a", "") + "<true/>"), "no dictionary"},
		{`{"type": "ikev2-byod-eap", "remote": {"addr": "h"}}`, "EAP-TNC"},
		{`{"type": "ikev2-eap", "remote": {"addr": "h"}, "mtu": 1400, "apps": ["a"]}`, `"apps" is not taken over`},
		{`{"type": "ikev2-eap", "remote": {"addr": "h", "x": 1}}`, `"remote"."x" is not taken over: goswan does not know it`},
		{`{"type": "ikev2-eap", "remote": {"addr": "h"}, "ike-proposal": "rot13"}`, "goswan's default takes its place"},
		{`{"type": "ikev2-eap", "remote": {"addr": "h"}, "split-tunneling": {"subnets": ["10.0.0.0/33", 1], "excluded": "10.0.0.0/8"}}`, "mode = pass"},
		{`{"type": "ikev2-eap", "remote": {"addr": "h", "revocation": {"crl": false}}}`, `"revocation"."crl" is not taken over`},
	} {
		p, err := Read([]byte(c.file))
		if err != nil {
			t.Errorf("%.300q: %v", c.file, err)
			continue
		}
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, c.want) }) {
			t.Errorf("%.300q has the warnings %q, want %q among them", c.file, p.Warnings, c.want)
		}
	}
}

// confOf is the swanctl.conf of a profile.
func confOf(t *testing.T, file string) string {
	t.Helper()
	p, err := Read([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := p.Directory()
	return string(files[0].Data)
}

func TestProfilesOfOthersBecomeSettings(t *testing.T) {
	for _, c := range []struct {
		file string
		want []string
	}{
		{configuration(vpn("Büro", key("AuthenticationMethod", str("SharedSecret"))+key("SharedSecret", str("0xabc &amp; \"more\"")))),
			[]string{"B-ro {", `# The profile calls it "Büro".`, `secret = "0x3078616263202620226d6f726522"`, `proposals = "aes256-sha256-modp2048"`, `esp_proposals = "aes256-sha256"`, `id = "vpn.example.org"`}},
		{configuration(vpn("a", key("ExtendedAuthEnabled", "<true/>")+key("AuthName", str("alice"))+key("AuthPassword", str("p\"w")))),
			[]string{"auth = eap\n", `eap_id = "alice"`, "  eap-a {", `secret = "p\"w"`}},
		{configuration(vpn("a", key("ExtendedAuthEnabled", "<integer>1</integer>")+key("AuthName", str("alice")))),
			[]string{"# eap-a {", `#   id = "alice"`, `#   secret = "write it here"`}},
		{configuration(vpn("a", "") + vpn("a", "")), []string{"  a {", "  a-2 {", "# ike-a {", "# ike-a-2 {"}},
		{configuration(vpn("a", key("OnDemandEnabled", "<integer>1</integer>")+key("DisableMOBIKE", "<integer>1</integer>")+key("DeadPeerDetectionRate", str("High")))),
			[]string{"start_action = trap", "mobike = no", "dpd_delay = 1m"}},
		{configuration(vpn("a", key("EnablePFS", "<true/>")+key("IKESecurityAssociationParameters",
			"<dict>"+key("EncryptionAlgorithm", str("AES-256-GCM"))+key("IntegrityAlgorithm", str("SHA2-384"))+key("DiffieHellmanGroup", "<integer>20</integer>")+key("LifeTimeInMinutes", "<integer>720</integer>")+"</dict>"))),
			[]string{`proposals = "aes256gcm16-prfsha384-ecp384"`, `esp_proposals = "aes256gcm16-ecp384"`, "rekey_time = 12h"}},
		{`{"uuid": "x", "name": "Work", "type": "ikev2-cert-eap", "remote": {"addr": "2001:db8::1", "port": 4501, "id": "gw", "certreq": false, "revocation": {"strict": true}},
			"local": {"eap_id": "alice", "shared_secret": "pw", "rsa-pss": true}, "split-tunneling": {"subnets": "10.0.0.0/8 192.168.1.1 - 192.168.1.2"}}`,
			[]string{"Work {", `remote_addrs = "2001:db8::1"`, "remote_port = 4501", "send_certreq = no", "revocation = strict", "local-1 {", "auth = rsa/pss", "local-2 {", "auth = eap\n", `eap_id = "alice"`, `secret = "pw"`, `remote_ts = "10.0.0.0/8, 192.168.1.1/32`}},
		{`{"type": "ikev2-eap-tls", "remote": {"addr": "h"}}`, []string{"vpn1 {", "auth = eap-tls", `remote_ts = "0.0.0.0/0, ::/0"`}},
	} {
		conf := confOf(t, c.file)
		for _, want := range c.want {
			if !strings.Contains(conf, want) {
				t.Errorf("%.400q becomes\n%s\nwithout %q", c.file, conf, want)
			}
		}
	}
}

// TestSignedProfiles has CMS as RFC 5652 has it, without a signature: nobody looks at it.
func TestSignedProfiles(t *testing.T) {
	sign := func(content []byte) []byte {
		var b cryptobyte.Builder
		zero := cbasn1.Tag(0).ContextSpecific().Constructed()
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSignedData)
			b.AddASN1(zero, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1Int64(1)
					b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidData)
						b.AddASN1(zero, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
					})
					b.AddASN1(cbasn1.SET, func(*cryptobyte.Builder) {})
				})
			})
		})
		return b.BytesOrPanic()
	}
	file := sign([]byte(configuration(vpn("a", ""))))
	p, err := Read(file)
	if err != nil || !p.Signed || p.Clients[0].Server != "vpn.example.org" {
		t.Errorf("a signed profile is read with %+v, %v", p, err)
	}
	for n := range len(file) - 2 { // the last two are the empty set of signatures
		if _, err := Read(file[:n]); err == nil {
			t.Errorf("the first %d octets of %d are a signed profile", n, len(file))
		}
	}
	if _, err := Read(sign(sign(nil))); err == nil || !strings.Contains(err.Error(), "signed again") {
		t.Errorf("what is signed twice is read with %v", err)
	}
}

// TestNoNameLeadsElsewhere has names that would be paths, or settings.
func TestNoNameLeadsElsewhere(t *testing.T) {
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", `a\b`, "a { }", "x } y {", "include /etc/shadow", "C:x", "con"} {
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)
		p, err := Read([]byte(`{"name": "` + escaped + `", "type": "ikev2-cert", "remote": {"addr": "h"}, "local": {"p12": "AAAA"}}`))
		if err != nil {
			t.Fatal(err)
		}
		checkFiles(t, p)
		if catalog, err := lay(t, p); err != nil || len(catalog.Connections) != 1 {
			t.Errorf("the name %q makes a directory that is read with %v", name, err)
		}
	}
}

// TestNamesStayWhatTheyAre has users and identities that swanctl.conf would take for something else: each is read back from the
// directory as the same name, and the password is found for it.
func TestNamesStayWhatTheyAre(t *testing.T) {
	for _, name := range []string{"alice", "alice@example.org", `CORP\alice`, "alice smith", "smith, alice", "a;b=c", "a;", `"alice"`, "a } b {", "# alice", "%any", "%null",
		"192.0.2.1", "bjørn", "keyid", "a\\nb"} {
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Read([]byte(`{"type": "ikev2-eap", "remote": {"addr": "h"}, "local": {"eap_id": ` + string(quoted) + `, "shared_secret": "pw"}}`))
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := lay(t, p)
		if err != nil {
			t.Errorf("the user %q makes a directory that is read with %v", name, err)
			continue
		}
		want := auth.FromUser(name)
		if got := catalog.Connections[0].Local[0].EAP; got.ID != want || len(catalog.Secrets) != 1 || len(catalog.Secrets[0].Owners) != 1 || catalog.Secrets[0].Owners[0] != want {
			t.Errorf("the user %q becomes %q, and the password is that of %v", name, got.ID, catalog.Secrets[0].Owners)
		}
	}
	for _, c := range []struct{ local, want string }{
		{`"eap_id": "*@example.org"`, `"eap_id" is not taken over: "*@example.org" is a pattern`}, {`"id": "*.example.org"`, `"id" is not taken over: "*.example.org" is a pattern`},
	} {
		p, err := Read([]byte(`{"type": "ikev2-eap", "remote": {"addr": "h"}, "local": {` + c.local + `}}`))
		if err != nil || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, c.want) }) {
			t.Errorf("%s is read with %v and the warnings %q", c.local, err, p.Warnings)
		}
		if _, err := lay(t, p); err != nil {
			t.Errorf("%s makes a directory that is read with %v", c.local, err)
		}
	}
}

// TestPasswordsAreTakenAsTheyAre has passwords with what names may not have. None of them is in a message.
func TestPasswordsAreTakenAsTheyAre(t *testing.T) {
	for _, password := range []string{" pw ", "p\nw", "p\u00a0w", "\u202ewp", "0xpw", "0spw", `p"w\`, "p # w", "p;w=x"} {
		quoted, err := json.Marshal(password)
		if err != nil {
			t.Fatal(err)
		}
		apple := strings.NewReplacer(`"`, "&quot;", "\n", "&#10;").Replace(password)
		for _, file := range []string{
			`{"type": "ikev2-eap", "remote": {"addr": "h"}, "local": {"eap_id": "alice", "shared_secret": ` + string(quoted) + `}}`,
			configuration(vpn("a", key("ExtendedAuthEnabled", "<true/>")+key("AuthName", str("alice"))+key("AuthPassword", str(apple)))),
			configuration(vpn("a", key("AuthenticationMethod", str("SharedSecret"))+key("SharedSecret", str(apple)))),
		} {
			p, err := Read([]byte(file))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Warnings) > 0 {
				t.Errorf("the password %q makes the warnings %q", password, p.Warnings)
			}
			catalog, err := lay(t, p)
			if err != nil || len(catalog.Secrets) != 1 || string(catalog.Secrets[0].Key) != password {
				t.Errorf("the password %q is read back with %v from %.200s", password, err, file)
			}
		}
	}
	long := strings.Repeat("MARKER", maxSecret)
	p, err := Read([]byte(`{"type": "ikev2-eap", "remote": {"addr": "h"}, "local": {"shared_secret": "` + long + `"}}`))
	if err != nil || p.Clients[0].Secret != nil || len(p.Warnings) != 1 || strings.Contains(p.Warnings[0], "MARKER") {
		t.Errorf("a password of %d octets is read with %v and %.200q", len(long), err, p.Warnings)
	}
}

// TestProfilesAreBounded: what is made of a profile does not grow with the square of what is in it.
func TestProfilesAreBounded(t *testing.T) {
	if _, err := Read([]byte(configuration(strings.Repeat(vpn("a", ""), maxConnections)))); err != nil {
		t.Errorf("%d connections are refused: %v", maxConnections, err)
	}
	if _, err := Read([]byte(configuration(strings.Repeat(vpn("a", ""), maxConnections+1)))); err == nil || !strings.Contains(err.Error(), "101 connections in the profile") {
		t.Errorf("a profile with more than %d connections is read with %v", maxConnections, err)
	}
	ca := every(t)["eap"].CAs[0].X509.Raw
	root := `<dict><key>PayloadType</key><string>com.apple.security.root</string><key>PayloadContent</key><data>` + base64.StdEncoding.EncodeToString(ca) + `</data></dict>`
	if _, err := Read([]byte(configuration(vpn("a", "") + strings.Repeat(root, maxCertificates+1)))); err == nil || !strings.Contains(err.Error(), "more than 200 certificates") {
		t.Errorf("a profile with more than %d certificates is read with %v", maxCertificates, err)
	}
}

// safePath is what every file of a directory is called.
var safePath = regexp.MustCompile(`^(swanctl\.conf|(x509|x509ca)/[A-Za-z0-9_-]+\.pem|pkcs12/[A-Za-z0-9_-]+\.p12)$`)

// checkFiles holds a directory to what any profile has to make: safe paths, no two alike, secrets for the owner alone, and a
// swanctl.conf of the sections that are meant.
func checkFiles(t *testing.T, p *Profile) {
	t.Helper()
	files, _ := p.Directory()
	seen := map[string]bool{}
	for _, f := range files {
		if !safePath.MatchString(f.Path) || !fs.ValidPath(f.Path) || seen[f.Path] {
			t.Fatalf("a file is called %q", f.Path)
		}
		seen[f.Path] = true
		if private := !strings.HasSuffix(f.Path, ".pem"); private != (f.Mode == ModePrivate) {
			t.Fatalf("%s has the mode %v", f.Path, f.Mode)
		}
	}
	doc, err := settings.Parse("swanctl.conf", files[0].Data, nil)
	if err != nil || len(doc.Warnings) > 0 || len(doc.Root.Values()) > 0 {
		t.Fatalf("swanctl.conf is not read: %v %v\n%s", err, doc, files[0].Data)
	}
	for _, s := range doc.Root.Sections() {
		if s.Name != "connections" && s.Name != "secrets" {
			t.Fatalf("swanctl.conf has a section %q\n%s", s.Name, files[0].Data)
		}
	}
	if got := len(doc.Root.Section("connections").Sections()); got != len(p.Clients) {
		t.Fatalf("swanctl.conf has %d connections, and the profile %d\n%s", got, len(p.Clients), files[0].Data)
	}
	needsNothing := !slices.ContainsFunc(p.Clients, func(c *Client) bool {
		return c.Method != PSK && c.Method != EAP || c.Secret == nil || len(c.CAs) > 0 || c.Gateway != nil
	})
	if needsNothing {
		if _, _, err := (config.Loader{}).Parse("swanctl.conf", files[0].Data); err != nil {
			t.Fatalf("the configuration is refused: %v\n%s", err, files[0].Data)
		}
	}
}

func FuzzReadMobileconfig(f *testing.F) {
	f.Add([]byte(configuration(vpn("a", key("SharedSecret", str("x"))))))
	f.Add([]byte(configuration(vpn("a", key("ExtendedAuthEnabled", "<true/>")+key("AuthPassword", str("\\\"\n"))))))
	f.Add([]byte(configuration(vpn("a", key("IKESecurityAssociationParameters", "<dict>"+key("DiffieHellmanGroup", "<integer>0x13</integer>")+"</dict>")))))
	for _, c := range every(f) {
		if file, _, err := Mobileconfig(c); err == nil {
			f.Add(file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if p, err := ReadMobileconfig(file); err == nil {
			checkFiles(t, p)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"name": "a", "type": "ikev2-cert-eap", "remote": {"addr": "h", "port": 1, "id": "C=x", "revocation": {"strict": true}}, "local": {"id": "@#00", "p12": "AAAA"}}`))
	f.Add([]byte(`{"type": "ikev2-eap", "remote": {"addr": "::1"}, "local": {"eap_id": "a\"", "shared_secret": "0x"}, "esp-proposal": "aes128-sha256", "split-tunneling": {"subnets": ["10.0.0.1-10.0.0.9", "::/0"]}}`))
	for _, text := range []string{"alice, bob", "^a b$", "a;", "*@x", "%any", "keyid:#00", "fqdn:^.*$", "@#1b", "@@", "@"} {
		f.Add([]byte(`{"type": "ikev2-eap", "remote": {"addr": "h", "id": "` + text + `"}, "local": {"id": "` + text + `", "eap_id": "` + text + `", "shared_secret": "x"}}`))
	}
	f.Add([]byte("\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x0d\x30\x0b\x02\x01\x01\x31\x00\x30\x04\x06\x00\xa0\x00"))
	for _, c := range every(f) {
		if file, _, err := SSwan(c); err == nil {
			f.Add(file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if p, err := Read(file); err == nil {
			checkFiles(t, p)
		}
	})
}

func TestIdentitiesReadBack(t *testing.T) {
	for _, text := range []string{"vpn.example.org", "alice@example.org", "192.0.2.1", "2001:db8::1", "C=CH, O=Example, CN=x", "keyid:office", "fqdn:192.0.2.1", "email:x", "fqdn:a b\tc"} {
		id, err := auth.ParseIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := auth.ParseIdentity(settingID(id)); err != nil || back != id {
			t.Errorf("%q is written as %q, which is %q, %v", text, settingID(id), back, err)
		}
	}
}
