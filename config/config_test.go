package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// parse reads a text that must be accepted.
func parse(t *testing.T, text string) (*core.Catalog, []Warning) {
	t.Helper()
	catalog, warnings, err := Loader{}.Parse("x.conf", []byte(text))
	if err != nil {
		t.Fatalf("%s\nis refused: %v", text, err)
	}
	return catalog, warnings
}

// site is a connection with a child and a secret; each part takes further lines.
func site(conn, child string) string {
	return fmt.Sprintf(`connections {
	site {
		%s
		local {
			auth = psk
		}
		remote {
			auth = psk
		}
		children {
			net {
				%s
			}
		}
	}
}
secrets {
	ike {
		secret = abc
	}
}
`, strings.ReplaceAll(conn, "\n", "\n\t\t"), strings.ReplaceAll(child, "\n", "\n\t\t\t\t"))
}

// TestDefaults has what strongSwan 6 documents for what is not set.
func TestDefaults(t *testing.T) {
	catalog, warnings := parse(t, site("", ""))
	if len(warnings) > 0 {
		t.Errorf("warnings without a reason: %v", warnings)
	}
	at := func(line int) core.Position { return core.Position{File: "x.conf", Line: line} }
	dynamic := []core.Selector{{Dynamic: true, TS: spd.TrafficSelector{EndPort: 65535}}}
	want := &core.Connection{
		Name: "site", LocalPort: 500, RemotePort: 500, Mobike: true, KeyingTries: 1,
		Proposals: suite.Default(suite.IKE),
		Local:     []core.Auth{{Method: core.AuthPSK, Source: at(4), IDSource: at(4)}},
		Remote:    []core.Auth{{Method: core.AuthPSK, Source: at(7), IDSource: at(7)}},
		RekeyTime: 4 * time.Hour, OverTime: 24 * time.Minute, RandTime: 24 * time.Minute,
		Source: at(2), ProposalsSource: at(2),
		Children: []*core.Child{{
			Name: "net", Proposals: suite.Default(suite.ESP), LocalTS: dynamic, RemoteTS: dynamic,
			RekeyTime: time.Hour, LifeTime: 66 * time.Minute, RandTime: 6 * time.Minute,
			ReplayWindow: DefaultReplayWindow, Policies: true, CopyDF: true, CopyECN: true, CopyDSCP: "out",
			Source: at(11), ProposalsSource: at(11), LocalTSSource: at(11), RemoteTSSource: at(11),
		}},
	}
	got := catalog.Connection("site")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("defaults\n%+v\nchild %+v\nwant\n%+v\nchild %+v", got, got.Children[0], want, want.Children[0])
	}
}

// everything is a connection with a value for each key that changes something.
const everything = `connections {
	all {
		version = 2
		local_addrs = 192.0.2.1, 2001:db8::1
		remote_addrs = gw.example.org, 198.51.100.0/24, 203.0.113.1-203.0.113.9, %any6
		local_port = 0
		remote_port = 4500
		proposals = aes256gcm16-prfsha384-x25519, aes128-sha256-modp2048
		dscp = 101110
		encap = yes
		mobike = no
		dpd_delay = 1m
		fragmentation = accept
		childless = prefer
		unique = replace
		keyingtries = 0
		reauth_time = 1d
		rekey_time = 2H
		over_time = 300
		rand_time = 5 m
		remote {
			auth = PSK
			id = *.example.org
		}
		local {
			auth = psk
			id = "keyid:#0a0b"
		}
		children {
			first {
				esp_proposals = default, aes256gcm16-x25519
				local_ts = 10.1.0.5/24, dynamic[udp/1701]
				remote_ts = 10.2.0.0-10.2.0.9[tcp/80-90], fd00::/64
				rekey_time = 30m
				life_time = 40m
				rand_time = 2m
				rekey_bytes = 2g
				life_bytes = 3g
				rand_bytes = 1k
				rekey_packets = 1000000
				life_packets = 2000000
				rand_packets = 10
				updown = /bin/sh -c "exit 0"; true
				hostaccess = 1
				policies = no
				start_action = trap|start
				close_action = start
				dpd_action = restart
				inactivity = 10m
				reqid = 7
				priority = 0x10
				replay_window = 64
				copy_df = no
				copy_ecn = disabled
				copy_dscp = in
				mss_clamp = 1300
			}
			second {
				mode = drop
				local_ts = 0.0.0.0/0
				remote_ts = 192.0.2.99
				start_action = trap
			}
		}
	}
}
secrets {
	ike-all {
		secret = abc
	}
}
`

