package profile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/goswan/goswan/ike/auth"
)

// windows is what Set-VpnConnectionIPsecConfiguration takes (Microsoft's reference of the module VpnClient), without what is
// old: DES, 3DES, MD5, SHA-1 and the groups 1, 2 and 24. With a combined-mode cipher, IntegrityCheckMethod is the PRF.
var windows = &platform{
	name: "Windows",
	encr: []word{encr("GCMAES256", aesGCM16, 256), encr("AES256", aesCBC, 256), encr("AES192", aesCBC, 192), encr("GCMAES128", aesGCM16, 128),
		encr("AES128", aesCBC, 128)},
	espEncr: []word{encr("GCMAES256", aesGCM16, 256), encr("AES256", aesCBC, 256), encr("GCMAES192", aesGCM16, 192), encr("AES192", aesCBC, 192),
		encr("GCMAES128", aesGCM16, 128), encr("AES128", aesCBC, 128)},
	hashes:    []hash{{"SHA256", 12, 5}, {"SHA384", 13, 6}},
	espHashes: []hash{{"SHA256128", 12, 5}},
	groups:    []word{group("ECP256", 19), group("ECP384", 20), group("Group14", 14)},
	espGroups: []word{group("ECP256", 19), group("ECP384", 20), group("PFS2048", 14)},
	addIKE:    "aes256gcm16-prfsha384-ecp384",
	addESP:    "aes256gcm16-ecp384",
}

// script is a PowerShell script being written.
type script struct{ strings.Builder }

// line writes a line. Its arguments are texts, and each becomes a string literal: nothing in them is code.
func (s *script) line(format string, texts ...string) {
	literals := make([]any, len(texts))
	for i, t := range texts {
		literals[i] = quotePowerShell(t)
	}
	fmt.Fprintf(s, format+"\r\n", literals...)
}

