package profile

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
)

// File is a file of a swanctl directory. Its path has letters, digits, hyphens and underscores, a directory of swanctl's at most
// before it and a fixed extension behind it.
type File struct {
	Path string
	Data []byte
	Mode fs.FileMode
}

// The modes of files.
const (
	ModePublic  = 0o644
	ModePrivate = 0o600
)

// Directory makes the files of a swanctl directory. The notes say what is left to be done.
func (p *Profile) Directory() (files []File, notes []string) {
	w := &writer{names: map[string]bool{}}
	var secrets writer
	w.open("connections")
	for i, c := range p.Clients {
		name := w.unique("", suggestName(c.Name, fmt.Sprintf("vpn%d", i+1)), "")
		w.connection(name, c)
		w.secrets(&secrets, name, c)
	}
	w.shut()
	for _, cert := range p.Intermediates {
		w.certificate("x509", cert)
	}
	if secrets.Len() > 0 {
		w.open("secrets")
		w.WriteString(secrets.String())
		w.shut()
	}
	conf := File{"swanctl.conf", []byte(w.String()), ModePrivate}
	return append([]File{conf}, w.files...), w.notes
}

// writer writes swanctl.conf and collects the files beside it.
type writer struct {
	strings.Builder
	depth int
	names map[string]bool
	files []File
	notes []string
}

func (w *writer) note(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

func (w *writer) line(text string) {
	fmt.Fprintf(w, "%s%s\n", strings.Repeat("  ", w.depth), text)
}

func (w *writer) open(section string) {
	w.line(section + " {")
	w.depth++
}

func (w *writer) shut() {
	w.depth--
	w.line("}")
}

// set writes a setting, quoted; nothing in the value ends it.
func (w *writer) set(key, value string) {
	w.line(key + " = " + quoteSetting(value))
}

// quoteSetting is a value in double quotes, as the grammar of strongSwan's settings has it.
func quoteSetting(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(value) + `"`
}

// unique makes a path that is not taken yet.
func (w *writer) unique(dir, name, ext string) string {
	for i := 1; ; i++ {
		full := path.Join(dir, name+ext)
		if i > 1 {
			full = path.Join(dir, fmt.Sprintf("%s-%d%s", name, i, ext))
		}
		if !w.names[full] {
			w.names[full] = true
			return full
		}
	}
}

// certificate adds a certificate, once, and gives the name of its file.
func (w *writer) certificate(dir string, c *auth.Certificate) string {
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509.Raw})
	for _, f := range w.files {
		if path.Dir(f.Path) == dir && bytes.Equal(f.Data, data) {
			return path.Base(f.Path)
		}
	}
	file := w.unique(dir, suggestName(c.Presents().CN, "certificate"), ".pem")
	w.files = append(w.files, File{file, data, ModePublic})
	return path.Base(file)
}

// connection writes a section of connections.
func (w *writer) connection(name string, c *Client) {
	if c.Name != "" && c.Name != name {
		w.line(fmt.Sprintf("# The profile calls it %q.", c.Name))
	}
	w.open(name)
	w.line("version = 2")
	w.set("remote_addrs", c.Server)
	if c.port() != 500 {
		w.line(fmt.Sprintf("remote_port = %d", c.port()))
	}
	w.proposals(c.IKE)
	w.set("vips", "0.0.0.0, ::")
	if !c.Mobike {
		w.line("mobike = no")
	}
	if c.NoCertReq {
		w.line("send_certreq = no")
	}
	w.span("dpd_delay", c.DPD)
	w.span("rekey_time", c.Rekey)
	w.local(c)
	w.remote(c)
	w.open("children")
	w.open("net")
	w.set("remote_ts", networks(c))
	w.proposals(c.ESP)
	w.span("rekey_time", c.ChildRekey)
	if c.OnDemand {
		w.line("start_action = trap")
	}
	w.shut()
	w.shut()
	w.shut()
}

func networks(c *Client) string {
	if len(c.Networks) == 0 {
		return "0.0.0.0/0, ::/0"
	}
	var all []string
	for _, n := range c.Networks {
		all = append(all, n.String())
	}
	return strings.Join(all, ", ")
}

// proposals writes proposals; none are the default, which need not be written.
func (w *writer) proposals(list []suite.Proposal) {
	if len(list) == 0 {
		return
	}
	key := list[0].Protocol.Setting()
	var all []string
	for _, p := range list {
		all = append(all, p.Keywords())
	}
	w.set(key, strings.Join(all, ", "))
}

// span writes a time; 0 leaves it to the default.
func (w *writer) span(key string, d time.Duration) {
	switch {
	case d == 0:
	case d%time.Hour == 0:
		w.line(fmt.Sprintf("%s = %dh", key, d/time.Hour))
	case d%time.Minute == 0:
		w.line(fmt.Sprintf("%s = %dm", key, d/time.Minute))
	default:
		w.line(fmt.Sprintf("%s = %ds", key, d/time.Second))
	}
}

// local writes who the client is.
func (w *writer) local(c *Client) {
	signs := "pubkey"
	if c.RSAPSS {
		signs = "rsa/pss-ecdsa-ed25519"
	}
	methods := map[Method][]string{PSK: {"psk"}, Certificate: {signs}, EAP: {"eap"}, EAPTLS: {"eap-tls"}, CertificateEAP: {signs, "eap"}}[c.Method]
	for i, method := range methods {
		section := "local"
		if len(methods) > 1 {
			section = fmt.Sprintf("local-%d", i+1)
		}
		w.open(section)
		w.line("auth = " + method)
		if !c.LocalID.IsAny() {
			w.set("id", settingID(c.LocalID))
		}
		if method == "eap" && c.User != "" {
			w.set("eap_id", settingID(auth.FromUser(c.User)))
		}
		w.shut()
	}
}

