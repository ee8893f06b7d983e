package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const laptopsConfig = `connections {
  laptops {
    local {
      auth = pubkey
      id = vpn.example.org
    }
    remote {
      auth = pubkey
      id = *@example.org
    }
    children {
      net {
        local_ts = 10.1.0.0/24
      }
    }
  }
}
`

// TestExportAndImport goes the way of README.md: a gateway's connection to a client's file, and back.
func TestExportAndImport(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"phrase": "correct horse\n", "wrong": "wrong horse\n", "no.mobileconfig": "<plist/>"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join("gw", "swanctl.conf")
	wrote := "wrote " + filepath.Join("in", "pkcs12", "vpn-example-org.p12")
	key := " --cert " + filepath.Join("gw", "x509", "alice@example.org.pem") + " --key " + filepath.Join("gw", "private", "alice@example.org.key")
	for _, c := range []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"pki ca --name Example", exitDone, "", ""},
		{"pki issue --gateway vpn.example.org --out gw", exitDone, "", ""},
		{"pki issue --client alice@example.org --p12 alice.p12 --p12-passphrase-file phrase --out gw", exitDone, "", ""},
		{"write " + conf, exitDone, "", ""},
		{"export", exitUsage, "", "export: expected the name of one connection"},
		{"export laptops -c gw", exitUsage, "", `--format "": use mobileconfig, sswan or powershell`},
		{"export laptop -c gw --format sswan", exitFailed, "", `there is no connection "laptop"; did you mean "laptops"?`},
		{"export laptops -c none --format sswan", exitFailed, "", "no such file or directory"},
		{"export laptops -c gw --format sswan --cert x", exitUsage, "", "--p12 FILE, or --cert FILE with --key FILE"},
		{"export laptops -c gw --format sswan --p12 alice.p12 --p12-passphrase-file wrong", exitFailed, "", "encrypted with another passphrase"},
		{"export laptops -c gw --format sswan", exitDone, `"type": "ikev2-cert"`, "note: without --p12"},
		{"export laptops -c gw --format mobileconfig --p12 alice.p12 --p12-passphrase-file phrase --out a.mobileconfig", exitDone, "wrote a.mobileconfig", "warning: the client's private key"},
		{"export laptops -c gw --format mobileconfig --out a.mobileconfig", exitFailed, "", "a.mobileconfig exists"},
		{"export laptops -c gw --format powershell" + key + " --p12-passphrase-file phrase --out a.ps1", exitDone, "wrote a.ps1", "warning: the client's private key"},
		{"export laptops -c gw --format powershell --out a.ps1 --force", exitDone, "wrote a.ps1", ""},
		{"import", exitUsage, "", "import: expected one file"},
		{"import none", exitFailed, "", "no such file or directory"},
		{"import no.mobileconfig", exitFailed, "", `no.mobileconfig: PayloadType is ""`},
		{"import a.mobileconfig --out in", exitDone, wrote, ""},
		{"import a.mobileconfig --out in", exitFailed, "", "nothing is overwritten: move it away, or write to another place, or say --force"},
		{"import a.mobileconfig --out in --force", exitDone, "to do: the passphrase of pkcs12/vpn-example-org.p12", ""},
		{"check --swanctl-dir in", exitDone, "ok: 1 connection, 1 child", ""},
	} {
		if file, ok := strings.CutPrefix(c.args, "write "); ok {
			if err := os.WriteFile(file, []byte(laptopsConfig), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		status, stdout, stderr := goswanRun(t, strings.Fields(c.args)...)
		if runtime.GOOS == "windows" {
			stderr = strings.ReplaceAll(stderr, "The system cannot find the file specified.", "no such file or directory")
		}
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("goswan %s exits with %d, want %d, and %q in its output and %q in its errors; they are:\n%s\n%s", c.args, status, c.status, c.stdout, c.stderr, stdout, stderr)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	for file, want := range map[string]os.FileMode{"a.mobileconfig": 0o600, "a.ps1": 0o644, filepath.Join("in", "swanctl.conf"): 0o600,
		filepath.Join("in", "pkcs12", "vpn-example-org.p12"): 0o600, filepath.Join("in", "x509ca", "Example.pem"): 0o644} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has the mode %v (%v), want %o", file, info, err, want)
		}
	}
}
