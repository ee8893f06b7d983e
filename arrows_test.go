package goswan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/goswan/goswan"

// listed is what `go list -json` tells about a package.
type listed struct {
	ImportPath string
	Imports    []string // directly
	Deps       []string // and by way of others
}

// arrow is a rule of the import picture: packages under from must not depend on packages under to, not even by way of
// others. A path stands for its whole tree; except is for paths within to.
type arrow struct {
	from   string
	to     []string
	except []string
}

// packet is a leaf: the shapes of super-packets and trains, which the data path and the devices both need.
const packet = "tun/packet"

// top is what stands above the engines.
var top = []string{"config", "vici", "cmd", "bench", "."}

// arrows is the import picture. Arrows point one way: only the root package joins IKE, ESP, the devices and control.
var arrows = []arrow{
	{from: "ike", to: append([]string{"esp/engine", "esp/encap", "tun"}, top...), except: []string{packet}},
	{from: "esp", to: append([]string{"ike"}, top...)},
	{from: "crypto", to: append([]string{"ike", "esp", "tun"}, top...)},
	{from: "tun", to: append([]string{"ike", "esp", "crypto"}, top...)},
	{from: packet, to: []string{"tun"}, except: []string{packet}},
	{from: "config", to: []string{"esp/engine", "esp/encap", "ike/ikev2", "ike/ikev1", "tun", "vici", "cmd", "bench", "."}, except: []string{packet}},
	{from: "config/settings", to: []string{"crypto", "esp", "ike", "tun", "config"}, except: []string{"config/settings"}},
	{from: "vici", to: []string{"esp/engine", "esp/encap", "ike/ikev2", "ike/ikev1", "tun", "cmd", "bench", "."}, except: []string{packet}},
	{from: ".", to: []string{"cmd", "bench"}},
}

// commands is all that the commands may import directly: the root package, config and vici, and the packages whose types
// the root package's Config, events and status are made of, and the benchmarks; for goswan pki what judges certificates, and
// what is beneath that; for goswan export and import the types that a connection is made of. The engines they reach through
// the root package alone.
var commands = []string{".", "config", "vici", "bench", "cmd", "ike", "ike/core", "esp/encap", "tun", "tun/netstack", "tun/route", packet,
	"config/creds", "config/settings", "ike/auth", "ike/eap", "ike/fetch", "ike/radius", "crypto/secret", "crypto/sig", "crypto/suite", "esp/spd"}

// TestArrows holds the import picture on every operating system that goswan is built for.
func TestArrows(t *testing.T) {
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		t.Run(system, func(t *testing.T) {
			packages := list(t, system)
			if len(packages) == 0 {
				t.Fatal("go list found no packages, so nothing was checked")
			}
			for _, violation := range violations(packages) {
				t.Error(violation)
			}
		})
	}
}

// list is every package of the module with its imports.
func list(t *testing.T, system string) (packages []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, said.String())
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// violations are the arrows that point the wrong way, a sentence each.
func violations(packages []listed) (all []string) {
	for _, p := range packages {
		name, ok := local(p.ImportPath)
		if !ok {
			continue
		}
		for _, rule := range arrows {
			if !under(name, rule.from) {
				continue
			}
			for _, dep := range p.Deps {
				if d, ok := local(dep); ok && anyUnder(d, rule.to) && !anyUnder(d, rule.except) && d != name {
					all = append(all, fmt.Sprintf("%s depends on %s, but nothing under %s may", name, d, rule.from))
				}
			}
		}
		all = append(all, joins(name, p.Imports)...)
	}
	return all
}

// joins are the imports by which a package does what the root package alone may: join IKE to the data path.
func joins(name string, imports []string) (all []string) {
	var ike, engine bool
	for _, path := range imports {
		d, ok := local(path)
		if !ok {
			continue
		}
		ike = ike || under(d, "ike")
		engine = engine || under(d, "esp/engine")
		if under(name, "cmd") && !slices.Contains(commands, d) && !under(d, "cmd") && !under(d, "bench") {
			all = append(all, fmt.Sprintf("%s imports %s, but a command reaches that only through the root package", name, d))
		}
	}
	if ike && engine && name != "." {
		all = append(all, fmt.Sprintf("%s joins ike and esp/engine, but only the root package may", name))
	}
	return all
}

// local is a package's path within the module, "." for the root.
func local(path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// under tells whether a package is in a tree. The tree of "." is the root package alone.
func under(name, tree string) bool {
	return name == tree || tree != "." && strings.HasPrefix(name, tree+"/")
}

func anyUnder(name string, trees []string) bool {
	return slices.ContainsFunc(trees, func(tree string) bool { return under(name, tree) })
}

// TestArrowsSeen shows that the check finds what it is there for.
func TestArrowsSeen(t *testing.T) {
	for _, test := range []struct {
		name  string
		deps  []string
		count int
	}{
		{"ike/ikev2", []string{"ike/core", "esp", "esp/spd", "tun/packet", "crypto/suite"}, 0},
		{"ike/ikev2", []string{"esp/engine"}, 1},
		{"ike", []string{"esp/encap", "tun", "config"}, 3},
		{"ike/auth", []string{"tun/route"}, 1},
		{"esp/engine", []string{"esp", "esp/encap", "tun", "tun/packet"}, 0},
		{"esp/sad", []string{"ike/core"}, 1},
		{"esp", []string{"."}, 1},
		{"crypto/suite", []string{"crypto/encr"}, 0},
		{"crypto/suite", []string{"esp", "ike/header"}, 2},
		{"tun/packet", []string{"tun"}, 1},
		{"config", []string{"config/settings", "ike/core", "esp/spd", "tun/packet"}, 0},
		{"config", []string{"vici"}, 1},
		{"config/settings", []string{"config"}, 1},
		{".", []string{"ike", "esp/engine", "tun", "vici", "config"}, 0},
		{".", []string{"cmd/goswan"}, 1},
		{"bench", []string{"ike", "esp/engine"}, 1},
		{"cmd/goswan", []string{".", "config", "vici", "ike/core", "cmd/goswan/lab"}, 0},
		{"cmd/goswan", []string{"bench/crypto", "bench/report"}, 0},
		{"cmd/goswan", []string{"esp/engine"}, 1},
		{"cmd/goswan", []string{"ike/ikev2"}, 1},
		{"espresso", []string{"ike"}, 0},
	} {
		p := listed{ImportPath: strings.TrimSuffix(module+"/"+test.name, "/.")}
		for _, dep := range append(test.deps, "fmt", "example.com/ike") {
			if dep != "fmt" && dep != "example.com/ike" {
				dep = strings.TrimSuffix(module+"/"+dep, "/.")
			}
			p.Deps, p.Imports = append(p.Deps, dep), append(p.Imports, dep)
		}
		if found := violations([]listed{p}); len(found) != test.count {
			t.Errorf("%s importing %v breaks the picture %d times, want %d: %v", test.name, test.deps, len(found), test.count, found)
		}
	}
}
