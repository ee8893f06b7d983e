package config

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/core"
)

// shared is a secret being read.
type shared struct {
	core.Secret
	given settings.Value
}

// secretKinds are the beginnings of the names of sections in secrets, in strongSwan's order. Those without a kind are
// for private keys.
var secretKinds = []struct {
	prefix string
	kind   core.SecretKind
}{
	{"eap", core.SecretEAP}, {"xauth", core.SecretEAP}, {"ntlm", core.SecretNTLM}, {"ike", core.SecretIKE}, {"ppk", core.SecretPPK},
	{"private", ""}, {"rsa", ""}, {"ecdsa", ""}, {"pkcs8", ""}, {"pkcs12", ""}, {"token", ""},
}

var secretTable = table[shared]{
	place: "secrets.ike<suffix>",
	keys: []key[shared]{
		{"secret", readSecret},
	},
}

// passphrase is a section for a private key being read.
type passphrase struct {
	file, token settings.Value
	secret      secret.Bytes
}

// privateTable is for secrets of private keys.
var privateTable = table[passphrase]{
	place: "secrets.private<suffix>",
	keys: []key[passphrase]{
		{"file", func(p *passphrase, v settings.Value) error { p.file = v; return nil }},
		{"secret", func(p *passphrase, v settings.Value) (err error) { p.secret, err = parseSecret(v.Text); return err }},
		{"handle", func(p *passphrase, v settings.Value) error { p.token = v; return nil }},
		{"slot", func(p *passphrase, v settings.Value) error { p.token = v; return nil }},
		{"module", func(p *passphrase, v settings.Value) error { p.token = v; return nil }},
		{"pin", func(p *passphrase, v settings.Value) error { p.token = v; return nil }},
	},
}

// passphrase reads a section for a private key, whose kind is the directory of the file.
func (d *decoder) passphrase(s *settings.Section, where at, kind string) {
	var p passphrase
	privateTable.read(d, &p, s, where)
	switch {
	case p.token.Key != "" || kind == "token":
		d.report(where, warning("", "has no effect in goswan: %s is not supported in this version", token))
	case p.file.Text == "":
		d.report(where, bad("write file = …, the name of a file in the directory "+kind, "no file is named"))
	case p.secret == nil:
		d.report(where, warning("write secret = \"…\"", "has no effect in goswan: nobody is asked for a passphrase while it runs"))
	default:
		if d.passphrases == nil {
			d.passphrases = map[string]secret.Bytes{}
		}
		name := p.file.Text
		if !filepath.IsAbs(name) {
			name = filepath.Join(kind, name)
		}
		d.passphrases[name] = p.secret
	}
}

// secret reads a section of secrets. It is nil for private keys, whose passphrases it keeps, and for what is wrong.
func (d *decoder) secret(s *settings.Section, where at) *core.Secret {
	prefix, kind, known := secretKind(s.Name)
	switch {
	case !known:
		d.report(where, unknownSecret(s.Name))
		return nil
	case kind == "":
		d.passphrase(s, where, prefix)
		return nil
	}
	d.report(where, notUsed(kind))
	r := &shared{Secret: core.Secret{Name: s.Name, Kind: kind, Source: position(s.At)}}
	t := secretTable
	t.place = "secrets." + prefix + "<suffix>"
	rest := settings.New(s.Name, s.At)
	for _, v := range s.Values() {
		if strings.HasPrefix(strings.ToLower(v.Key), "id") {
			d.report(where.key(v), r.own(v))
			continue
		}
		rest.Set(v.Key, v.Text, v.At)
	}
	for _, sub := range s.Sections() {
		d.report(where.section(sub), t.unknown(d, sub.Name, true))
	}
	failed := len(d.problems)
	t.read(d, r, rest, where)
	if r.given.Key == "" && len(d.problems) == failed {
		d.report(where, bad("add `secret = \"…\"`", "there is no secret in it"))
	}
	if r.Key == nil {
		return nil
	}
	if kind == core.SecretNTLM {
		d.report(where.key(r.given), checkNTHash(r.Key))
	}
	return &r.Secret
}

// notUsed warns of secrets for what goswan does not have; nil for others.
func notUsed(kind core.SecretKind) error {
	if kind != core.SecretPPK {
		return nil
	}
	return warning("", "is not used: %s secrets are for methods that are not supported in this version of goswan", kind)
}

// ntHashSize is the length of NtPasswordHash. RFC 2759 §8.3
const ntHashSize = 16

