package profile

import (
	"crypto/rand"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

const phrase = "correct horse"

// gateway is a gateway's directory with a CA, a certificate, and a client's key.
type gateway struct {
	dir   string
	alice *Identity
}

var laptops = `connections {
  laptops {
    version = 2
    local_addrs = vpn.example.org
    local {
      auth = pubkey
      certs = vpn.example.org.pem
      id = vpn.example.org
    }
    remote {
      auth = pubkey
      id = *@example.org
    }
    children {
      net {
        local_ts = 10.1.0.0/24, fd00:1::/64
        esp_proposals = aes256gcm16-ecp384, aes256gcm16-x25519
      }
    }
  }
}
`

// newGateway makes one, whose certificate has a key of a type.
func newGateway(t testing.TB, kind, conf string) gateway {
	t.Helper()
	dir := t.TempDir()
	subject, err := auth.ParseIdentity("C=CH, O=Example, CN=Example CA")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	ca, err := pki.Create(rand.Reader, now, pki.NewAuthority{Dir: filepath.Join(dir, "pki"), Subject: subject, Key: "ecdsa256", Lifetime: pki.CALifetime})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ca.Issue(now, pki.Request{Gateway: "vpn.example.org", Key: kind, Lifetime: pki.LeafLifetime}, "vpn")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Write(dir, "vpn.example.org", nil); err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(now, pki.Request{Client: "alice@example.org", Key: "ecdsa384", Lifetime: pki.LeafLifetime}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	p12, err := pki.EncodeP12(rand.Reader, client.Key, client.Certificate, client.Chain, secret.Bytes(phrase), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return gateway{dir, &Identity{P12: p12, Certificate: client.Certificate}}
}

func (g gateway) load(t testing.TB) *core.Catalog {
	t.Helper()
	catalog, _, err := config.Load(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

// over is the gateway with clients that authenticate in another way.
func (g gateway) over(t testing.TB, remote string) *core.Catalog {
	t.Helper()
	conf := strings.Replace(laptops, "remote {\n      auth = pubkey\n      id = *@example.org\n    }", remote, 1)
	if conf == laptops {
		t.Fatal("the client's way to authenticate was not found in the configuration")
	}
	if err := os.WriteFile(filepath.Join(g.dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return g.load(t)
}

// over writes a section remote.
func over(method string) string {
	return "remote {\n auth = " + method + "\n eap_id = %any\n }"
}

// client is New that has to do.
func client(t testing.TB, c *core.Catalog, o Options) *Client {
	t.Helper()
	o.Now = time.Now()
	got, _, err := New(c, c.Connections[0].Name, o)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var sharedKey = `connections {
  office {
    local_addrs = 192.0.2.1
    pools = p
    proposals = aes256-sha256-modp2048
    mobike = no
    dpd_delay = 30s
    local {
      auth = psk
      id = vpn.example.org
    }
    remote {
      auth = psk
      id = *@example.org
    }
    children {
      all {
        local_ts = 0.0.0.0/0, ::/0
      }
    }
  }
}
pools {
  p {
    addrs = 10.3.0.0/24
    subnet = 10.1.0.0/24
  }
}
secrets {
  ike-alice {
    id = alice@example.org
    secret = "of <alice> & \"nobody\""
  }
  ike-bob {
    id = bob@example.org
    secret = bobs
  }
}
`

// made are the clients of every; keys take time to make.
var made map[string]*Client

// every are clients of every method, each the caller's own.
func every(t testing.TB) map[string]*Client {
	t.Helper()
	if made == nil {
		made = makeEvery(t)
	}
	out := map[string]*Client{}
	for name, c := range made {
		own := *c
		out[name] = &own
	}
	return out
}

func makeEvery(t testing.TB) map[string]*Client {
	ec, rsa := newGateway(t, "ecdsa256", laptops), newGateway(t, "rsa2048", laptops)
	psk := gateway{dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(psk.dir, "swanctl.conf"), []byte(sharedKey), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]*Client{
		"psk":                   client(t, psk.load(t), Options{User: "alice@example.org", PSK: true}),
		"certificate":           client(t, ec.load(t), Options{Identity: ec.alice}),
		"certificate elsewhere": client(t, rsa.load(t), Options{}),
		"eap":                   client(t, ec.over(t, over("eap-mschapv2")), Options{User: "alice"}),
		"eap of anybody":        client(t, rsa.over(t, over("eap-radius")), Options{}),
		"eap-tls":               client(t, rsa.over(t, over("eap-tls")), Options{Identity: rsa.alice}),
		"certificate and eap": client(t, ec.over(t, "remote-1 {\n id = *@example.org\n }\n remote-2 {\n auth = eap\n eap_id = %any\n }"),
			Options{Identity: ec.alice, User: "alice"}),
	}
}

func TestTheClientIsTheOtherSideOfTheGateway(t *testing.T) {
	all := every(t)
	c := all["certificate"]
	if c.Server != "vpn.example.org" || c.Name != c.Server || c.ServerID != (auth.Identity{Type: auth.IDFQDN, Data: "vpn.example.org"}) {
		t.Errorf("the client connects to %q, calls it %q and expects %q", c.Server, c.Name, c.ServerID)
	}
	if want := (auth.Identity{Type: auth.IDRFC822Addr, Data: "alice@example.org"}); c.LocalID != want {
		t.Errorf("the client says that it is %q, and its certificate that it is %q", c.LocalID, want)
	}
	if want := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00:1::/64")}; !slices.Equal(c.Networks, want) {
		t.Errorf("the networks behind the gateway are %v, want %v", c.Networks, want)
	}
	if len(c.CAs) != 1 || c.CAs[0].Presents().CN != "Example CA" || c.Issuer != "Example CA" {
		t.Errorf("the client trusts %v, issuer %q", c.CAs, c.Issuer)
	}
	psk := all["psk"]
	if string(psk.Secret) != `of <alice> & "nobody"` || psk.Networks != nil || !psk.Subnets || psk.Mobike || psk.Server != "192.0.2.1" {
		t.Errorf("with a pre-shared key: networks %v, subnets %v, MOBIKE %v, server %s, and whether the key is alice's: %v",
			psk.Networks, psk.Subnets, psk.Mobike, psk.Server, string(psk.Secret) == `of <alice> & "nobody"`)
	}
	if e := all["eap"]; e.Method != EAP || e.User != "alice" || !e.LocalID.IsAny() || all["eap of anybody"].User != "" || all["eap-tls"].Method != EAPTLS {
		t.Error("EAP is not told apart from EAP-TLS, or has no user")
	}
}

func TestWhatNoClientCanDoIsRefused(t *testing.T) {
	g := newGateway(t, "ecdsa256", laptops)
	replace := func(from, to string) string { return strings.Replace(laptops, from, to, 1) }
	shared := func(from, to string) string { return strings.Replace(sharedKey, from, to, 1) }
	for _, c := range []struct {
		conf string
		o    Options
		want string
	}{
		{laptops, Options{Server: "a b"}, `--server "a b" is neither a host name nor an address`},
		{laptops, Options{Server: "10.1"}, `--server "10.1" is neither`},
		{laptops, Options{Child: "nett"}, `did you mean "net"?`},
		{laptops, Options{User: "bob@example.org", Identity: g.alice}, `the client's certificate does not name "bob@example.org"`},
		{laptops, Options{User: "bob@other.example"}, `requires the id "*@example.org" of its clients, and "bob@other.example" does not fit`},
		{laptops, Options{Name: "a\nb"}, "characters in it that do not print"},
		{replace("id = *@example.org", "id = carol@example.org"), Options{Identity: g.alice}, `requires the id "carol@example.org"`},
		{replace("local_addrs = vpn.example.org\n", "local_addrs = 10.0.0.0/8, 10.0.0.1-10.0.0.9, %any\n"), Options{}, ""},
		{strings.Replace(replace("local_addrs = vpn.example.org\n", ""), "      id = vpn.example.org\n", "", 1), Options{}, "say --server NAME"},
		{replace("local_ts", "mode = drop\n local_ts"), Options{}, "no child for clients to use"},
		{sharedKey, Options{User: "alice@example.org"}, "say --with-psk"},
		{sharedKey, Options{PSK: true}, `takes clients with the id "*@example.org": say which one it is for, --user NAME`},
		{sharedKey, Options{PSK: true, User: "carol@example.org"}, `there is no secret for "vpn.example.org" and "carol@example.org"`},
		{shared("id = bob@", "id = alice@"), Options{PSK: true, User: "alice@example.org"}, "the secrets ike-alice and ike-bob are both for"},
		{sharedKey, Options{PSK: true, User: "alice@example.org", Identity: g.alice}, "a certificate of theirs has no use"},
		{shared("auth = psk", "auth = pubkey"), Options{PSK: true}, "one side has a pre-shared key and the other has not"},
		{replace("auth = pubkey\n      id = *@", "auth = eap-peap\n      eap_id = *@"), Options{}, "its method of EAP is PEAP"},
		{replace("auth = pubkey\n      id = *@", "auth = eap\n      eap_id = *@"), Options{User: "bob"}, `requires the eap_id "*@example.org" of its users, and "bob" does not fit`},
		{replace("auth = pubkey\n      id = *@", "auth = eap\n      eap_id = *@"), Options{User: "bob@example.org"}, ""},
		{replace("    remote {", "    remote-0 {\n auth = eap\n eap_id = x\n }\n    remote {"), Options{}, "a signature and then EAP with a password"},
		{replace("    local {", "    local-0 {\n auth = pubkey\n }\n    local {"), Options{}, "several rounds of authentication (RFC 4739)"},
	} {
		if err := os.WriteFile(filepath.Join(g.dir, "swanctl.conf"), []byte(c.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		catalog := g.load(t)
		_, _, err := New(catalog, catalog.Connections[0].Name, c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v of\n%s\nfails with %v, want %q", c.o, c.conf, err, c.want)
		}
	}
}

// TestNobodyIsRequired: a note that names what the gateway requires is for gateways that require something.
func TestNobodyIsRequired(t *testing.T) {
	g := newGateway(t, "ecdsa256", laptops)
	for remote, want := range map[string]string{
		"remote {\n auth = pubkey\n }":                          "who it says that it is",
		"remote {\n auth = pubkey\n id = \"*.example.org\"\n }": `who it says that it is; the gateway requires the id "*.example.org"`,
	} {
		_, notes, err := New(g.over(t, remote), "laptops", Options{Now: time.Now()})
		if err != nil || len(notes) == 0 || !strings.HasSuffix(notes[len(notes)-1], want) {
			t.Errorf("%s gives the notes %q and %v, want the last to end in %q", remote, notes, err, want)
		}
	}
}

// TestWithoutNetworksAllTrafficGoesThere: what a client does then is told, for the gateway lets it reach nothing but itself.
func TestWithoutNetworksAllTrafficGoesThere(t *testing.T) {
	g := newGateway(t, "ecdsa256", laptops)
	for local, want := range map[string]bool{"dynamic": true, "dynamic, 10.1.0.0/24": false, "0.0.0.0/0": false} {
		conf := regexp.MustCompile(`local_ts = .*`).ReplaceAllString(laptops, "local_ts = "+local)
		if err := os.WriteFile(filepath.Join(g.dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		_, notes, err := New(g.load(t), "laptops", Options{Identity: g.alice, Now: time.Now()})
		if got := strings.Contains(strings.Join(notes, "\n"), "clients send all traffic into the tunnel"); err != nil || got != want {
			t.Errorf("local_ts = %s gives %v and the notes %q, told: %v", local, err, notes, got)
		}
	}
}

func TestTheClientsOwnKeyGoesBeforeThatOfAll(t *testing.T) {
	g := gateway{dir: t.TempDir()}
	conf := strings.Replace(sharedKey, "secrets {", "secrets {\n ike-all {\n id = vpn.example.org\n secret = ofall\n }\n", 1)
	if err := os.WriteFile(filepath.Join(g.dir, "swanctl.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"bob@example.org": "bobs", "carol@example.org": "ofall"} {
		if got := client(t, g.load(t), Options{User: user, PSK: true}); string(got.Secret) != want {
			t.Errorf("%s gets another key than %q", user, want)
		}
	}
}

func TestWithoutItsCANoProfileIsWritten(t *testing.T) {
	g := newGateway(t, "ecdsa256", laptops)
	if err := os.RemoveAll(filepath.Join(g.dir, "x509ca")); err != nil {
		t.Fatal(err)
	}
	_, _, err := New(g.load(t), "laptops", Options{})
	if err == nil || !strings.Contains(err.Error(), `put the certificate of "C=CH, O=Example, CN=Example CA" into the directory x509ca`) {
		t.Errorf("a gateway whose CA is not known has the error %v", err)
	}
}

func TestWhatPlatformsDemandOfTheGateway(t *testing.T) {
	of := func(kind string, o Options, change func(*Client)) *Client {
		c := client(t, newGateway(t, kind, laptops).load(t), o)
		if change != nil {
			change(c)
		}
		return c
	}
	noUsage := func(c *Client) {
		x := *c.Gateway.X509
		x.ExtKeyUsage = nil
		got, err := auth.NewCertificate(&x)
		if err != nil {
			t.Fatal(err)
		}
		c.Gateway = got
	}
	all := every(t)
	for name, c := range map[string]struct {
		write func(*Client) ([]byte, []string, error)
		c     *Client
		want  string
	}{
		"Apple, Ed25519":          {Mobileconfig, of("ed25519", Options{}, nil), "RSA keys and ECDSA keys of 256, 384 and 521 bits"},
		"Windows, Ed25519":        {PowerShell, of("ed25519", Options{}, nil), "takes certificates with RSA keys and ECDSA keys"},
		"Apple, no serverAuth":    {Mobileconfig, of("ecdsa256", Options{}, noUsage), "for iOS and macOS the gateway's certificate needs serverAuth"},
		"Windows, no serverAuth":  {PowerShell, of("ecdsa256", Options{}, noUsage), "for Windows the gateway's certificate needs serverAuth"},
		"Windows, another name":   {PowerShell, of("ecdsa256", Options{Server: "192.0.2.1"}, nil), `for Windows the gateway's certificate needs "192.0.2.1" as subjectAltName`},
		"Apple, another name":     {Mobileconfig, of("ecdsa256", Options{Server: "192.0.2.1"}, nil), ""},
		"Android, Ed25519":        {SSwan, of("ed25519", Options{}, nil), ""},
		"Windows, PSK":            {PowerShell, all["psk"], "has no pre-shared keys"},
		"Android, PSK":            {SSwan, all["psk"], "has no pre-shared keys"},
		"Apple, a port":           {Mobileconfig, of("ecdsa256", Options{}, func(c *Client) { c.Port = 4501 }), "listens on 4501"},
		"Windows, a port":         {PowerShell, of("ecdsa256", Options{}, func(c *Client) { c.Port = 4501 }), "listens on 4501"},
		"Windows, a name of dirs": {PowerShell, of("ecdsa256", Options{Name: `a\b`}, nil), "the name of a connection of Windows"},
		"Apple, a DN": {Mobileconfig, of("ecdsa256", Options{}, func(c *Client) { c.ServerID = c.Gateway.DN() }),
			"write one that its certificate has as subjectAltName into id of local"},
	} {
		_, _, err := c.write(c.c)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
	}
}

func TestTheStrongestCommonProposalIsChosen(t *testing.T) {
	const none = "can do none of the"
	for _, c := range []struct {
		p        *platform
		protocol suite.Protocol
		text     string
		want     string // in keywords, or in the error
	}{
		{apple, suite.IKE, "default", "aes256gcm16-prfsha512-ecp521"},
		{apple, suite.IKE, "aes128-sha256-modp2048, aes256gcm16-prfsha256-x25519", "aes256gcm16-prfsha256-x25519"},
		{apple, suite.IKE, "aes256-sha384-prfsha384-ecp384", "aes256-sha384-ecp384"},
		{apple, suite.IKE, "aes256-sha384-prfsha256-ecp384", none},
		{apple, suite.IKE, "aes256-sha1-modp1024", "add aes256gcm16-prfsha384-ecp384"},
		{apple, suite.IKE, "chacha20poly1305-prfsha256-x25519", "chacha20poly1305-prfsha256-x25519"},
		{apple, suite.ESP, "default", "aes256gcm16"},
		{apple, suite.ESP, "aes128gcm16-ecp256, aes256gcm16-ecp384", "aes256gcm16-ecp384"},
		{apple, suite.ESP, "aes256gcm16-mlkem768", none},
		{apple, suite.ESP, "aes256gcm16-mlkem768-none", "aes256gcm16"},
		{apple, suite.ESP, "aes256gcm16-esn", none},
		{apple, suite.ESP, "aes256gcm16-esn-noesn", "aes256gcm16"},
		{windows, suite.IKE, "default", "aes256gcm16-prfsha384-ecp384"},
		{windows, suite.IKE, "aes256-sha512-ecp384", none},
		{windows, suite.IKE, "aes256-sha256-modp2048", "aes256-sha256-modp2048"},
		{windows, suite.ESP, "default", "aes256gcm16"},
		{windows, suite.ESP, "aes256-sha384", "add aes256gcm16-ecp384"},
		{windows, suite.ESP, "aes256-sha256-modp2048", "aes256-sha256-modp2048"},
		{android, suite.IKE, "default", "aes256gcm16-prfsha512-ecp521"},
		{android, suite.IKE, "camellia256-sha256-x25519", none},
		{android, suite.ESP, "chacha20poly1305-x25519", "chacha20poly1305-x25519"},
	} {
		list, err := suite.Parse(c.protocol, c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.p.choose(c.protocol, list, "`proposals`")
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s and %q: %v, want %q", c.p.name, c.text, err, c.want)
			}
			continue
		}
		if words := got.proposal(c.protocol).Keywords(); words != c.want {
			t.Errorf("%s and %q agree on %s, want %s", c.p.name, c.text, words, c.want)
		}
		if _, _, ok := suite.Select([]suite.Proposal{got.proposal(c.protocol)}, list, true); !ok {
			t.Errorf("the gateway refuses %s, which was made of its own %s", got.proposal(c.protocol), c.text)
		}
	}
}

func TestWhatIsToBeAddedIsThereThen(t *testing.T) {
	for _, p := range []*platform{apple, android, windows} {
		for protocol, text := range map[suite.Protocol]string{suite.IKE: p.addIKE, suite.ESP: p.addESP} {
			list, err := suite.Parse(protocol, text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.choose(protocol, list, ""); err != nil {
				t.Errorf("%s is told to be what %s needs: %v", text, p.name, err)
			}
		}
	}
}

func TestUUIDsStayTheSame(t *testing.T) {
	// What uuid.uuid5(uuid.NAMESPACE_URL, …) of Python prints, in capitals.
	if got := uuid("goswan.vpn.example.org.laptops"); got != "6CA1580D-1AD2-58B2-A09C-56484B31553E" {
		t.Errorf("the UUID is %s", got)
	}
	all := every(t)
	c := all["certificate"]
	first, _, err := Mobileconfig(c)
	if err != nil {
		t.Fatal(err)
	}
	second, _, _ := Mobileconfig(c)
	if string(first) != string(second) {
		t.Error("two exports of the same configuration differ, so that the device would have both")
	}
}