// settingID is an identity as swanctl.conf reads it back, which takes a name with blanks or commas for several, a semicolon for a
// second setting, and ^ behind a type for a regular expression: as text where that will do, else with its type, else in hexadecimal.
func settingID(id auth.Identity) string {
	kinds := map[auth.IDType]string{auth.IDFQDN: "fqdn", auth.IDRFC822Addr: "email", auth.IDDERASN1DN: "asn1dn", auth.IDDERASN1GN: "asn1gn",
		auth.IDKeyID: "keyid", auth.IDIPv4Addr: "ipv4", auth.IDIPv6Addr: "ipv6"}
	text, kind := id.String(), kinds[id.Type]+":"
	reads := func(text string) bool {
		back, err := auth.ParseIdentity(text)
		return err == nil && back == id && !strings.Contains(text, ";")
	}
	switch {
	case reads(text) && (id.Type != auth.IDFQDN || !strings.ContainsAny(text, ", \t")):
		return text
	case id.Type != auth.IDDERASN1DN && plain("", id.Data) == nil && !strings.HasPrefix(id.Data, "^") && reads(kind+id.Data):
		return kind + id.Data
	}
	return kind + "#" + hex.EncodeToString([]byte(id.Data))
}

// serverID is who the gateway has to be; what the profile leaves open is the name that is connected to.
func (c *Client) serverID() auth.Identity {
	if !c.ServerID.IsAny() {
		return c.ServerID
	}
	id, _ := auth.ParseIdentity(c.Server)
	return id
}

// remote writes who the gateway has to be.
func (w *writer) remote(c *Client) {
	w.open("remote")
	id := settingID(c.serverID())
	if c.Method == PSK {
		w.line("auth = psk")
		w.set("id", id)
		w.shut()
		return
	}
	w.line("auth = pubkey")
	w.set("id", id)
	var cas, own []string
	for _, ca := range c.CAs {
		if ca.IsCA() {
			cas = append(cas, w.certificate("x509ca", ca))
		} else {
			own = append(own, w.certificate("x509", ca)) // it signed itself
		}
	}
	if c.Gateway != nil {
		own = append(own, w.certificate("x509", c.Gateway))
	}
	switch {
	case len(cas) > 0:
		w.set("cacerts", strings.Join(cas, ", "))
	case len(own) > 0:
		w.set("certs", strings.Join(own, ", "))
	default:
		w.note("the profile names no CA, and goswan does not take those of the system: put the one that the certificate of %s comes from into x509ca", c.Server)
	}
	if c.Revocation != auth.RevocationRelaxed {
		w.line("revocation = " + c.Revocation.String())
	}
	w.shut()
}

// secrets writes the sections of secrets for a connection; what is not known stands there as a comment.
func (w *writer) secrets(s *writer, name string, c *Client) {
	s.depth = 1
	switch {
	case c.Method == PSK:
		w.ownerSecret(s, "ike-"+name, settingID(c.serverID()), c.Secret, "the pre-shared key of "+c.Server)
	case c.Method.usesPassword():
		user := c.User
		if user == "" {
			user = "the user"
		}
		id := ""
		if c.User != "" {
			id = settingID(auth.FromUser(c.User))
		}
		w.ownerSecret(s, "eap-"+name, id, c.Secret, "the password of "+user)
	}
	if c.Identity == nil {
		if c.Method.usesCertificate() {
			w.note("the profile has no key for the client: put its certificate into x509 and its key into private")
		}
		return
	}
	data := c.Identity.P12
	i := slices.IndexFunc(w.files, func(f File) bool { return path.Dir(f.Path) == "pkcs12" && bytes.Equal(f.Data, data) })
	if i >= 0 {
		return // another connection of the profile has it too
	}
	file := w.unique("pkcs12", name, ".p12")
	w.files = append(w.files, File{file, data, ModePrivate})
	w.passphrase(s, "pkcs12-"+name, path.Base(file), c.Identity.Passphrase)
}

// ownerSecret writes a section with the secret of somebody.
func (w *writer) ownerSecret(s *writer, section, id string, key secret.Bytes, what string) {
	s.secret(section, "id", id, key)
	if key == nil {
		w.note("%s is not in the profile: write it into section %s of secrets in swanctl.conf, and remove the # before it", what, section)
	}
}

// passphrase writes a section for a PKCS#12 file.
func (w *writer) passphrase(s *writer, section, file string, key secret.Bytes) {
	s.secret(section, "file", file, key)
	if key == nil {
		w.note("the passphrase of pkcs12/%s is not in the profile: write it into section %s of secrets in swanctl.conf, and remove the # before it", file, section)
	}
}

// secret writes a section with a secret and what it is of, if that is known; without the secret it is commented out.
func (w *writer) secret(section, setting, of string, key secret.Bytes) {
	prefix := ""
	if key == nil {
		prefix = "# "
	}
	w.line(prefix + section + " {")
	if of != "" {
		w.line(prefix + "  " + setting + " = " + quoteSetting(of))
	}
	w.line(prefix + "  secret = " + quoteSetting(secretText(key)))
	w.line(prefix + "}")
}

// secretText is a secret as swanctl.conf reads it: text, or hexadecimal where text would be taken for something else.
func secretText(key secret.Bytes) string {
	if key == nil {
		return "write it here"
	}
	text := string(key)
	if len(text) > 1 && text[0] == '0' && strings.ContainsRune("xXsS", rune(text[1])) || plain("", text) != nil {
		return "0x" + hex.EncodeToString(key)
	}
	return text
}