func TestEverything(t *testing.T) {
	catalog, _ := parse(t, everything)
	c := *catalog.Connections[0]
	proposals := func(p suite.Protocol, text string) []suite.Proposal {
		all, err := suite.Parse(p, text)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	check("proposals", c.Proposals, proposals(suite.IKE, "aes256gcm16-prfsha384-x25519,aes128-sha256-modp2048"))
	check("proposals stand at", c.ProposalsSource.Line, 8)
	check("local id", c.Local[0].ID, auth.Identity{Type: auth.IDKeyID, Data: "\x0a\x0b"})
	check("remote id", c.Remote[0].ID, auth.Identity{Type: auth.IDFQDN, Data: "*.example.org"})
	check("remote id stands at", c.Remote[0].IDSource.Line, 23)
	children := c.Children
	c.Proposals, c.Local, c.Remote, c.Children, c.Source, c.ProposalsSource = nil, nil, nil, nil, core.Position{}, core.Position{}
	check("connection", c, core.Connection{
		Name: "all", Version: 2, LocalAddrs: []string{"192.0.2.1", "2001:db8::1"},
		RemoteAddrs: []string{"gw.example.org", "198.51.100.0/24", "203.0.113.1-203.0.113.9", "%any6"}, LocalPort: 500, RemotePort: 4500,
		DSCP: 0b101110, Encap: true, DPDDelay: time.Minute, Fragmentation: core.FragmentAccept, Childless: core.ChildlessPrefer,
		Unique: core.UniqueReplace, ReauthTime: 24 * time.Hour, RekeyTime: 2 * time.Hour, OverTime: 5 * time.Minute, RandTime: 5 * time.Minute,
	})

	ch := *children[0]
	check("esp_proposals", ch.Proposals, slices.Concat(suite.Default(suite.ESP), proposals(suite.ESP, "aes256gcm16-x25519")))
	check("local_ts", ch.LocalTS, []core.Selector{{TS: spd.MustParse("10.1.0.0/24")},
		{Dynamic: true, TS: spd.TrafficSelector{Protocol: 17, StartPort: 1701, EndPort: 1701}}})
	check("remote_ts", ch.RemoteTS, []core.Selector{{TS: spd.MustParse("10.2.0.0..10.2.0.9[tcp/80-90]")}, {TS: spd.MustParse("fd00::/64")}})
	check("they stand at", []int{ch.ProposalsSource.Line, ch.LocalTSSource.Line, ch.RemoteTSSource.Line}, []int{31, 32, 33})
	ch.Proposals, ch.LocalTS, ch.RemoteTS = nil, nil, nil
	ch.Source, ch.ProposalsSource, ch.LocalTSSource, ch.RemoteTSSource = core.Position{}, core.Position{}, core.Position{}, core.Position{}
	check("child", ch, core.Child{
		Name: "first", RekeyTime: 30 * time.Minute, LifeTime: 40 * time.Minute, RandTime: 2 * time.Minute,
		RekeyBytes: 2 << 30, LifeBytes: 3 << 30, RandBytes: 1024, RekeyPackets: 1e6, LifePackets: 2e6, RandPackets: 10,
		StartAction: core.ActionTrap | core.ActionStart, CloseAction: core.ActionStart, DPDAction: core.ActionStart,
		Updown: "/bin/sh -c exit 0 ; true", HostAccess: true, ReplayWindow: 64, Reqid: 7, Priority: 16, CopyDSCP: "in", MSSClamp: 1300, Inactivity: 10 * time.Minute,
	})
	check("mode of the second child", children[1].Mode, core.ModeDrop)
}

// TestMSSClamp has the values of goswan's own key.
func TestMSSClamp(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "mss_clamp = no": 0, "mss_clamp = disabled": 0, "mss_clamp = auto": int(esp.MSSFromPath), "mss_clamp = Auto": int(esp.MSSFromPath),
		"mss_clamp = 88": 88, "mss_clamp = 65495": 65495, "mss_clamp = 0": 0,
		"mss_clamp = 87": -1, "mss_clamp = 65496": -1, "mss_clamp = -1": -1, "mss_clamp = path": -1, "mss_clamp = 1": -1,
	} {
		catalog, _, err := Loader{}.Parse("x", []byte(site("", text)))
		switch {
		case want < 0 && (err == nil || !strings.Contains(err.Error(), "write no, auto or a number from 88 to 65495")):
			t.Errorf("%q gives %v, want an error with what to write", text, err)
		case want >= 0 && (err != nil || int(catalog.Connections[0].Children[0].MSSClamp) != want):
			t.Errorf("%q: %v, want %d", text, err, want)
		}
	}
}

