package profile

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
)

// MaxFile bounds a profile that is read, in octets.
const MaxFile = 4 << 20

// Profile is what a file held.
type Profile struct {
	Clients []*Client
	// Intermediates are certificates of CAs that are not roots, and others that the profile has beside those of the clients.
	Intermediates []*auth.Certificate
	// Warnings name what was not taken over, key by key.
	Warnings []string
	// Signed tells that somebody signed the file. Who, and whether it is true, is not known.
	Signed bool
}

// Read reads a profile: a configuration profile of Apple's systems, signed or not, or one of strongSwan's app for Android. Its
// first octets tell which, not its name.
func Read(file []byte) (*Profile, error) {
	if len(file) > MaxFile {
		return nil, fmt.Errorf("the file has more than %d MiB: it is no profile", MaxFile>>20)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(file, []byte(byteOrderMark)))
	switch {
	case len(text) == 0:
		return nil, errors.New("the file is empty")
	case text[0] == '{':
		return ReadSSwan(text)
	case text[0] == '<':
		return ReadMobileconfig(text)
	case bytes.HasPrefix(text, []byte("bplist")):
		return nil, errors.New("it is a binary property list; `plutil -convert xml1 -o new.mobileconfig FILE` makes a readable one")
	case file[0] == 0x30: // a SEQUENCE
		content, err := signedContent(file)
		if err != nil {
			return nil, err
		}
		if len(content) > 0 && content[0] == 0x30 {
			return nil, errors.New("what is signed is signed again")
		}
		p, err := Read(content)
		if p != nil {
			p.Signed = true
		}
		return p, err
	}
	return nil, errors.New("it is neither a .mobileconfig (XML, or signed) nor a .sswan (JSON)")
}

// host is where the gateway is.
func (d *dict) host(key string) (string, error) {
	s := d.text(key)
	if !isHost(s) {
		return "", fmt.Errorf("%s %q is neither a host name nor an address", d.at(key), s)
	}
	return s, nil
}

// identity is an identity; %any when there is none that IKE has.
func (d *dict) identity(key string) auth.Identity {
	s := d.text(key)
	id, err := auth.ParseIdentity(s)
	if err != nil {
		d.warn("%s is not taken over: %v", d.at(key), err)
		return auth.Identity{}
	}
	return id
}

// ownIdentity is the identity of the client, which is one and no pattern.
func (d *dict) ownIdentity(key string) auth.Identity {
	id := d.identity(key)
	if (id.Type == auth.IDFQDN || id.Type == auth.IDRFC822Addr) && strings.Contains(id.Data, "*") {
		d.warn("%s is not taken over: %q is a pattern for swanctl.conf, and not one identity", d.at(key), id)
		return auth.Identity{}
	}
	return id
}

// proposals reads proposals in swanctl's words. What goswan cannot do is told, and the default takes its place.
func (r *report) proposals(at string, p suite.Protocol, text string) []suite.Proposal {
	list, err := suite.Parse(p, text)
	if err != nil {
		r.warn("%s is not taken over, and goswan's default takes its place: %v", at, err)
		return nil
	}
	return list
}

// prefixes are networks, of networks, addresses and ranges.
func (d *dict) prefixes(key string) (all []netip.Prefix) {
	const most = 1000
	for _, item := range d.list(key) {
		ps, err := parsePrefixes(item)
		if err != nil {
			d.warn("%s: %.100q is no network, and is left out", d.at(key), item)
		}
		if all = append(all, ps...); len(all) > most {
			d.warn("%s has more than %d networks; the rest is left out", d.at(key), most)
			return all[:most]
		}
	}
	return all
}

// suggestName makes a name for a section or file of any text: letters, digits, hyphens and underscores.
func suggestName(text, fallback string) string {
	const most = 48
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, text)
	name = strings.Trim(name[:min(len(name), most)], "-")
	if name == "" {
		return fallback
	}
	return name
}
