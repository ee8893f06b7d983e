package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
)

// radiusOf reads settings of eap-radius.
func radiusOf(t *testing.T, text string) (RADIUS, []Warning) {
	t.Helper()
	c, warnings := strongswan(t, "charon {\n\tplugins {\n\t\teap-radius {\n"+text+"\n\t\t}\n\t}\n}\n")
	return c.RADIUS, warnings
}

// TestRADIUSDefaults has a plugin as distributions ship it.
func TestRADIUSDefaults(t *testing.T) {
	got, warnings := radiusOf(t, "load = yes\ndae {\n}\nforward {\n}\nservers {\n}\nxauth {\n}\n")
	want := RADIUS{CloseOnTimeout: true, StationPort: true, Tries: 4, Timeout: 2 * time.Second, Base: 1.4}
	if !reflect.DeepEqual(got, want) || len(warnings) > 0 {
		t.Errorf("the defaults are %+v, want %+v; warnings %v", got, want, warnings)
	}
}

func TestRADIUS(t *testing.T) {
	got, warnings := radiusOf(t, `accounting = yes
accounting_interval = 5m
accounting_requires_vip = yes
accounting_send_class = yes
accounting_close_on_timeout = no
close_all_on_timeout = yes
class_group = yes
filter_id = yes
station_id_with_port = no
eap_start = yes
id_prefix = 6
nas_identifier = gw.example.org
retransmit_tries = 3
retransmit_timeout = 1.5
retransmit_base = 2
servers {
	second {
		address = 2001:db8::1
		secret = "0xab"
		port = 1645
	}
	first {
		address = aaa.example.org
		secret = b
		port = 1645
		auth_port = 2812
		acct_port = 2813
		sockets = 20
		preference = 10
		nas_identifier = gw
	}
	third {
		address = 192.0.2.3
		secret = c
		acct_port = 0
	}
}`)
	want := RADIUS{
		Servers: []RADIUSServer{
			{Name: "first", Address: "aaa.example.org", AuthPort: 2812, AcctPort: 2813, Secret: secret.Bytes("b"), Preference: 10, NASIdentifier: "gw", MaxOpen: 20},
			// As in strongSwan 0x has no meaning here.
			{Name: "second", Address: "2001:db8::1", AuthPort: 1645, AcctPort: 1813, Secret: secret.Bytes("0xab")},
			{Name: "third", Address: "192.0.2.3", AuthPort: 1812, Secret: secret.Bytes("c")},
		},
		NASIdentifier: "gw.example.org", Accounting: true, AccountingInterval: 5 * time.Minute, RequiresVIP: true, SendClass: true,
		CloseAllOnTimeout: true, ClassGroup: true, FilterID: true, EAPStart: true, IDPrefix: "6",
		Tries: 3, Timeout: 1500 * time.Millisecond, Base: 2,
	}
	if !reflect.DeepEqual(got, want) || len(warnings) > 0 {
		t.Errorf("read\n%+v\nwant\n%+v\nwarnings %v", got, want, warnings)
	}
	if text := fmt.Sprintf("%+v %#v", got, got); strings.Contains(text, "0xab") {
		t.Errorf("the configuration shows a secret when it is printed: %s", text)
	}
}

// TestOneRADIUSServer has a server that stands in eap-radius itself: it is the only one.
func TestOneRADIUSServer(t *testing.T) {
	got, warnings := radiusOf(t, "server = 192.0.2.1\nsecret = abc\nport = 1645\nsockets = 5\nservers {\n\tother {\n\t\taddress = 192.0.2.2\n\t\tsecret = def\n\t}\n}\n")
	want := []RADIUSServer{{Address: "192.0.2.1", AuthPort: 1645, AcctPort: 1813, Secret: secret.Bytes("abc"), MaxOpen: 5}}
	if !reflect.DeepEqual(got.Servers, want) {
		t.Errorf("the servers are %+v, want %+v", got.Servers, want)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "charon.plugins.eap-radius.servers.other: has no effect beside `server`") {
		t.Errorf("the warnings are %v, want one of the other server", warnings)
	}
	if got, warnings = radiusOf(t, "secret = abc"); len(got.Servers) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "no server for it") {
		t.Errorf("a secret alone gives the servers %+v and warnings %v", got.Servers, warnings)
	}
}

// TestRADIUSOfSeveralPrograms has that a later section adds to, and changes, what is there.
func TestRADIUSOfSeveralPrograms(t *testing.T) {
	c, warnings := strongswan(t, `charon { plugins { eap-radius {
	accounting = yes
	servers {
		a {
			address = 192.0.2.1
			secret = abc
		}
	}
} } }
goswan { plugins { eap-radius {
	accounting = no
	servers {
		a {
			secret = def
		}
		b {
			address = 192.0.2.2
			secret = ghi
		}
	}
} } }
`)
	servers := c.RADIUS.Servers
	if c.RADIUS.Accounting || len(servers) != 2 || !servers[0].Secret.Equal(secret.Bytes("def")) || servers[1].Name != "b" || len(warnings) > 0 {
		t.Errorf("the sections together are %+v, with warnings %v", c.RADIUS, warnings)
	}
}

func TestTooManyRADIUSServers(t *testing.T) {
	var b strings.Builder
	b.WriteString("charon { plugins { eap-radius { servers {\n")
	for i := range maxRADIUSServers + 1 {
		fmt.Fprintf(&b, "s%d {\naddress = 192.0.2.1\nsecret = abc\n}\n", i)
	}
	b.WriteString("} } } }\n")
	path := filepath.Join(t.TempDir(), "strongswan.conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LoadStrongswan(path); err == nil || !strings.Contains(err.Error(), "servers.s255: there are too many servers; keep 255") {
		t.Errorf("256 servers give %v, want that 255 are the most", err)
	}
}

// TestRADIUSSecretModes has the warning of a file that others can read: the one with the secret.
func TestRADIUSSecretModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the mode of a file says nothing on Windows")
	}
	dir := t.TempDir()
	main, part := filepath.Join(dir, "strongswan.conf"), filepath.Join(dir, "radius.conf")
	for path, text := range map[string]string{
		main: "charon { plugins {\n include radius.conf\n } }\n",
		part: "eap-radius {\n server = 192.0.2.1\n secret = abc\n}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o644: "radius.conf:3: charon.plugins.eap-radius: the file has secrets in it and can be read by others (mode 0644); run chmod 600 " + part,
	} {
		if err := os.Chmod(part, mode); err != nil {
			t.Fatal(err)
		}
		_, warnings, err := LoadStrongswan(main)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimPrefix(strings.TrimSpace(said(warnings, nil)), "warning: "+dir+"/")
		if got != want {
			t.Errorf("mode %04o gives the warning %q, want %q", mode, got, want)
		}
	}
}
