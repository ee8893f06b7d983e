package config

import (
	"crypto/tls"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// rounds is a connection with one section local and one remote.
func rounds(local, remote string) string {
	return "connections {\n\tc {\n\t\tlocal {\n" + local + "\n\t\t}\n\t\tremote {\n" + remote + "\n\t\t}\n\t}\n}\n" +
		"secrets {\n\teap-carol {\n\t\tid = carol\n\t\tsecret = abc\n\t}\n}\n"
}

// TestEAPMethods has what each word of `auth` is.
func TestEAPMethods(t *testing.T) {
	for text, want := range map[string]core.EAP{
		"eap": {}, "EAP": {}, "eap-dynamic": {}, "eap-radius": {RADIUS: true},
		"eap-md5": {Method: eap.TypeMD5}, "eap-gtc": {Method: eap.TypeGTC}, "eap-mschapv2": {Method: eap.TypeMSCHAPv2}, "EAP-MSCHAPv2": {Method: eap.TypeMSCHAPv2},
		"eap-tls": {Method: eap.TypeTLS}, "eap-ttls": {Method: eap.TypeTTLS}, "eap-peap": {Method: eap.TypePEAP},
		"eap-4": {Method: eap.TypeMD5}, "eap-6": {Method: eap.TypeGTC}, "eap-13": {Method: eap.TypeTLS}, "eap-21": {Method: eap.TypeTTLS},
		"eap-25": {Method: eap.TypePEAP}, "eap-26": {Method: eap.TypeMSCHAPv2},
	} {
		catalog, _ := parse(t, rounds("auth = pubkey", "auth = "+text))
		got := catalog.Connections[0].Remote[0]
		if got.Method != core.AuthEAP || got.EAP != want {
			t.Errorf("auth = %s is %s %+v, want %+v", text, got.Method, got.EAP, want)
		}
		if hasTLS(want) != (got.Constraints.Text != "") {
			t.Errorf("auth = %s rules certificates by %q", text, got.Constraints.Text)
		}
	}
}

// TestEAPConstraints has what stands behind a colon.
func TestEAPConstraints(t *testing.T) {
	catalog, _ := parse(t, rounds("auth = pubkey", "auth = eap-tls:ecdsa-256-sha256"))
	want, err := sig.ParseConstraints("ecdsa-256-sha256", false)
	if got := catalog.Connections[0].Remote[0]; err != nil || got.EAP.Method != eap.TypeTLS || !reflect.DeepEqual(got.Constraints, want) {
		t.Errorf("the constraints are %+v, want %+v", got.Constraints, want)
	}
}

// TestPSSIsInConstraints has that charon.rsa_pss counts where pubkey is written, and where nothing is.
func TestPSSIsInConstraints(t *testing.T) {
	charon, _ := strongswan(t, "charon { rsa_pss = yes }")
	catalog, _, err := Loader{Charon: charon}.Parse("x", []byte(rounds("auth = pubkey", "id = carol")))
	if err != nil {
		t.Fatal(err)
	}
	if c := catalog.Connections[0]; !charon.RSAPSS || !c.Local[0].Constraints.PSS || !c.Remote[0].Constraints.PSS {
		t.Errorf("rsa_pss = yes is not in the constraints of %+v", c)
	}
}

func TestEAPKeys(t *testing.T) {
	catalog, warnings := parse(t, rounds(
		"auth = eap-ttls\nid = carol@example.org\neap_id = carol\naaa_id = aaa.example.org\nttls_inner = MSCHAPv2",
		"auth = pubkey\nid = vpn.example.org"))
	got := catalog.Connections[0].Local[0].EAP
	want := core.EAP{
		Method: eap.TypeTTLS, ID: auth.Identity{Type: auth.IDFQDN, Data: "carol"}, IDSet: true,
		ServerID: auth.Identity{Type: auth.IDFQDN, Data: "aaa.example.org"}, Inner: eap.InnerMSCHAPv2,
	}
	if got != want || len(warnings) > 0 {
		t.Errorf("the client's round is %+v, want %+v; warnings %v", got, want, warnings)
	}

	// The keys may stand before auth.
	charon, _ := strongswan(t, "charon { plugins { eap-radius { class_group = yes\n server = 192.0.2.1\n secret = abc\n } } }")
	catalog, warnings, err := Loader{Charon: charon}.Parse("x", []byte(rounds("auth = pubkey", "eap_id = %any\ngroups = staff, guests\nauth = eap-radius")))
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	remote := catalog.Connections[0].Remote[0]
	if remote.EAP != (core.EAP{RADIUS: true, IDSet: true}) || !slices.Equal(remote.Groups, []string{"staff", "guests"}) {
		t.Errorf("the gateway's round is %+v, want eap-radius that asks for the identity, and two groups", remote)
	}
}

// TestEAPRoundsTogether has which combinations of both sides are told to be wrong or unwise, by a part of the text.
func TestEAPRoundsTogether(t *testing.T) {
	const only, psk = "cannot be the only authentication (RFC 5998)", "has to prove itself by a certificate"
	for _, c := range []struct{ local, remote, error, warning string }{
		{"pubkey", "eap-mschapv2", "", ""},
		{"eap-mschapv2", "pubkey", "", ""},
		{"eap-gtc", "any", "", ""},
		{"eap-tls", "eap-tls", "", ""},
		{"eap-ttls", "eap-peap", "", ""},
		{"eap", "eap", "", ""},
		{"eap-mschapv2", "eap-mschapv2", only, ""},
		{"eap", "eap-md5", only, ""},
		{"eap-gtc", "eap-tls", only, ""},
		{"eap-mschapv2", "psk", "", psk},
		{"psk", "eap-tls", "", psk},
		{"psk", "psk", "", ""},
	} {
		text := rounds("auth = "+c.local, "auth = "+c.remote) + "secrets {\n\tike {\n\t\tsecret = abc\n\t}\n}\n"
		_, warnings, err := Loader{}.Parse("x", []byte(text))
		if c.error == "" && err != nil || c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error)) {
			t.Errorf("local %s and remote %s gives %v, want an error with %q", c.local, c.remote, err, c.error)
		}
		if text := said(warnings, nil); c.error == "" && c.warning == "" && text != "" || !strings.Contains(text, c.warning) {
			t.Errorf("local %s and remote %s gives\n%swant a warning with %q", c.local, c.remote, text, c.warning)
		}
	}
}

