package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPKI goes the way of README.md: a CA, two certificates, revocation.
func TestPKI(t *testing.T) {
	t.Chdir(t.TempDir())
	phrase := "phrase"
	if err := os.WriteFile(phrase, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("short", []byte("abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gateway := filepath.Join("pki", "issued", "x509", "vpn.example.org.pem")
	ca := filepath.Join("pki", "ca.pem")
	for _, c := range []struct {
		args   string
		status int
		stdout string
		stderr string
	}{
		{"pki", exitUsage, "", "a command is missing: ca, issue, revoke"},
		{"pki ca", exitUsage, "", `name the CA: --name "Example CA"`},
		{"pki ca --name x --lifetime never", exitUsage, "", `"never" is no lifetime: write 365d, 12m or 2y`},
		{"pki ca --name x --key rsa512", exitFailed, "", "goswan: --key rsa512: RSA keys are made with 2048, 3072 or 4096 bits"},
		{"pki ca --dn nonsense", exitUsage, "", `"nonsense" is not an attribute`},
		{"pki issue --gateway vpn.example.org", exitFailed, "", "there is no CA in pki: make one with `goswan pki ca --dir pki"},
		{"pki list", exitFailed, "", "there is no CA in pki"},
		{"pki ca --name x --passphrase-file short", exitFailed, "", "short: a passphrase has at least 8 characters"},
		{"pki ca --dn C=CH,O=Example,CN=Example-CA --passphrase-file phrase", exitDone, "is for nobody: keep it off the gateway", ""},
		{"pki ca --name again", exitFailed, "", "there is a CA already; use another --dir"},
		{"pki list", exitDone, "nothing was issued yet", ""},
		{"pki issue", exitUsage, "", "say whom it is for: --gateway NAME or --client NAME"},
		{"pki issue --gateway vpn.example.org --ca-passphrase-file none", exitFailed, "", "open none: no such file"},
		{"pki issue --gateway *.example.org --ca-passphrase-file phrase", exitFailed, "", "a wildcard proves no identity of IKE"},
		{"pki issue --gateway vpn.example.org --san 192.0.2.1 --ca-passphrase-file phrase", exitDone, "wrote " + gateway, ""},
		{"pki issue --gateway vpn.example.org --ca-passphrase-file phrase", exitFailed, "", gateway + " exists; nothing is overwritten"},
		{"pki issue --client alice@example.org --p12 alice.p12 --p12-passphrase-file phrase --ca-passphrase-file phrase", exitDone, "wrote alice.p12", ""},
		{"pki issue --client b --csr b.csr --p12 b.p12", exitUsage, "", "with --csr there is no private key here"},
		{"pki list", exitDone, "alice@example.org", ""},
		{"pki show alice.p12 --passphrase-file phrase", exitDone, "alice@example.org (RFC822_ADDR)", ""},
		{"pki show", exitUsage, "", "show: expected files"},
		{"pki verify", exitUsage, "", "--cert and --ca are needed"},
		{"pki verify --cert " + gateway + " --ca " + ca + " --at someday", exitUsage, "", "is no time"},
		{"pki verify --cert " + gateway + " --ca " + ca + " --revocation never", exitUsage, "", "use strict, ifuri or relaxed"},
		{"pki verify --cert " + gateway + " --ca " + ca + " --id vpn.example.org", exitDone, "ok: a peer that trusts this CA accepts it", ""},
		{"pki verify --cert " + gateway + " --ca " + ca + " --id other.example.org", exitFailed, "", "a peer refuses it: peer presented SANs [vpn.example.org, 192.0.2.1], CN vpn.example.org"},
		{"pki verify --cert " + gateway + " --ca " + ca + " --at 2001-01-01", exitFailed, "", "check the clock of this host"},
		{"pki verify --cert " + gateway + " --ca " + ca + " --revocation strict", exitFailed, "", "revocation = strict demands an answer"},
		{"pki revoke", exitUsage, "", "expected the file, serial number or name of one certificate"},
		{"pki revoke vpn.example.org --reason superseded --ca-passphrase-file phrase", exitDone, "revoked C=CH, O=Example, CN=vpn.example.org", ""},
		{"pki crl --lifetime 7d --ca-passphrase-file phrase", exitDone, "revoked      1", ""},
		{"pki verify --cert " + gateway + " --ca " + ca + " --crl " + filepath.Join("pki", "crl.pem"), exitFailed, "", "superseded, says the CRL of C=CH, O=Example"},
		{"pki export --cert " + gateway + " --key " + filepath.Join("pki", "issued", "private", "vpn.example.org.key") + " --out gw.p12 --passphrase-file phrase", exitDone, "wrote gw.p12", ""},
		{"pki export", exitUsage, "", "--cert, --key and --out are needed"},
	} {
		status, stdout, stderr := goswanRun(t, strings.Fields(c.args)...)
		if runtime.GOOS == "windows" {
			stderr = strings.ReplaceAll(stderr, "The system cannot find the file specified.", "no such file or directory")
		}
		if status != c.status || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("goswan %s exits with %d, want %d, and %q in its output and %q in its errors; they are:\n%s\n%s", c.args, status, c.status, c.stdout, c.stderr, stdout, stderr)
		}
	}
	if info, err := os.Stat(filepath.Join("pki", "ca.key")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the CA's key has the mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestEveryCommandOfPKIHasHelpWithAnExample(t *testing.T) {
	for _, c := range newPKI().Commands() {
		if c.Short == "" || !strings.Contains(c.Example, "goswan pki "+c.Name()) {
			t.Errorf("goswan pki %s has no help text with an example", c.Name())
		}
	}
}
