package config

import "strings"

// places are the kinds of section with what they may have, for the hint where a misplaced name belongs.
func places() []struct {
	place        string
	keys, groups []string
} {
	type p = struct {
		place        string
		keys, groups []string
	}
	return []p{
		{connectionTable.place, connectionTable.keyNames(), connectionTable.groupNames()},
		{roundTable.place, roundTable.keyNames(), nil},
		{childTable.place, childTable.keyNames(), nil},
		{"secrets.ike<suffix>", []string{"secret"}, nil},
		{"secrets.private<suffix>", privateTable.keyNames(), nil},
		{"pools.<name>", append([]string{"addrs"}, poolAttributes...), []string{"static*"}},
		{staticTable.place, staticTable.keyNames(), nil},
		{authorityTable.place, authorityTable.keyNames(), nil},
		{"the top of the file", nil, topNames},
	}
}

// otherNames are what ipsec.conf and other programs call settings of swanctl.conf.
var otherNames = map[string]string{
	"left": "local_addrs", "right": "remote_addrs", "leftid": "id in the section local", "rightid": "id in the section remote",
	"leftsubnet": "local_ts of a child", "rightsubnet": "remote_ts of a child", "leftauth": "auth in the section local",
	"rightauth": "auth in the section remote", "leftsourceip": "vips", "rightsourceip": "pools", "leftupdown": "updown of a child",
	"authby": "auth in the sections local and remote", "auto": "start_action of a child", "type": "mode of a child",
	"keyexchange": "version", "ike": "proposals", "esp": "esp_proposals of a child", "ah": "ah_proposals of a child",
	"ikelifetime": "rekey_time or reauth_time", "lifetime": "life_time of a child", "keylife": "life_time of a child",
	"margintime": "rand_time and over_time", "dpdaction": "dpd_action of a child", "dpddelay": "dpd_delay", "dpdtimeout": "dpd_timeout",
	"forceencaps": "encap", "compress": "ipcomp of a child", "installpolicy": "policies of a child", "closeaction": "close_action of a child",
	"password": "secret in a section eap-… of secrets", "user": "id in a section eap-… of secrets", "username": "id in a section eap-… of secrets",
	"passphrase": "secret in a section private-… of secrets", "rightgroups": "groups in the section remote", "rightca": "cacerts in the section remote",
	"subnet": "local_ts or remote_ts of a child", "identity": "id", "psk": "secret in a section ike-… of secrets",
	"local_id": "id in the section local", "remote_id": "id in the section remote", "ike_proposals": "proposals",
	"local_subnet": "local_ts of a child", "remote_subnet": "remote_ts of a child", "dns": "dns in a section of pools",
}

// belongs is the kind of section that has a name which the section here does not have, "" if none.
func belongs(name, here string, section bool) string {
	for _, p := range places() {
		names := p.keys
		if section {
			names = p.groups
		}
		for _, n := range names {
			if p.place != here && strings.EqualFold(n, name) {
				return p.place
			}
		}
	}
	return ""
}