// TestEightRounds has the most rounds that there may be.
func TestEightRounds(t *testing.T) {
	var b strings.Builder
	b.WriteString("connections { c { local { \n auth = pubkey\n }\n")
	for _, n := range []string{"8", "7", "6", "5", "4", "3", "2", "1"} {
		b.WriteString("remote-" + n + " {\n auth = pubkey\n id = r" + n + "\n round = " + n + "\n }\n")
	}
	b.WriteString("} }\n")
	catalog, _ := parse(t, b.String())
	var ids []string
	for _, r := range catalog.Connections[0].Remote {
		ids = append(ids, r.ID.Data)
	}
	if want := "r1 r2 r3 r4 r5 r6 r7 r8"; strings.Join(ids, " ") != want {
		t.Errorf("the rounds are in the order %s, want %s", ids, want)
	}
}

// TestSecretsOfEveryRound has that a second round by pre-shared key wants a secret as well.
func TestSecretsOfEveryRound(t *testing.T) {
	text := `connections {
	c {
		local {
			auth = pubkey
			id = left.example
		}
		remote-1 {
			auth = pubkey
			id = right.example
		}
		remote-2 {
			auth = psk
			id = user.example
			round = 2
		}
	}
}
`
	_, _, err := Loader{}.Parse("x.conf", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "no secret for left.example and user.example") {
		t.Errorf("the error is %v, want that user.example has no secret", err)
	}
	for id, good := range map[string]bool{"user.example": true, "left.example": true, "right.example": false} {
		_, _, err := Loader{}.Parse("x.conf", []byte(text+"secrets { ike { \n id = "+id+"\n secret = abc\n } }\n"))
		if good != (err == nil) {
			t.Errorf("with a secret for %s: %v, want it good: %v", id, err, good)
		}
	}
}

