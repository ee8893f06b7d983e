package profile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"howett.net/plist"

	"github.com/goswan/goswan/ike/auth"
)

// documented is what a platform's reference says of a key: its type, its values, and whether it has to be there.
type documented struct {
	kind     string // text, number, flag (a number that is 0 or 1), bool, data, dictionary, list
	required bool
	values   []string // none is any
	least    int      // of a number with limits
	most     int
}

func text(values ...string) documented { return documented{kind: "text", values: values} }

func must(d documented) documented {
	d.required = true
	return d
}

// appleTop, applePayload, appleVPN, appleIKEv2 and appleAssociation are Apple's Device Management: TopLevel, CommonPayloadKeys and
// com.apple.vpn.managed (VPN, VPN.IKEv2 and VPN.IKEv2.IKESecurityAssociationParameters), in the values of iOS 26 and macOS 26.
var (
	applePayload = map[string]documented{
		"PayloadIdentifier": must(text()), "PayloadUUID": must(text()), "PayloadType": must(text("Configuration", "com.apple.vpn.managed", "com.apple.security.root", "com.apple.security.pkcs12")),
		"PayloadVersion": must(documented{kind: "number", least: 1, most: 1}), "PayloadDisplayName": text(),
	}
	appleTop = with(applePayload, "PayloadContent", must(documented{kind: "list"}))
	appleVPN = with(with(with(applePayload, "VPNType", must(text("IKEv2"))), "UserDefinedName", must(text())),
		"IKEv2", must(documented{kind: "dictionary"}))
	appleCertificates = with(applePayload, "PayloadContent", must(documented{kind: "data"}))
	appleIKEv2Keys    = map[string]documented{
		"RemoteAddress": must(text()), "LocalIdentifier": must(text()), "RemoteIdentifier": must(text()),
		"AuthenticationMethod": must(text("None", "SharedSecret", "Certificate")),
		"CertificateType":      text("RSA", "ECDSA256", "ECDSA384", "ECDSA521", "RSA-PSS"), "PayloadCertificateUUID": text(),
		"SharedSecret": text(), "ExtendedAuthEnabled": {kind: "flag"}, "AuthName": text(), "AuthPassword": text(),
		"DeadPeerDetectionRate":             text("None", "Low", "Medium", "High"),
		"ServerCertificateIssuerCommonName": text(), "ServerCertificateCommonName": text(),
		"UseConfigurationAttributeInternalIPSubnet": {kind: "flag"}, "DisableMOBIKE": {kind: "flag"}, "DisableRedirect": {kind: "flag"}, "EnablePFS": {kind: "flag"},
		"IKESecurityAssociationParameters": {kind: "dictionary"}, "ChildSecurityAssociationParameters": {kind: "dictionary"},
	}
	appleAssociation = map[string]documented{
		"EncryptionAlgorithm": text("AES-128", "AES-256", "AES-128-GCM", "AES-256-GCM", "ChaCha20Poly1305"),
		"IntegrityAlgorithm":  text("SHA2-256", "SHA2-384", "SHA2-512"),
		"DiffieHellmanGroup":  {kind: "number", values: []string{"14", "15", "16", "17", "18", "19", "20", "21", "31", "32"}},
		"LifeTimeInMinutes":   {kind: "number", least: 10, most: 1440},
	}
)

// sswanKeys are strongSwan's documentation, "VPN Profile Import for the Android VPN Client", and what the app reads
// (VpnProfileImportActivity), as far as it is written.
var sswanKeys = map[string]map[string]documented{
	"": {"uuid": must(text()), "name": must(text()), "type": must(text("ikev2-eap", "ikev2-cert", "ikev2-cert-eap", "ikev2-eap-tls", "ikev2-byod-eap")),
		"remote": must(documented{kind: "dictionary"}), "local": {kind: "dictionary"}, "ike-proposal": text(), "esp-proposal": text(), "split-tunneling": {kind: "dictionary"}},
	"remote":          {"addr": must(text()), "port": {kind: "number", least: 1, most: 65535}, "id": text(), "cert": {kind: "base64"}},
	"local":           {"id": text(), "eap_id": text(), "p12": {kind: "base64"}},
	"split-tunneling": {"subnets": {kind: "list"}},
}

