// Package config reads swanctl.conf and strongswan.conf, as strongSwan 6 documents them, into the engines' own types.
//
// Every error says where it stands, what is wrong and what would be right, and all errors of a file are told at once:
//
//	/etc/swanctl/swanctl.conf:14: connections.office.proposals: …; did you mean aes256gcm16?
//	/etc/swanctl/swanctl.conf:31: connections.office.children.lan.mode: transport mode is not supported in this version of goswan; write tunnel
//
// What strongSwan knows and goswan cannot do is an error that says so; what changes nothing in goswan is a warning.
//
// The same tables read the file and the messages of vici: a message is mapped to a settings.Section in which lists are lists.
package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/core"
)

// DefaultDir is the directory of swanctl.conf where neither SWANCTL_DIR nor an option names another.
const DefaultDir = "/etc/swanctl"

// Dir is the directory of swanctl.conf: that of SWANCTL_DIR, or DefaultDir.
func Dir() string {
	if dir := os.Getenv("SWANCTL_DIR"); dir != "" {
		return dir
	}
	return DefaultDir
}

// Loader reads connections with the defaults that strongswan.conf sets. The zero value has strongSwan's own.
type Loader struct {
	// Charon has the ports and the replay window; nil is DefaultCharon.
	Charon *Charon
	// Path is the swanctl.conf, or its directory, that vici's clients load from, so that what they load is known by the
	// lines of that file; "" is none.
	Path string
	// ConnectionsOnly leaves the directories with certificates and keys alone.
	ConnectionsOnly bool
}

// Load reads swanctl.conf in a directory, or a file, with everything that it includes.
//
// The error joins a *Problem for each mistake, in the order of the file; the catalog is then nil. A file that is not
// there is an error that wraps fs.ErrNotExist.
func Load(path string) (*core.Catalog, []Warning, error) { return Loader{}.Load(path) }

// Load is the function Load with the loader's defaults.
func (l Loader) Load(path string) (*core.Catalog, []Warning, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "swanctl.conf")
	}
	doc, err := settings.ParseFile(path)
	if err != nil {
		return nil, nil, err
	}
	d := l.decoder(filepath.Dir(path))
	d.reads = !l.ConnectionsOnly
	return d.catalog(doc)
}

// Parse reads a text as if it stood in the file name; the directories beside it are not read.
func (l Loader) Parse(name string, text []byte) (*core.Catalog, []Warning, error) {
	doc, err := settings.Parse(name, text, nil)
	if err != nil {
		return nil, nil, err
	}
	return l.decoder(filepath.Dir(name)).catalog(doc)
}

// catalog maps a whole file.
func (d *decoder) catalog(doc *settings.Document) (*core.Catalog, []Warning, error) {
	d.warnings = doc.Warnings
	catalog := &core.Catalog{}
	d.top(doc.Root, catalog)
	d.checkSecrets(catalog.Secrets, "secrets")
	d.checkPools(catalog)
	if len(d.problems) == 0 {
		d.checkOwners(catalog)
		d.checkUsers(catalog)
	}
	d.checkModes(doc.Root, "secrets")
	if d.reads && len(d.problems) == 0 {
		d.loadCredentials(catalog)
		d.checkKeys(catalog)
	}
	if len(d.problems) == 0 {
		d.checkPasswords(catalog)
	}
	for _, phrase := range d.passphrases {
		phrase.Wipe()
	}
	catalog.Files = append(slices.Clone(doc.Files), d.files...)
	warnings, err := d.result()
	if err != nil {
		catalog.Wipe()
		return nil, warnings, err
	}
	return catalog, warnings, nil
}

// topNames are the sections of swanctl.conf.
var topNames = []string{"connections", "secrets", "pools", "authorities"}

// top reads the sections at the top. Others are templates, if something refers to them.
func (d *decoder) top(root *settings.Section, catalog *core.Catalog) {
	for _, v := range root.Values() {
		fix := "put it into a section: connections, secrets, pools or authorities"
		if place := d.belongs(v.Key, "", false); place != "" {
			fix = "it belongs in " + place
		}
		d.report(at{v.Key, v.At}, bad(fix, "a setting outside of any section"))
	}
	for _, s := range root.Sections() {
		switch s.Name {
		case "connections":
			each(d, s, at{s.Name, s.At}, func(sub *settings.Section, where at) {
				catalog.Connections = append(catalog.Connections, d.connection(sub, where))
			})
		case "secrets":
			each(d, s, at{s.Name, s.At}, func(sub *settings.Section, where at) {
				if got := d.secret(sub, where); got != nil {
					catalog.Secrets = append(catalog.Secrets, got)
				}
			})
		case "pools":
			each(d, s, at{s.Name, s.At}, func(sub *settings.Section, where at) { catalog.Pools = append(catalog.Pools, d.pool(sub, where)) })
		case "authorities":
			each(d, s, at{s.Name, s.At}, func(sub *settings.Section, where at) {
				if a := d.authority(sub, where); a != nil {
					catalog.Authorities = append(catalog.Authorities, a)
				}
			})
		default:
			d.stray(s)
		}
	}
}

