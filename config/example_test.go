package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestExamples reads every configuration under docs/example, without a warning. The one with certificates needs files beside it:
// TestExampleWithCertificates reads it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../docs/example/*/swanctl.conf")
	if err != nil || len(files) < 5 {
		t.Fatalf("there are %d examples (%v), want five", len(files), err)
	}
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) == "certificates" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		catalog, warnings, err := Loader{}.Parse("swanctl.conf", text)
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
		}
	}
}