// TestUsersByMethod has which secrets are enough for which methods.
func TestUsersByMethod(t *testing.T) {
	const hash = "secrets { ntlm-x { \n id = x\n secret = 0x8846f7eaee8fb117ad06bdd830b7586c\n } }\n"
	password := func(ids string) string { return "secrets { xauth-x { \n" + ids + " secret = abc\n } }\n" }
	const none, hashes, nobodys = "secrets has no passwords of users", "secrets has only NT hashes of users", "no user's name is in it"
	for _, c := range []struct {
		method, secrets string
		warnings        []string
	}{
		{"eap-mschapv2", "", []string{none}}, {"eap-mschapv2", hash, nil}, {"eap-peap", hash, nil}, {"eap", hash, nil},
		{"eap-gtc", hash, []string{hashes}}, {"eap-md5", hash, []string{hashes}}, {"eap-tls", "", nil}, {"eap-radius", "", nil}, {"pubkey", "", nil},
		{"eap-gtc", password("id = x\n"), nil}, {"eap-gtc", password(""), []string{none, nobodys}}, {"eap-gtc", password("id = %any\n"), []string{none, nobodys}},
		{"eap-tls", password(""), nil}, {"eap-radius", password(""), nil},
	} {
		text, _, _ := strings.Cut(rounds("auth = pubkey", "auth = "+c.method), "secrets")
		_, warnings := parse(t, text+c.secrets)
		for _, w := range []string{none, hashes, nobodys} {
			if got := strings.Contains(said(warnings, nil), w); got != slices.Contains(c.warnings, w) {
				t.Errorf("auth = %s with %q: warned that %s: %v: %v", c.method, c.secrets, w, got, warnings)
			}
		}
	}
	// What is inside a tunnel rules.
	charon := DefaultCharon()
	charon.EAP.TTLS = eap.TypeMD5
	text, _, _ := strings.Cut(rounds("auth = pubkey", "auth = eap-ttls"), "secrets")
	if _, warnings, err := (Loader{Charon: charon}).Parse("x", []byte(text+hash)); err != nil || !strings.Contains(said(warnings, nil), hashes) {
		t.Errorf("NT hashes with MD5 inside TTLS give %v and %v, want a warning", warnings, err)
	}
}

// TestOwnPasswords has which secret is the password of this host.
func TestOwnPasswords(t *testing.T) {
	for _, c := range []struct {
		local, secrets string
		warned         bool
	}{
		{"auth = eap-mschapv2\n eap_id = alice", "", true},
		{"auth = eap-mschapv2\n eap_id = alice", "eap { \n id = Alice\n secret = x\n }", false},
		{"auth = eap-mschapv2\n eap_id = alice", "eap { \n id = bob\n secret = x\n }", true},
		{"auth = eap-mschapv2\n eap_id = alice", "eap { \n secret = x\n }", false},
		{"auth = eap-mschapv2\n eap_id = alice", "ike { \n secret = x\n }", true},
		{"auth = eap-mschapv2\n eap_id = \"CORP\\\\alice\"", "eap { \n id = alice\n secret = x\n }", false},
		{"auth = eap-peap\n id = alice@example.org", "eap { \n id = alice@example.org\n secret = x\n }", false},
		{"auth = eap-peap", "eap { \n id = alice@example.org\n secret = x\n }", false},
		{"auth = eap", "", true},
		{"auth = eap-tls", "", false},
	} {
		text, _, _ := strings.Cut(rounds(c.local, "auth = pubkey"), "secrets")
		_, warnings := parse(t, text+"secrets {\n"+c.secrets+"\n}\n")
		if got := strings.Contains(said(warnings, nil), "secrets has no password of"); got != c.warned {
			t.Errorf("%q with %q: warned %v, want %v: %v", c.local, c.secrets, got, c.warned, warnings)
		}
	}
	text, _, _ := strings.Cut(rounds("auth = eap-peap\n id = gw", "auth = eap-peap"), "secrets")
	if _, warnings := parse(t, text); strings.Contains(said(warnings, nil), "secrets has no password of") {
		t.Errorf("a gateway that proves itself inside EAP is told to have a password: %v", warnings)
	}
}

