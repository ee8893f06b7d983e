package config

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/ike/core"
)

// strongswan reads a text as strongswan.conf.
func strongswan(t *testing.T, text string) (*Charon, []Warning) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "strongswan.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := LoadStrongswan(path)
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

func TestCharonDefaults(t *testing.T) {
	c, warnings := strongswan(t, "")
	want := DefaultCharon()
	want.Socket = "unix:///run/charon.vici"
	if !reflect.DeepEqual(c, want) || len(warnings) > 0 {
		t.Errorf("an empty file is read as\n%+v\nwant\n%+v", c, want)
	}
	if c.RetransmitTries != 5 || c.RetransmitTimeout != 4*time.Second || c.RetransmitBase != 1.8 || c.KeepAlive != 20*time.Second ||
		c.Port != 500 || c.PortNATT != 4500 || c.CookieThreshold != 30 || c.CookieThresholdIP != 3 || c.BlockThreshold != 5 ||
		c.RoutingTable != 220 || !c.InstallRoutes || !c.MakeBeforeBreak {
		t.Errorf("the defaults are not strongSwan's: %+v", c)
	}
}

func TestCharon(t *testing.T) {
	c, warnings := strongswan(t, `charon {
	retransmit_tries = 3
	retransmit_timeout = 0.5
	retransmit_base = 1.25
	retransmit_jitter = 10
	retransmit_limit = 30
	keep_alive = 0
	half_open_timeout = 2m
	delete_rekeyed_delay = 1s
	close_ike_on_child_failure = yes
	make_before_break = no
	hash_and_url = yes
	signature_authentication = no
	rsa_pss = yes
	port = 1500
	port_nat_t = 0
	cookie_threshold = 0
	cookie_threshold_ip = 7
	block_threshold = 9
	init_limit_half_open = 100
	ikesa_limit = 50
	initiator_only = yes
	reuse_ikesa = no
	replay_window = 128
	install_routes = no
	routing_table = 0x10
	routing_table_prio = 99
	install_virtual_ip_on = dummy0
	plugins {
		resolve {
			file = /run/resolv.conf
		}
		vici {
			load = yes
			socket = unix:///run/a.vici
		}
	}
	filelog {
		charon {
			path = /var/log/charon.log
			default = 2
			ike = 3
			enc = -1
			append = no
			flush_line = yes
			time_format = %b %e %T
			time_add_ms = yes
		}
		stderr {
		}
	}
}
charon-systemd {
	retransmit_tries = 4
	filelog {
		charon {
			cfg = 1
			default = 0
		}
	}
}
goswan {
	tun = vpn7
	routing_table_prio = 98
}
`)
	if len(warnings) > 0 {
		t.Errorf("warnings without a reason: %v", warnings)
	}
	file := c.Logs[0].Source.File
	want := &Charon{
		Settings: core.Settings{
			RetransmitTries: 4, RetransmitTimeout: 500 * time.Millisecond, RetransmitBase: 1.25, RetransmitJitter: 10, RetransmitLimit: 30 * time.Second,
			HalfOpenTimeout: 2 * time.Minute, DeleteRekeyedDelay: time.Second, CloseIKEOnChildFailure: true, HashAndURL: true, RSAPSS: true,
			FragmentSize: core.DefaultSettings().FragmentSize, MaxIKEv1Exchanges: core.DefaultSettings().MaxIKEv1Exchanges,
			EAP: core.DefaultSettings().EAP,
		},
		Port: 1500, CookieThreshold: math.MaxInt, CookieThresholdIP: 7, BlockThreshold: 9, HalfOpenLimit: 100, IKESALimit: 50, InitiatorOnly: true,
		ReplayWindow: 128, RoutingTable: 16, RoutingTablePrio: 98,
		Logs: []LogFile{
			{Name: "charon", Path: "/var/log/charon.log", Levels: map[string]int{"ike": 3, "enc": -1, "cfg": 1}, TimeFormat: "%b %e %T", TimePrecision: "ms", Source: core.Position{File: file, Line: 39}},
			{Name: "stderr", Path: "stderr", Default: 1, Append: true, Levels: map[string]int{}, Source: core.Position{File: file, Line: 49}},
		},
		InstallVirtualIP: true, VirtualIPLink: "dummy0", ResolvConf: "/run/resolv.conf",
		VICI: "unix:///run/a.vici", Socket: "unix:///run/a.vici", TUN: "vpn7", RADIUS: defaultRADIUS(), denialProtection: true,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read\n%+v\nwant\n%+v", c, want)
	}
}

func TestCharonNoProtection(t *testing.T) {
	c, _ := strongswan(t, "charon { dos_protection = no }\nswanctl { socket = tcp://127.0.0.1:4502 }")
	if c.CookieThreshold != math.MaxInt || c.CookieThresholdIP != math.MaxInt || c.BlockThreshold != math.MaxInt {
		t.Errorf("without protection the thresholds are %d, %d and %d, want none", c.CookieThreshold, c.CookieThresholdIP, c.BlockThreshold)
	}
	if c.Socket != "tcp://127.0.0.1:4502" || c.VICI != DefaultSocket {
		t.Errorf("our command line speaks to %s and the daemon listens on %s, want each its own", c.Socket, c.VICI)
	}
}

// TestIgnored has that what has no meaning is named in one warning, and not without end.
func TestIgnored(t *testing.T) {
	var b strings.Builder
	b.WriteString("charon {\n")
	for range 3 {
		b.WriteString("threads = 16\nspi_min = 1\n")
	}
	for i := range 60 {
		b.WriteString("plugins { p" + strings.Repeat("x", i) + " { a = b } }\n")
	}
	b.WriteString("}\n")
	_, warnings := strongswan(t, b.String())
	if len(warnings) != 1 || !strings.Contains(warnings[0].What, "charon.threads, charon.spi_min, charon.plugins.p.a") || !strings.HasSuffix(warnings[0].What, "22 more") {
		t.Errorf("the warnings are %v, want one that names 40 settings", warnings)
	}
}

func TestStrongswanConfFromEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.conf")
	t.Setenv("STRONGSWAN_CONF", path)
	if _, _, err := LoadStrongswan(""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a named file that is not there gives %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(path, []byte("charon { port = 4 }"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, _, err := LoadStrongswan(""); err != nil || c.Port != 4 {
		t.Errorf("STRONGSWAN_CONF is not read: %+v, %v", c, err)
	}
}

func TestCheckSocket(t *testing.T) {
	for _, uri := range []string{"unix:///run/charon.vici", "unix://run/x", "tcp://127.0.0.1:4502", "tcp://[::1]:4502"} {
		if err := CheckSocket(uri); err != nil {
			t.Errorf("%s is refused: %v", uri, err)
		}
	}
	for _, uri := range []string{"", "/run/charon.vici", "unix://", "http://x", "unix:///" + strings.Repeat("x", 107), "%"} {
		if err := CheckSocket(uri); err == nil {
			t.Errorf("%s is accepted", uri)
		}
	}
}

// TestKnownNames has that no setting of strongSwan's is taken for a typing error of one that we have.
func TestKnownNames(t *testing.T) {
	for _, name := range strongswanNames {
		_, warnings := strongswan(t, "charon { "+name+" = 1 }")
		for _, w := range warnings {
			if strings.Contains(w.Error(), "did you mean") {
				t.Errorf("%s is taken for a typing error: %v", name, w)
			}
		}
	}
	for _, k := range charonSettings {
		for _, name := range strongswanNames {
			if k.name == name {
				t.Errorf("%s is both read and without a meaning", name)
			}
		}
	}
}