// TestLifetimes has strongSwan's rules for lifetimes of which some are not set.
func TestLifetimes(t *testing.T) {
	h, m := time.Hour, time.Minute
	ike := map[string][4]time.Duration{ // rekey, reauth, over, rand
		"":                                   {4 * h, 0, 24 * m, 24 * m},
		"reauth_time = 10h":                  {0, 10 * h, h, h},
		"rekey_time = 10h\nreauth_time = h":  {},
		"rekey_time = 10h\nreauth_time = 1h": {10 * h, h, h, 30 * m},
		"rekey_time = 0":                     {0, 0, 0, 0},
		"over_time = 10m":                    {4 * h, 0, 10 * m, 10 * m},
		"rekey_time = 1h\nover_time = 2h":    {h, 0, 2 * h, 30 * m},
		"rekey_time = 1h\nrand_time = 0":     {h, 0, 6 * m, 0},
		"rekey_time = 1h\nrand_time = 2h\nover_time = 30m": {h, 0, 30 * m, h},
	}
	for text, want := range ike {
		catalog, _, err := Loader{}.Parse("x", []byte(site(text, "")))
		if want == ([4]time.Duration{}) && strings.HasSuffix(text, "= h") {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c := catalog.Connections[0]
		if got := [4]time.Duration{c.RekeyTime, c.ReauthTime, c.OverTime, c.RandTime}; got != want {
			t.Errorf("%q: rekey, reauth, over and rand are %v, want %v", text, got, want)
		}
	}
	children := map[string][3]time.Duration{ // rekey, life, rand
		"":                                 {h, 66 * m, 6 * m},
		"life_time = 110m":                 {100 * m, 110 * m, 10 * m},
		"rekey_time = 10m":                 {10 * m, 11 * m, m},
		"rekey_time = 10m\nlife_time = 1h": {10 * m, h, 10 * m}, // 50m is more than can be taken off 10m
		"rekey_time = 0":                   {0, 0, 0},
		"rand_time = 1m":                   {h, 66 * m, m},
	}
	for text, want := range children {
		catalog, _ := parse(t, site("", text))
		c := catalog.Connections[0].Children[0]
		if got := [3]time.Duration{c.RekeyTime, c.LifeTime, c.RandTime}; got != want {
			t.Errorf("%q: rekey, life and rand are %v, want %v", text, got, want)
		}
	}
	volumes := map[string][6]uint64{
		"":                    {},
		"rekey_bytes = 1000":  {1000, 1100, 100},
		"life_bytes = 1100":   {1000, 1100, 100},
		"life_packets = 1100": {0, 0, 0, 1000, 1100, 100},
		"rekey_packets = 1000\nrand_packets = 5000": {0, 0, 0, 1000, 1100, 1000},
		"rekey_bytes = 99999999999999999999g":       {},
	}
	for text, want := range volumes {
		catalog, _, err := Loader{}.Parse("x", []byte(site("", text)))
		if strings.Contains(text, "9999") {
			if err == nil {
				t.Errorf("%q is accepted", text)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c := catalog.Connections[0].Children[0]
		if got := [6]uint64{c.RekeyBytes, c.LifeBytes, c.RandBytes, c.RekeyPackets, c.LifePackets, c.RandPackets}; got != want {
			t.Errorf("%q: the volumes are %v, want %v", text, got, want)
		}
	}
}

// TestShunts has a connection that only passes traffic: it authenticates nobody and needs no secret.
func TestShunts(t *testing.T) {
	catalog, warnings := parse(t, "connections { lan { children { pass { \n mode = pass\n local_ts = 10.0.0.0/8\n remote_ts = 10.0.0.0/8\n start_action = trap\n } } } }")
	c := catalog.Connections[0]
	if len(warnings) > 0 || c.Negotiates() || len(c.Local) > 0 || c.Children[0].Mode != core.ModePass {
		t.Errorf("a pass policy is read as %+v with warnings %v", c, warnings)
	}
}

func TestRounds(t *testing.T) {
	s := settings.New("c", settings.Position{})
	for i, name := range []string{"local-b", "local-a"} {
		r := s.Ensure(name, settings.Position{})
		r.Set("auth", "psk", settings.Position{})
		r.Set("id", name+".example", settings.Position{})
		r.Set("round", fmt.Sprint(2-i), settings.Position{})
	}
	d := Loader{}.decoder("")
	c := d.connection(s, at{path: "connections.c"})
	if len(c.Local) != 2 || c.Local[0].ID.Data != "local-a.example" || c.Local[1].ID.Data != "local-b.example" {
		t.Errorf("rounds 2 and 1 are in the order %v, want 1 and 2", c.Local)
	}
}

func TestSecrets(t *testing.T) {
	catalog, _ := parse(t, `secrets {
	ike-text {
		secret = "a b # \"c\""
		id-1 = left.example
		ID-2 = 192.0.2.1
	}
	ike-hex {
		secret = 0x00:fF1
	}
	ike-base64 {
		secret = 0sAAECAw
	}
	xauth-x {
		secret = x
	}
	ppk-x {
		secret = x
		id = office
	}
	ntlm {
		secret = 0x8846f7eaee8fb117ad06bdd830b7586c
		id = carol
	}
	rsa-moon {
		file = moon.pem
		secret = x
	}
}`)
	want := []struct {
		name   string
		kind   core.SecretKind
		key    string
		owners []string
	}{
		{"ike-text", core.SecretIKE, `a b # "c"`, []string{"left.example", "192.0.2.1"}},
		{"ike-hex", core.SecretIKE, "\x00\x0f\xf1", nil},
		{"ike-base64", core.SecretIKE, "\x00\x01\x02\x03", nil},
		{"xauth-x", core.SecretEAP, "x", nil},
		{"ppk-x", core.SecretPPK, "x", []string{"office"}},
		{"ntlm", core.SecretNTLM, "\x88\x46\xf7\xea\xee\x8f\xb1\x17\xad\x06\xbd\xd8\x30\xb7\x58\x6c", []string{"carol"}}, // of "password"
	}
	if len(catalog.Secrets) != len(want) {
		t.Fatalf("%d secrets, want %d", len(catalog.Secrets), len(want))
	}
	for i, w := range want {
		s := catalog.Secrets[i]
		var owners []string
		for _, id := range s.Owners {
			owners = append(owners, id.String())
		}
		if s.Name != w.name || s.Kind != w.kind || string(s.Key) != w.key || !slices.Equal(owners, w.owners) {
			t.Errorf("secret %d is %s of kind %s with %d octets for %v, want %s %s %d %v", i, s.Name, s.Kind, len(s.Key), owners, w.name, w.kind, len(w.key), w.owners)
		}
	}
}

// TestSecretModes has the warning of files that others can read, for the file that has the secret alone.
func TestSecretModes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	write("swanctl.conf", "include *.secrets", 0o644)
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o620: false, 0o640: true, 0o604: true, 0o644: true} {
		write("x.secrets", "secrets { ike { secret = abc } }", mode)
		_, warnings, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if warned != (len(warnings) == 1) {
			t.Errorf("mode %04o: warnings %v, want one: %v", mode, warnings, warned)
		}
		if warned && !strings.Contains(warnings[0].Error(), "x.secrets:1: secrets: the file has secrets in it") {
			t.Errorf("mode %04o: the warning is %q", mode, warnings[0])
		}
		if err := os.Remove(filepath.Join(dir, "x.secrets")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadNothing(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "swanctl.conf")} {
		if _, _, err := Load(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("loading what is not there gives %v, want fs.ErrNotExist", err)
		}
	}
	catalog, warnings := parse(t, "")
	if len(catalog.Connections)+len(catalog.Secrets)+len(catalog.Pools)+len(warnings) > 0 {
		t.Errorf("an empty file is read as %+v", catalog)
	}
	t.Setenv("SWANCTL_DIR", "")
	if Dir() != "/etc/swanctl" {
		t.Errorf("the directory is %s, want /etc/swanctl", Dir())
	}
	t.Setenv("SWANCTL_DIR", "/elsewhere")
	if Dir() != "/elsewhere" {
		t.Errorf("the directory is %s, want that of SWANCTL_DIR", Dir())
	}
}

// TestLab has that the configurations of the interoperability scenarios are good, and worth no warning but of their mode.
func TestLab(t *testing.T) {
	files, err := filepath.Glob("../testdata/lab/*/*/s*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		// Certificates and keys are made by the lab.
		load := func(path string) ([]Warning, error) {
			_, w, err := Loader{ConnectionsOnly: true}.Load(path)
			return w, err
		}
		if filepath.Base(file) == "strongswan.conf" {
			load = func(path string) ([]Warning, error) { _, w, err := LoadStrongswan(path); return w, err }
		}
		warnings, err := load(file)
		if err != nil {
			t.Errorf("%s is refused: %v", file, err)
		}
		for _, w := range warnings {
			if !strings.Contains(w.Error(), "can be read by others") {
				t.Errorf("%s: %v", file, w)
			}
		}
	}
}

// TestErrorsAreProblems has that a caller can take the joined error apart.
func TestErrorsAreProblems(t *testing.T) {
	_, _, err := Loader{}.Parse("x.conf", []byte(site("version = 3\nproposal = x", "")))
	var first *Problem
	if !errors.As(err, &first) || first.At.Line != 3 || first.Fix == "" {
		t.Fatalf("the error is %v, want problems of which the first is on line 3", err)
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("the error %v holds not two problems", err)
	}
}

// TestMessages has sections as vici makes them: lists are lists, nothing has a place.
func TestMessages(t *testing.T) {
	var none settings.Position
	s := settings.New("", none)
	s.SetList("local_addrs", []string{"192.0.2.1"}, none)
	s.SetList("proposals", []string{"aes256gcm16-prfsha384-x25519", "default"}, none)
	s.Set("rekey_time", "1h", none)
	for _, side := range []string{"local", "remote"} {
		s.Ensure(side, none).Set("auth", "psk", none)
	}
	child := s.Ensure("children", none).Ensure("net", none)
	child.SetList("local_ts", []string{"10.1.0.0/24", "10.3.0.0/24[tcp/443]"}, none)
	child.SetList("remote_ts", nil, none)
	c, warnings, err := Connection("site", s)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if c.Name != "site" || len(c.Proposals) != 3 || c.RekeyTime != time.Hour || len(c.Children[0].LocalTS) != 2 || !c.Children[0].RemoteTS[0].Dynamic {
		t.Errorf("the message is read as %+v with child %+v", c, c.Children[0])
	}
	child.Set("mode", "transport", none)
	_, _, err = Connection("site", s)
	if want := "connections.site.children.net.mode: transport mode is not supported in this version of goswan; write tunnel"; err == nil || err.Error() != want {
		t.Errorf("the error is %v, want %s", err, want)
	}
}

func TestShared(t *testing.T) {
	var none settings.Position
	s := settings.New("load-shared", none)
	s.Set("id", "ike-1", none)
	s.Set("type", "ike", none)
	s.Set("data", "0x\x00\xff;a=", none)
	s.SetList("owners", []string{"a.example", "C=CH, CN=b"}, none)
	got, warnings, err := Shared(s)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if got.Name != "ike-1" || got.Kind != core.SecretIKE || string(got.Key) != "0x\x00\xff;a=" || len(got.Owners) != 2 {
		t.Errorf("the message is read as %+v with %d octets, want the octets as they came", got, len(got.Key))
	}
	s.Set("type", "private", none)
	s.Set("data", "", none)
	_, _, err = Shared(s)
	want := "load-shared: \"private\" is not a type of shared key; send IKE, EAP, XAUTH, NTLM or PPK\nload-shared: data has 0 octets; 1 to 65536 are a secret"
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
	s.Set("type", "XAUTH", none)
	s.Set("data", "x", none)
	if got, warnings, err = Shared(s); err != nil || got.Kind != core.SecretEAP || len(warnings) != 0 {
		t.Errorf("an XAuth secret is read as %+v, %v, %v; want kind EAP and no warning", got, warnings, err)
	}
	s.Set("type", "NTLM", none)
	want = "load-shared: the secret has 1 octets, and an NT hash has 16; write it as 0x and 32 hexadecimal digits; a password is the secret of a section eap…"
	if _, _, err = Shared(s); err == nil || err.Error() != want {
		t.Errorf("a short NT hash gives %v, want %s", err, want)
	}
	s.Set("data", "0123456789abcdef", none)
	if got, warnings, err = Shared(s); err != nil || got.Kind != core.SecretNTLM || len(warnings) != 0 {
		t.Errorf("an NT hash is read as %+v, %v, %v; want kind NTLM and no warning", got, warnings, err)
	}
}

func TestPoolAndAuthority(t *testing.T) {
	var none settings.Position
	s := settings.New("", none)
	s.Set("addrs", "10.3.0.0/24", none)
	s.SetList("dns", []string{"10.3.0.1", "10.3.0.2"}, none)
	s.Set("28", "text", none)
	p, warnings, err := Pool("p", s)
	if err != nil || len(warnings) > 0 || p.Name != "p" || p.Addrs != "10.3.0.0/24" ||
		!reflect.DeepEqual(p.Attributes, []core.Attribute{{Type: 3, Value: []byte{10, 3, 0, 1}}, {Type: 3, Value: []byte{10, 3, 0, 2}}, {Type: 28, Value: []byte("text")}}) {
		t.Errorf("the pool is read as %+v, %v, %v", p, warnings, err)
	}
	a := settings.New("", none)
	a.Set("file", "/nowhere/ca.pem", none)
	a.Set("slot", "1", none)
	a.SetList("crl_uris", []string{"http://x/crl", "ldap://y/z"}, none)
	got, warnings, err := Loader{}.Authority("ca", a)
	want := "authorities.ca.file: there is no file /nowhere/ca.pem; write a path, or the name of a file in the directory x509ca beside swanctl.conf"
	if got != nil || len(warnings) != 0 || err == nil || err.Error() != want {
		t.Errorf("an authority without a certificate is read as %+v, %v, %v; want %s", got, warnings, err, want)
	}
	for _, base := range []string{"", "pki.example/certs/", "ldap://pki.example/", "http:///certs/", "http://[/"} {
		a.Set("cert_uri_base", base, none)
		_, _, err := Loader{}.Authority("ca", a)
		if want := "authorities.ca.cert_uri_base: \"" + base + "\" is not an http URL; write the beginning of a URL, as http://pki.example/certs/"; err == nil || err.Error() != want {
			t.Errorf("cert_uri_base = %s is read with %v, want %s", base, err, want)
		}
	}
}

// TestHosts has what remote_addrs takes.
func TestHosts(t *testing.T) {
	good := []string{"%any", "%any4", "%any6", "192.0.2.1", "2001:db8::1", "fe80::1%eth0", "10.0.0.0/8", "2001:db8::/32", "10.0.0.1-10.0.0.9", "gw.example.org", "my-gw", "x_1.example", "bücher.example", "1.pool.example"}
	bad := []string{"%default", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.256", "1.2.3", "300", "a b", "-x", ".x", "x;y", "2001:db8::zz", strings.Repeat("x", 254)}
	for _, host := range good {
		if err := checkHost(host); err != nil {
			t.Errorf("%s is refused: %v", host, err)
		}
	}
	for _, host := range bad {
		if err := checkHost(host); err == nil {
			t.Errorf("%s is accepted", host)
		}
	}
}

// TestLoaderDefaults has strongswan.conf's part in what swanctl.conf leaves out.
func TestLoaderDefaults(t *testing.T) {
	charon := DefaultCharon()
	charon.Port, charon.ReplayWindow = 1500, 0
	catalog, _, err := Loader{Charon: charon}.Parse("x", []byte(site("", "")))
	if err != nil {
		t.Fatal(err)
	}
	if c := catalog.Connections[0]; c.LocalPort != 1500 || c.Children[0].ReplayWindow != 0 {
		t.Errorf("port %d and window %d, want charon.port and charon.replay_window: 1500 and 0", c.LocalPort, c.Children[0].ReplayWindow)
	}
}

// FuzzParse has that no text panics, and that every error says where it stands.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	f.Add(site("", ""))
	for _, pattern := range []string{"testdata/swanctl/*.conf", "testdata/strongswan/*.conf"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "include") {
			return // the fuzzer does not read the host's files
		}
		doc, err := settings.Parse("x.conf", []byte(text), nil)
		if err != nil {
			return
		}
		for _, load := range []func() error{
			func() error { _, _, err := Loader{}.decoder("").catalog(doc); return err },
			func() error { _, _, err := readStrongswan(doc); return err },
		} {
			err := load()
			if err == nil {
				continue
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "x.conf:") {
					t.Errorf("an error does not begin with its place: %q", err)
				}
			}
		}
	})
}