// TestNumbersOfRounds has numbers that do not say in which order the rounds are.
func TestNumbersOfRounds(t *testing.T) {
	for _, c := range []struct{ first, second, want string }{
		{"", "", ""}, {"round = 1", "round = 2", ""}, {"round = 2", "round = 1", ""}, {"", "round = 1", ""},
		{"round = 1", "round = 1", "x.conf:9: connections.c.remote: round = 1 is that of the section at x.conf:5, too: that one comes first; give each its own number"},
		{"round = 1", "", "x.conf:9: connections.c.remote: there is no round in it, so that it comes before the section at x.conf:5 with round = 1; write `round = …` in each section"},
	} {
		_, warnings := parse(t, "connections {\n c {\n local {\n }\n remote-1 {\n auth = pubkey\n "+c.first+"\n }\n remote-2 {\n auth = pubkey\n "+c.second+"\n }\n }\n}\n")
		if got := strings.TrimSpace(said(warnings, nil)); got != strings.TrimSpace(strings.TrimSuffix("warning: "+c.want, "warning: ")) {
			t.Errorf("%q and %q give\n%s\nwant\n%s", c.first, c.second, got, c.want)
		}
	}
}

// TestNothingToJudge has certificates where no method shows one.
func TestNothingToJudge(t *testing.T) {
	r := &round{Auth: core.Auth{Method: core.AuthEAP, EAP: core.EAP{Method: eap.TypeMSCHAPv2}, CACerts: []*auth.Certificate{nil}, PublicKeys: []*auth.PublicKey{nil}}}
	d := Loader{}.decoder("")
	d.checkEAP(r, at{path: "r"})
	if got := said(d.warnings, nil); !strings.Contains(got, "r: a certificate has no effect with auth = eap-mschapv2") || !strings.Contains(got, "r: pubkeys has no effect") {
		t.Errorf("a CA and a key of a round by MSCHAPv2 give\n%s", got)
	}
	r.EAP.Method, r.PublicKeys, d = eap.TypePEAP, nil, Loader{}.decoder("")
	if d.checkEAP(r, at{path: "r"}); len(d.warnings) > 0 {
		t.Errorf("a CA of a round by PEAP gives %v", d.warnings)
	}
}

func TestCharonEAP(t *testing.T) {
	c, warnings := strongswan(t, `libtls {
	version_min = 1.2
	version_max = 1.2
}
charon {
	rsa_pss = yes
	tls {
		version_max = 1.3
	}
	plugins {
		eap-dynamic {
			preferred = peap, gtc peap
			prefer_user = yes
		}
		eap-tls {
			fragment_size = 1400
			max_message_count = 32
			include_length = no
		}
		eap-ttls {
			fragment_size = 900
			max_message_count = 500
			phase2_method = md5
			phase2_piggyback = yes
			phase2_tnc = no
			phase2_tnc_method = pt
			request_peer_auth = yes
		}
		eap-peap {
			max_message_count = 0
			phase2_method = GTC
			request_peer_auth = yes
		}
	}
}
charon-systemd {
	plugins {
		eap-ttls {
			fragment_size = 1000
		}
	}
}
`)
	want := core.EAPSettings{
		Preferred:  []eap.Type{eap.TypePEAP, eap.TypeGTC, eap.TypeTLS, eap.TypeTTLS, eap.TypeMSCHAPv2},
		PreferUser: true, TTLS: eap.TypeMD5, PEAP: eap.TypeGTC, TTLSCertificate: true, PEAPCertificate: true,
		FragmentSize: 1000, MaxRounds: 500, MinTLS: tls.VersionTLS12, MaxTLS: tls.VersionTLS13,
	}
	if !reflect.DeepEqual(c.EAP, want) || !c.RSAPSS || len(warnings) > 0 {
		t.Errorf("the settings are %+v, want %+v; warnings %v", c.EAP, want, warnings)
	}
	for text, want := range map[string]bool{"no": true, "yes": false} {
		if c, _ = strongswan(t, "libtls { extended_master_secret = "+text+" }"); c.EAP.WithoutEMS != want {
			t.Errorf("extended_master_secret = %s takes TLS 1.2 without it: %v, want %v", text, c.EAP.WithoutEMS, want)
		}
	}
	if c, _ = strongswan(t, "charon { plugins { eap-tls { max_message_count = 100 } } }"); c.EAP.MaxRounds != 0 {
		t.Errorf("a bound of 100 packets is %d, want goswan's own, which is above it", c.EAP.MaxRounds)
	}
}