// checkNTHash tells a hash from a password, which is an EAP secret.
func checkNTHash(key secret.Bytes) error {
	if len(key) == ntHashSize {
		return nil
	}
	return bad("write it as 0x and 32 hexadecimal digits; a password is the secret of a section eap…", "the secret has %d octets, and an NT hash has %d", len(key), ntHashSize)
}

// secretKind is what a section is for by the beginning of its name.
func secretKind(name string) (prefix string, kind core.SecretKind, known bool) {
	for _, k := range secretKinds {
		if strings.HasPrefix(name, k.prefix) {
			return k.prefix, k.kind, true
		}
	}
	return "", "", false
}

func unknownSecret(name string) error {
	small := strings.ToLower(name)
	if strings.HasPrefix(small, "psk") || strings.HasPrefix(small, "shared") {
		return bad("call it ike-"+name, "a pre-shared key is a section whose name begins with ike")
	}
	if prefix, _, known := secretKind(small); known {
		return bad("call it "+prefix+name[len(prefix):], "what a secret is for is written in small letters")
	}
	return bad("the name begins with what the secret is for: ike, eap, ntlm, ppk, private, pkcs8, pkcs12, rsa, ecdsa or token",
		"no such kind of secret")
}

// own adds an identity that the secret belongs to.
func (r *shared) own(v settings.Value) error {
	id, err := identity(v.Text)
	if err == nil {
		r.Owners = append(r.Owners, id)
	}
	return err
}

func readSecret(r *shared, v settings.Value) (err error) {
	r.given = v
	r.Key, err = parseSecret(v.Text)
	return err
}

// maxSecret bounds a secret, in octets.
const maxSecret = 64 << 10

// parseSecret reads a secret: text, hexadecimal behind 0x or Base64 behind 0s. No error shows any of it.
func parseSecret(s string) (secret.Bytes, error) {
	var key secret.Bytes
	switch {
	case len(s) > maxSecret:
		return nil, bad("", "the secret is longer than %d octets", maxSecret)
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X"):
		digits := strings.ReplaceAll(s[2:], ":", "")
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		octets, err := hex.DecodeString(digits)
		if err != nil {
			return nil, bad("write hexadecimal digits behind 0x, or put nothing before a text", "the secret begins with 0x and is not hexadecimal")
		}
		key = octets
	case strings.HasPrefix(s, "0s") || strings.HasPrefix(s, "0S"):
		octets, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s[2:], "="))
		if err != nil {
			return nil, bad("write Base64 behind 0s; a text that begins so has to be written in hexadecimal behind 0x", "the secret begins with 0s and is not Base64")
		}
		key = octets
	default:
		key = secret.Bytes(s)
	}
	if len(key) == 0 {
		return nil, bad("write `secret = \"…\"`", "the secret is empty")
	}
	return key, nil
}

// checkSecrets warns of two secrets for the same owners: which one is taken would be chance.
func (d *decoder) checkSecrets(secrets []*core.Secret, path string) {
	seen := map[string]*core.Secret{}
	for _, s := range secrets {
		names := []string{string(s.Kind)}
		for _, id := range s.Owners {
			names = append(names, strings.ToLower(id.Type.String()+" "+id.Data))
		}
		slices.Sort(names[1:])
		owners := strings.Join(names, "\x00")
		if other := seen[owners]; other != nil && !other.Key.Equal(s.Key) {
			d.report(at{path + "." + s.Name, settings.Position(s.Source)},
				warning("remove one of them, or give them different ids", "%s is for the same identities with another secret", other.Name))
		}
		seen[owners] = s
	}
}

// checkModes warns of files with secrets that others than the owner can read. path is the section that they are in.
func (d *decoder) checkModes(root *settings.Section, path string) {
	if runtime.GOOS == "windows" {
		return // the mode says nothing there
	}
	seen := map[string]bool{}
	walkSecrets(root, func(v settings.Value) {
		file := v.At.File
		if seen[file] {
			return
		}
		seen[file] = true
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o044 != 0 {
			d.report(at{path, v.At}, warning("run chmod 600 "+file, "the file has secrets in it and can be read by others (mode %04o)", info.Mode().Perm()))
		}
	})
}

// walkSecrets visits the settings whose values are secret.
func walkSecrets(s *settings.Section, visit func(settings.Value)) {
	for _, v := range s.Values() {
		if isSecret(v.Key) {
			visit(v)
		}
	}
	for _, sub := range s.Sections() {
		walkSecrets(sub, visit)
	}
}