// TestPoolAttributes has what each attribute is in a Configuration payload. RFC 7296 §3.15.1
func TestPoolAttributes(t *testing.T) {
	for _, c := range []struct {
		key, value string
		want       string // number and octets in hexadecimal
	}{
		{"dns", "10.0.0.1, fd00::1", "3:0a000001 10:fd000000000000000000000000000001"},
		{"nbns", "10.0.0.1", "4:0a000001"},
		{"dhcp", "10.0.0.1", "6:0a000001"},
		{"netmask", "255.255.255.0", "2:ffffff00"},
		{"server", "10.0.0.1", "23456:0a000001"},
		{"subnet", "10.2.0.0/16, fd00:2::/64", "13:0a020000ffff0000 15:fd00000200000000000000000000000040"},
		{"p_cscf", "10.0.0.1", "20:0a000001"},
		{"split_include", "10.2.0.0/16", "28676:0a020000ffff0000000000000000"},
		{"split_exclude", "10.2.0.0/16", "28678:0a020000ffff0000000000000000"},
		{"25", "corp.example", "25:636f72702e6578616d706c65"},
		{"13", "10.2.0.0/16", "13:0a020000ffff0000"},
		{"split_include", "fd00::/64", "fd00:: is IPv6, which the attribute does not have"},
		{"dns", "example.org", `"example.org" is neither an address nor a network`},
		{"40000", "x", "no such attribute"},
		{"dnss", "10.0.0.1", "no such attribute"},
	} {
		s := settings.New("", settings.Position{})
		s.Set("addrs", "10.3.0.0/24", settings.Position{})
		s.Set(c.key, c.value, settings.Position{})
		p, _, err := Pool("p", s)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s = %s gives %v, want %s", c.key, c.value, err, c.want)
			}
			continue
		}
		var got []string
		for _, a := range p.Attributes {
			got = append(got, fmt.Sprintf("%d:%x", a.Type, a.Value))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s = %s is %s, want %s", c.key, c.value, strings.Join(got, " "), c.want)
		}
	}
}
