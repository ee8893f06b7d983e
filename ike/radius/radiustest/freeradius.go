package radiustest

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goswan/goswan/ike/eap/eaptest"
)

const (
	// FreeRADIUSProgram is of the Debian package freeradius.
	FreeRADIUSProgram = "/usr/sbin/freeradius"
	// FreeRADIUSReady is in the line that it prints when it listens.
	FreeRADIUSReady = "Ready to process requests"
)

// FreeRADIUSConfig is what may differ between one FreeRADIUS and another. All do EAP in all its kinds and write accounts.
type FreeRADIUSConfig struct {
	// Address is where it listens, on the ports 1812 and 1813; the zero value is 127.0.0.1. Clients may ask it; the zero value is
	// that same address.
	Address netip.Addr
	Clients netip.Prefix
	// PKI has its certificate, and the CA of its users'.
	PKI *eaptest.PKI
	// Users is the file of that name: for each user its password and, indented, what it is granted:
	//
	//	alice Cleartext-Password := "correct horse"
	//		Framed-IP-Address = 10.3.2.1,
	//		Class = 0x7374616666
	Users string
}

// FreeRADIUS is one that is configured; whoever has a namespace for it runs Command there.
type FreeRADIUS struct {
	Command          []string
	Auth, Accounting netip.AddrPort
	Dir              string // of its files
}

// NewFreeRADIUS writes the configuration of a FreeRADIUS into a directory that ends with the test.
func NewFreeRADIUS(t testing.TB, c FreeRADIUSConfig) *FreeRADIUS {
	t.Helper()
	if !c.Address.IsValid() {
		c.Address = netip.MustParseAddr("127.0.0.1")
	}
	clients := c.Clients.String()
	if !c.Clients.IsValid() {
		clients = c.Address.String()
	}
	files := Certificates(t, c.PKI)
	files["radiusd.conf"] = strings.NewReplacer("@ADDRESS@", c.Address.String(), "@CLIENTS@", clients, "@SECRET@", Secret).Replace(freeradiusConf)
	files["users"], files["dictionary"] = c.Users+"DEFAULT\n\tFall-Through = yes\n", ""
	dir := Write(t, files)
	return &FreeRADIUS{
		Command: []string{FreeRADIUSProgram, "-X", "-d", dir}, Dir: dir,
		Auth: netip.AddrPortFrom(c.Address, 1812), Accounting: netip.AddrPortFrom(c.Address, 1813),
	}
}

// Accounts are the records that it has been told, as text; "" before the first.
func (f *FreeRADIUS) Accounts(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.Dir, "detail"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// Write puts files into a directory that ends with the test; in them @DIR@ stands for it.
func Write(t testing.TB, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, "@DIR@", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Certificates are the files that a server or a supplicant needs of a PKI.
func Certificates(t testing.TB, pki *eaptest.PKI) map[string]string {
	t.Helper()
	return map[string]string{
		"ca.pem":     string(eaptest.CertificatePEM(pki.Authority.Raw)),
		"server.pem": string(eaptest.CertificatePEM(pki.Server.Certificate[0])), "server.key": string(eaptest.KeyPEM(t, pki.Server)),
		"client.pem": string(eaptest.CertificatePEM(pki.Client.Certificate[0])), "client.key": string(eaptest.KeyPEM(t, pki.Client)),
	}
}

// freeradiusConf is a whole configuration: one kind of client, users in a file, EAP in all its kinds, accounts in a file.
const freeradiusConf = `
prefix = /usr
libdir = /usr/lib/freeradius
logdir = @DIR@
run_dir = @DIR@
raddbdir = @DIR@
pidfile = @DIR@/freeradius.pid
max_request_time = 30
max_requests = 65536
cleanup_delay = 5
log {
	destination = stdout
}
security {
	max_attributes = 200
	reject_delay = 0
	status_server = no
	allow_vulnerable_openssl = yes
}
proxy_requests = no
client nas {
	ipaddr = @CLIENTS@
	secret = @SECRET@
	require_message_authenticator = yes
}
modules {
	pap {
	}
	mschap {
	}
	files {
		usersfile = @DIR@/users
	}
	detail {
		filename = @DIR@/detail
	}
	eap {
		default_eap_type = md5
		timer_expire = 60
		max_sessions = 1024
		md5 {
		}
		gtc {
			auth_type = PAP
		}
		mschapv2 {
		}
		tls-config tls-common {
			private_key_file = @DIR@/server.key
			certificate_file = @DIR@/server.pem
			ca_file = @DIR@/ca.pem
			fragment_size = 500
			include_length = yes
			cipher_list = "DEFAULT"
			tls_min_version = "1.2"
			tls_max_version = "1.3"
			ecdh_curve = ""
			cache {
				enable = no
			}
		}
		tls {
			tls = tls-common
		}
		ttls {
			tls = tls-common
			default_eap_type = md5
			virtual_server = inner
		}
		peap {
			tls = tls-common
			default_eap_type = mschapv2
			virtual_server = inner
		}
	}
}
server default {
	listen {
		type = auth
		ipaddr = @ADDRESS@
		port = 1812
	}
	listen {
		type = acct
		ipaddr = @ADDRESS@
		port = 1813
	}
	authorize {
		files
		eap {
			ok = return
		}
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}
	accounting {
		detail
	}
}
server inner {
	authorize {
		files
		mschap
		eap {
			ok = return
		}
		pap
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type MS-CHAP {
			mschap
		}
		eap
	}
}
`