// each reads the sections of a section that has no settings of its own.
func each(d *decoder, s *settings.Section, where at, read func(*settings.Section, at)) {
	for _, v := range s.Values() {
		d.report(where.key(v), bad("write `name { … }` in "+s.Name+", and the key inside it", "%s has sections, not settings", s.Name))
	}
	for _, sub := range s.Sections() {
		read(sub, where.section(sub))
	}
}

// stray reports a section at the top that is neither known nor a template.
func (d *decoder) stray(s *settings.Section) {
	if s.Referenced {
		return
	}
	if near := settings.Nearest(s.Name, topNames); near != "" {
		d.report(at{s.Name, s.At}, bad("did you mean "+near+"?", "no such section"))
		return
	}
	d.report(at{s.Name, s.At}, warning("a template is used by `name : "+s.Name+" {`", "is not used: it is neither a section of swanctl.conf nor the template of one"))
}

// Connection reads one connection, from a file or from vici's load-conn. All its problems are one joined error.
func Connection(name string, s *settings.Section) (*core.Connection, []Warning, error) {
	return Loader{}.Connection(name, s)
}

// Connection is the function Connection with the loader's defaults.
func (l Loader) Connection(name string, s *settings.Section) (*core.Connection, []Warning, error) {
	d := l.decoder(l.beside())
	s.Name = name
	c := d.connection(s, at{"connections." + name, s.At})
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return c, warnings, nil
}

// Secret reads a section of secrets. It is nil, with a warning, for the password of a private key.
func Secret(name string, s *settings.Section) (*core.Secret, []Warning, error) {
	d := Loader{}.decoder("")
	s.Name = name
	got := d.secret(s, at{"secrets." + name, s.At})
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return got, warnings, nil
}

// Shared reads vici's load-shared: id (which may be absent), type (IKE, EAP, XAUTH, NTLM or PPK), data (the octets)
// and the list owners.
func Shared(s *settings.Section) (*core.Secret, []Warning, error) {
	d := Loader{}.decoder("")
	where := at{"load-shared", s.At}
	id, _ := s.Value("id")
	kind, _ := s.Value("type")
	data, _ := s.Value("data")
	r := &shared{Secret: core.Secret{Name: id.Text, Key: secret.Bytes(data.Text), Source: position(s.At)}}
	_, known, ok := secretKind(strings.ToLower(kind.Text))
	if !ok || known == "" || !slices.Contains([]string{"ike", "eap", "xauth", "ntlm", "ppk"}, strings.ToLower(kind.Text)) {
		d.report(where, bad("send IKE, EAP, XAUTH, NTLM or PPK", "%q is not a type of shared key", kind.Text))
	}
	r.Kind = known
	d.report(where, notUsed(known))
	if known == core.SecretNTLM {
		d.report(where, checkNTHash(r.Key))
	}
	if len(data.Text) == 0 || len(data.Text) > maxSecret {
		d.report(where, bad("", "data has %d octets; 1 to %d are a secret", len(data.Text), maxSecret))
	}
	if owners, ok := s.Value("owners"); ok {
		list := owners.List
		if !owners.IsList {
			list = []string{owners.Text}
		}
		for _, owner := range list {
			d.report(where.key(owners), r.own(settings.Value{Key: "owners", Text: owner}))
		}
	}
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return &r.Secret, warnings, nil
}

// Pool reads a section of pools, from a file or from vici's load-pool.
func Pool(name string, s *settings.Section) (*core.Pool, []Warning, error) {
	d := Loader{}.decoder("")
	s.Name = name
	p := d.pool(s, at{"pools." + name, s.At})
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return p, warnings, nil
}

// Authority reads a section of authorities, from a file or from vici's load-authority.
func (l Loader) Authority(name string, s *settings.Section) (*core.Authority, []Warning, error) {
	d := l.decoder(l.beside())
	s.Name = name
	a := d.authority(s, at{"authorities." + name, s.At})
	warnings, err := d.result()
	if err != nil {
		return nil, warnings, err
	}
	return a, warnings, nil
}

// beside is the directory of the swanctl.conf that vici's clients load from.
func (l Loader) beside() string {
	if info, err := os.Stat(l.Path); err == nil && info.IsDir() {
		return l.Path
	}
	return filepath.Dir(l.Path)
}