func with(m map[string]documented, key string, d documented) map[string]documented {
	out := maps.Clone(m)
	out[key] = d
	return out
}

// hold compares a dictionary with what is documented.
func hold(t *testing.T, where string, d map[string]any, keys map[string]documented) {
	t.Helper()
	for key, value := range d {
		rule, known := keys[key]
		if !known {
			t.Errorf("%s.%s is not documented", where, key)
		} else if problem := rule.judge(value); problem != "" {
			t.Errorf("%s.%s is %v, and %s", where, key, value, problem)
		}
	}
	for key, rule := range keys {
		if _, there := d[key]; rule.required && !there {
			t.Errorf("%s.%s is required and not there", where, key)
		}
	}
}

func (d documented) judge(value any) string {
	printed := fmt.Sprint(value)
	if len(d.values) > 0 && !slices.Contains(d.values, printed) {
		return fmt.Sprintf("has to be one of %v", d.values)
	}
	number, isNumber := 0, false
	switch n := value.(type) {
	case uint64:
		number, isNumber = int(n), true
	case float64:
		number, isNumber = int(n), true
	}
	ok := false
	switch d.kind {
	case "text":
		_, ok = value.(string)
	case "base64":
		s, is := value.(string)
		octets, err := base64.StdEncoding.DecodeString(s)
		ok = is && err == nil && len(octets) > 0
	case "number":
		ok = isNumber && (d.most == 0 || number >= d.least && number <= d.most)
	case "flag":
		ok = isNumber && (number == 0 || number == 1)
	case "data":
		_, ok = value.([]byte)
	case "dictionary":
		_, ok = value.(map[string]any)
	case "list":
		_, ok = value.([]any)
	}
	if !ok {
		return "has to be a " + d.kind
	}
	return ""
}

func TestMobileconfigsHaveWhatAppleDocuments(t *testing.T) {
	for name, c := range every(t) {
		if c.Method == CertificateEAP {
			continue
		}
		t.Run(name, func(t *testing.T) {
			file, _, err := Mobileconfig(c)
			if err != nil {
				t.Fatal(err)
			}
			var top map[string]any
			if format, err := plist.Unmarshal(file, &top); err != nil || format != plist.XMLFormat {
				t.Fatalf("it is no property list in XML: %v", err)
			}
			hold(t, "top", top, appleTop)
			uuids := map[string]string{}
			var ikev2 map[string]any
			for _, item := range top["PayloadContent"].([]any) {
				p := item.(map[string]any)
				kind := p["PayloadType"].(string)
				if other := uuids[p["PayloadUUID"].(string)]; other != "" {
					t.Errorf("%s and %s have the same UUID", kind, other)
				}
				uuids[p["PayloadUUID"].(string)] = kind
				if kind == "com.apple.vpn.managed" {
					hold(t, kind, p, appleVPN)
					ikev2 = p["IKEv2"].(map[string]any)
				} else {
					hold(t, kind, p, appleCertificates)
				}
			}
			hold(t, "IKEv2", ikev2, appleIKEv2Keys)
			for _, sa := range []string{"IKESecurityAssociationParameters", "ChildSecurityAssociationParameters"} {
				hold(t, sa, ikev2[sa].(map[string]any), appleAssociation)
			}
			appleSense(t, c, ikev2, uuids)
		})
	}
}

