package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// TestExamples reads every configuration under docs/example, without a warning. The one with certificates needs files beside it:
// TestExampleWithCertificates reads it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../docs/example/*/swanctl.conf")
	if err != nil || len(files) < 8 {
		t.Fatalf("there are %d examples (%v), want eight at least", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "certificates" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		charon, more := exampleSettings(t, filepath.Dir(file))
		catalog, warnings, err := Loader{Charon: charon}.Parse("swanctl.conf", text)
		warnings = append(more, warnings...)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", file, err, warnings)
			continue
		}
		conn := catalog.Connections[0]
		switch filepath.Base(filepath.Dir(file)) {
		case "gateway":
			if len(conn.Pools) != 2 || len(catalog.Pools) != 2 || len(catalog.Pools[0].Attributes) != 2 {
				t.Errorf("the gateway has pools %v of %v", conn.Pools, catalog.Pools)
			}
		case "roadwarrior":
			if !slices.Equal(conn.VIPs, []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}) {
				t.Errorf("the laptop asks for %v", conn.VIPs)
			}
		case "eap-gateway":
			if r := conn.Remote[0]; !reflect.DeepEqual(r.EAP, core.EAP{Method: eap.TypeMSCHAPv2, IDSet: true}) || len(catalog.Secrets) != 2 {
				t.Errorf("the gateway's users authenticate by %+v with %d secrets", r.EAP, len(catalog.Secrets))
			}
		case "eap-laptop":
			if r := conn.Local[0]; r.EAP.Method != eap.TypeMSCHAPv2 || r.EAP.ID.Data != "alice" || conn.Remote[0].Method != core.AuthPubkey {
				t.Errorf("the laptop authenticates by %+v", r)
			}
		case "eap-radius-gateway":
			if r := charon.RADIUS; !conn.Remote[0].EAP.RADIUS || len(r.Servers) != 2 || r.Servers[0].Name != "first" || !r.Accounting || !r.ClassGroup {
				t.Errorf("the gateway asks %+v", r)
			}
		}
	}
}

// exampleSettings reads the strongswan.conf beside an example, as if nobody else could; without one it has the defaults.
func exampleSettings(t *testing.T, dir string) (*Charon, []Warning) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "strongswan.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strongswan(t, string(text))
}