// quotePowerShell is a text as a verbatim string: nothing in it is expanded, and each quote is doubled. PowerShell takes four
// typographic quotes for the plain one.
func quotePowerShell(text string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range text {
		if strings.ContainsRune("'\u2018\u2019\u201a\u201b", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}

// encoded is octets in Base64, in lines.
func encoded(octets []byte) string {
	text := base64.StdEncoding.EncodeToString(octets)
	var lines []string
	for len(text) > 0 {
		n := min(len(text), 76)
		lines = append(lines, text[:n])
		text = text[n:]
	}
	return strings.Join(lines, "\r\n")
}

// byteOrderMark is what tells PowerShell 5 that a script is UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// PowerShell writes a script that makes the connection on Windows 10 and later. It is run by an administrator, for the CA goes
// to the CAs that the machine trusts.
func PowerShell(c *Client) (file []byte, notes []string, err error) {
	if err := c.checkWindows(); err != nil {
		return nil, nil, err
	}
	ike, esp, err := windows.chooseBoth(c)
	if err != nil {
		return nil, nil, err
	}
	var s script
	s.WriteString(byteOrderMark)
	s.line("#Requires -Version 5.1")
	s.line("#Requires -RunAsAdministrator")
	s.line("# Made by goswan export. Run it with: powershell -ExecutionPolicy Bypass -File NAME-OF-THIS-FILE")
	s.line("$ErrorActionPreference = 'Stop'")
	s.line("$name = %s", c.Name)
	s.certificates(c)
	s.connection(c)
	s.line("Set-VpnConnectionIPsecConfiguration -ConnectionName $name -EncryptionMethod %s -IntegrityCheckMethod %s -DHGroup %s"+
		" -CipherTransformConstants %s -AuthenticationTransformConstants %s -PfsGroup %s -Force",
		ike.encr.text, ike.hash.text, ike.group.text, esp.encr.text, esp.windowsIntegrity(), esp.windowsPFS())
	for _, n := range c.Networks {
		s.line("Add-VpnConnectionRoute -ConnectionName $name -DestinationPrefix %s", n.String())
	}
	notes = append(notes, "the connection is for the account that runs the script: let the user run it, as an administrator")
	if c.Method == EAP {
		notes = append(notes, "Windows asks for the user's name and password when it connects, and authenticates by EAP-MSCHAPv2")
	}
	return []byte(s.String()), notes, nil
}

// checkWindows refuses what Windows cannot do. It looks for the name that it connects to in the gateway's certificate.
func (c *Client) checkWindows() error {
	if c.Method == PSK {
		return errors.New("the IKEv2 of Windows has no pre-shared keys: it wants the gateway's certificate, and of the client a password (auth = eap-mschapv2) or a certificate (auth = pubkey)")
	}
	if c.Method == CertificateEAP {
		return fmt.Errorf("the IKEv2 of Windows does not authenticate by %s", c.Method)
	}
	if c.port() != 500 {
		return fmt.Errorf("the IKEv2 of Windows connects to the ports 500 and 4500 only, and the gateway listens on %d", c.port())
	}
	if strings.ContainsAny(c.Name, `\/:*?"<>|[]`) {
		return fmt.Errorf(`--name %q: the name of a connection of Windows has none of \ / : * ? " < > | [ ]`, c.Name)
	}
	name, err := auth.ParseIdentity(c.Server)
	if err != nil {
		return err
	}
	if _, err := certificateType(c.Gateway); err != nil {
		return fmt.Errorf("the IKEv2 of Windows takes certificates with RSA keys and ECDSA keys, and the key of %q is another", c.Gateway.Name())
	}
	if err := c.demand("Windows", name); err != nil {
		return fmt.Errorf("%w, or --server names it as the certificate does", err)
	}
	return nil
}

// certificates has the CA trusted, and the client's key installed.
func (s *script) certificates(c *Client) {
	s.line("function Use-Octets([string]$Text, [string]$Extension, [scriptblock]$Do) {")
	s.line("    $file = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString() + $Extension)")
	s.line("    try {")
	s.line("        [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($Text))")
	s.line("        & $Do $file | Out-Null")
	s.line("    } finally {")
	s.line("        Remove-Item -LiteralPath $file -Force -ErrorAction SilentlyContinue")
	s.line("    }")
	s.line("}")
	for _, ca := range c.CAs {
		s.line("Use-Octets %s '.cer' { param($file) Import-Certificate -FilePath $file -CertStoreLocation 'Cert:\\LocalMachine\\Root' }", encoded(ca.X509.Raw))
	}
	if c.Identity == nil {
		return
	}
	// IKE's own certificate is the machine's, that of EAP-TLS the user's.
	store := `Cert:\LocalMachine\My`
	if c.Method == EAPTLS {
		store = `Cert:\CurrentUser\My`
	}
	s.line("$passphrase = Read-Host -AsSecureString -Prompt 'Passphrase of the key in this script'")
	s.line("Use-Octets %s '.pfx' { param($file) Import-PfxCertificate -FilePath $file -CertStoreLocation %s -Password $passphrase }", encoded(c.Identity.P12), store)
}

// connection makes the connection anew.
func (s *script) connection(c *Client) {
	s.line("if (Get-VpnConnection -Name $name -ErrorAction SilentlyContinue) {")
	s.line("    Remove-VpnConnection -Name $name -Force")
	s.line("}")
	method := "Eap"
	if c.Method == Certificate {
		method = "MachineCertificate"
	}
	add := "Add-VpnConnection -Name $name -ServerAddress %s -TunnelType IKEv2 -AuthenticationMethod " + method + " -EncryptionLevel Required"
	if c.Method == EAPTLS {
		s.line("$eap = New-EapConfiguration -Tls -VerifyServerIdentity -UserCertificate")
		add += " -EapConfigXmlStream $eap.EapConfigXmlStream"
	}
	if c.Method == EAP {
		add += " -RememberCredential"
	}
	if len(c.Networks) > 0 {
		add += " -SplitTunneling"
	}
	s.line(add, c.Server)
}

// windowsIntegrity is AuthenticationTransformConstants: of a combined-mode cipher its own name.
func (c choice) windowsIntegrity() string {
	if c.combined() {
		return c.encr.text
	}
	return c.hash.text
}

func (c choice) windowsPFS() string {
	if c.group.ID == 0 {
		return "None"
	}
	return c.group.text
}