// appleSense holds the keys to what Apple says of them together.
func appleSense(t *testing.T, c *Client, ikev2 map[string]any, uuids map[string]string) {
	t.Helper()
	want := map[Method]string{PSK: "SharedSecret", Certificate: "Certificate", EAP: "None", EAPTLS: "None"}[c.Method]
	if ikev2["AuthenticationMethod"] != want || (ikev2["ExtendedAuthEnabled"] == uint64(1)) != (want == "None") {
		t.Errorf("the client authenticates by %s, and the profile says %v and ExtendedAuthEnabled %v", c.Method, ikev2["AuthenticationMethod"], ikev2["ExtendedAuthEnabled"])
	}
	if (ikev2["SharedSecret"] != nil) != (c.Method == PSK) {
		t.Error("there is a pre-shared key where there is none to be, or none where there should be one")
	}
	if _, there := ikev2["CertificateType"]; there && ikev2["ServerCertificateIssuerCommonName"] == nil {
		t.Error("CertificateType requires ServerCertificateIssuerCommonName")
	}
	if id, there := ikev2["PayloadCertificateUUID"]; there != (c.Identity != nil) || there && uuids[id.(string)] != "com.apple.security.pkcs12" {
		t.Errorf("PayloadCertificateUUID %v does not name the client's key", id)
	}
	child := ikev2["ChildSecurityAssociationParameters"].(map[string]any)
	if _, group := child["DiffieHellmanGroup"]; group != (ikev2["EnablePFS"] == uint64(1)) {
		t.Error("a group for Child SAs takes effect with EnablePFS only, and EnablePFS wants one")
	}
}

func TestProfilesForAndroidHaveWhatTheAppReads(t *testing.T) {
	types := map[Method]string{Certificate: "ikev2-cert", EAP: "ikev2-eap", EAPTLS: "ikev2-eap-tls", CertificateEAP: "ikev2-cert-eap"}
	for name, c := range every(t) {
		if c.Method == PSK {
			continue
		}
		file, _, err := SSwan(c)
		if err != nil {
			t.Fatal(err)
		}
		var top map[string]any
		if err := json.Unmarshal(file, &top); err != nil {
			t.Fatal(err)
		}
		hold(t, name, top, sswanKeys[""])
		for _, sub := range []string{"remote", "local", "split-tunneling"} {
			if d, there := top[sub].(map[string]any); there {
				hold(t, name+"."+sub, d, sswanKeys[sub])
			}
		}
		if top["type"] != types[c.Method] {
			t.Errorf("%s has the type %v, want %s", name, top["type"], types[c.Method])
		}
	}
}

// parameter is what Microsoft's reference of the module VpnClient (and of PKI and Microsoft.PowerShell.*) says of one: "" is a
// switch.
var parameters = map[string]map[string]string{
	"Add-VpnConnection": {"Name": "any", "ServerAddress": "any", "TunnelType": "^(Pptp|L2tp|Sstp|IKEv2|Automatic)$",
		"AuthenticationMethod": "^(Pap|Chap|MSChapv2|Eap|MachineCertificate)$", "EncryptionLevel": "^(NoEncryption|Optional|Required|Maximum|Custom)$",
		"SplitTunneling": "", "RememberCredential": "", "EapConfigXmlStream": "any"},
	"Set-VpnConnectionIPsecConfiguration": {"ConnectionName": "any",
		"EncryptionMethod":                 "^(AES128|AES192|AES256|GCMAES128|GCMAES256)$",
		"IntegrityCheckMethod":             "^(SHA256|SHA384)$",
		"DHGroup":                          "^(Group14|ECP256|ECP384)$",
		"CipherTransformConstants":         "^(AES128|AES192|AES256|GCMAES128|GCMAES192|GCMAES256)$",
		"AuthenticationTransformConstants": "^(SHA256128|GCMAES128|GCMAES192|GCMAES256)$",
		"PfsGroup":                         "^(None|PFS2048|ECP256|ECP384)$", "Force": ""},
	"Add-VpnConnectionRoute": {"ConnectionName": "any", "DestinationPrefix": `^[0-9a-f.:]+/[0-9]+$`},
	"Get-VpnConnection":      {"Name": "any", "ErrorAction": "^SilentlyContinue$"},
	"Remove-VpnConnection":   {"Name": "any", "Force": ""},
	"New-EapConfiguration":   {"Tls": "", "VerifyServerIdentity": "", "UserCertificate": ""},
	"Import-Certificate":     {"FilePath": "any", "CertStoreLocation": `^Cert:\\LocalMachine\\Root$`},
	"Import-PfxCertificate":  {"FilePath": "any", "CertStoreLocation": `^Cert:\\(LocalMachine|CurrentUser)\\My$`, "Password": "any"},
	"Read-Host":              {"AsSecureString": "", "Prompt": "any"},
	"Remove-Item":            {"LiteralPath": "any", "Force": "", "ErrorAction": "^SilentlyContinue$"},
	"Join-Path":              {},
	"Out-Null":               {},
	"Use-Octets":             {},
}

// token is one of PowerShell: a verbatim string, or a word of code.
type token struct {
	text   string
	isText bool
}

// isQuote tells what PowerShell takes for a single quote (about_Quoting_Rules, and the tokenizer's IsSingleQuote).
func isQuote(r rune) bool { return strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) }

// tokenize takes a script apart into statements. There are comments of lines, verbatim strings and words in what is exported, and
// nothing else may be.
func tokenize(t *testing.T, source string) (statements [][]token) {
	t.Helper()
	var now []token
	flush := func() {
		if len(now) > 0 {
			statements = append(statements, now)
		}
		now = nil
	}
	rs := []rune(source)
	for i := 0; i < len(rs); i++ {
		switch r := rs[i]; {
		case r == '\n' || r == ';' || r == '{' || r == '}' || r == '|' || r == '(' || r == ')':
			flush()
		case r == ' ' || r == '\r':
		case r == '#':
			for i+1 < len(rs) && rs[i+1] != '\n' {
				i++
			}
		case r == '"' || r == '`':
			t.Fatalf("%q in the script: that would be expanded", r)
		case isQuote(r):
			var s []rune
			for i++; ; i++ {
				if i >= len(rs) {
					t.Fatal("a string has no end")
				}
				if isQuote(rs[i]) {
					if i+1 >= len(rs) || !isQuote(rs[i+1]) {
						break
					}
					i++
				}
				s = append(s, rs[i])
			}
			now = append(now, token{string(s), true})
		default:
			start := i
			for i+1 < len(rs) && !strings.ContainsRune(" \r\n;{}|()", rs[i+1]) && !isQuote(rs[i+1]) {
				i++
			}
			now = append(now, token{string(rs[start : i+1]), false})
		}
	}
	flush()
	return statements
}

// cmdlet is a word that calls a command.
var cmdlet = regexp.MustCompile(`^[A-Z][A-Za-z]*-[A-Z][A-Za-z]*$`)

// calls are the commands of a script in order, and holds their parameters to the reference.
func calls(t *testing.T, file []byte) (all []string, texts map[string]string) {
	t.Helper()
	texts = map[string]string{}
	for _, s := range tokenize(t, strings.TrimPrefix(string(file), byteOrderMark)) {
		for i, tok := range s {
			if !tok.isText && cmdlet.MatchString(tok.text) && s[0].text != "function" {
				all = append(all, tok.text)
				judgeCall(t, tok.text, s[i+1:], texts)
			}
		}
	}
	return all, texts
}

func judgeCall(t *testing.T, name string, args []token, texts map[string]string) {
	t.Helper()
	known, ok := parameters[name]
	if !ok {
		t.Errorf("the script calls %s, which is not known", name)
	}
	for i := 0; i < len(args); i++ {
		p, isParameter := strings.CutPrefix(args[i].text, "-")
		if args[i].isText || !isParameter {
			continue
		}
		form, ok := known[p]
		switch {
		case !ok:
			t.Errorf("%s has no parameter %s", name, p)
		case form == "":
			texts[name+" "+p] = "on"
		case i+1 == len(args):
			t.Errorf("%s -%s has no value", name, p)
		default:
			i++
			texts[name+" "+p] = args[i].text
			if form != "any" && !regexp.MustCompile(form).MatchString(args[i].text) {
				t.Errorf("%s -%s is %q, and has to be %s", name, p, args[i].text, form)
			}
		}
	}
}

func TestScriptsHaveWhatMicrosoftDocuments(t *testing.T) {
	for name, c := range every(t) {
		if c.Method == PSK || c.Method == CertificateEAP {
			continue
		}
		file, notes, err := PowerShell(c)
		if err != nil {
			t.Fatal(err)
		}
		if len(notes) == 0 || !strings.Contains(notes[0], "for the account that runs the script") {
			t.Errorf("%s: the notes %q do not say whose connection it is", name, notes)
		}
		if !bytes.HasPrefix(file, []byte("\xef\xbb\xbf")) || bytes.Count(file, []byte("\n")) != bytes.Count(file, []byte("\r\n")) {
			t.Errorf("%s: PowerShell 5 wants a byte order mark and CRLF", name)
		}
		all, texts := calls(t, file)
		for _, want := range []string{"Import-Certificate", "Add-VpnConnection", "Set-VpnConnectionIPsecConfiguration", "Add-VpnConnectionRoute"} {
			if !slices.Contains(all, want) {
				t.Errorf("%s: the script does not call %s", name, want)
			}
		}
		method := map[Method]string{Certificate: "MachineCertificate", EAP: "Eap", EAPTLS: "Eap"}[c.Method]
		if got := texts["Add-VpnConnection AuthenticationMethod"]; got != method {
			t.Errorf("%s: AuthenticationMethod is %s, want %s", name, got, method)
		}
		if slices.Contains(all, "New-EapConfiguration") != (c.Method == EAPTLS) || texts["Add-VpnConnection SplitTunneling"] != "on" {
			t.Errorf("%s: EAP-TLS wants a configuration of its own, other EAP not; networks want SplitTunneling", name)
		}
		if c.Identity != nil && (texts["Import-PfxCertificate CertStoreLocation"] == `Cert:\CurrentUser\My`) != (c.Method == EAPTLS) {
			t.Errorf("%s: the certificate of EAP-TLS is the user's, that of IKE the machine's", name)
		}
	}
}

// TestNothingOfTheConfigurationIsCode has names that would be code in a careless script.
func TestNothingOfTheConfigurationIsCode(t *testing.T) {
	c := every(t)["certificate"]
	plainCalls, _ := calls(t, exported(t, c))
	for _, name := range []string{"'; Remove-Item C -Recurse; '", "’; Remove-Item C; ‘", "$(Remove-Item C)", "‚ ‛ ' ''", "`; Remove-Item C", "a # b", "%s %d"} {
		c.Name = name
		got, texts := calls(t, exported(t, c))
		if !slices.Equal(got, plainCalls) {
			t.Errorf("with the name %s the script calls %v, not %v", name, got, plainCalls)
		}
		if !strings.Contains(string(exported(t, c)), "$name = "+quotePowerShell(name)+"\r\n") {
			t.Errorf("the name %s is not in the script as one string", name)
		}
		if texts["Add-VpnConnection Name"] != "$name" {
			t.Error("the connection is made under another name")
		}
		back := tokenize(t, "x "+quotePowerShell(name))
		if len(back) != 1 || len(back[0]) != 2 || back[0][1].text != name {
			t.Errorf("%s reads back as %v", name, back)
		}
	}
}

func exported(t *testing.T, c *Client) []byte {
	t.Helper()
	file, _, err := PowerShell(c)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestHostileTextsStayTexts has texts in the profiles that would be markup in careless ones.
func TestHostileTextsStayTexts(t *testing.T) {
	c := every(t)["eap"]
	c.Name, c.User = `</string></dict>"&amp;<!ENTITY`, `"}, "x": "`
	for _, write := range []func(*Client) ([]byte, []string, error){Mobileconfig, SSwan} {
		file, _, err := write(c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Read(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Clients[0]; got.Name != c.Name || got.User != strings.TrimSpace(c.User) {
			t.Errorf("the name %q and the user %q read back as %q and %q", c.Name, c.User, got.Name, got.User)
		}
	}
	if err := plain("x", "a\u202eb"); err == nil {
		t.Error("a text may turn the direction of writing")
	}
	if id, ok := identityText(auth.Identity{Type: auth.IDKeyID, Data: "\x00"}); ok {
		t.Errorf("a key ID goes into a profile as %q", id)
	}
}
