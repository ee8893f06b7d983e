//go:build linux

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadme runs the two-site example of README.md as it is printed there.
func TestReadme(t *testing.T) {
	requireLab(t)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- two sites: a test runs this block -->\n```sh\n")
	block, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("README.md has lost its two-site example")
	}
	t.Cleanup(func() {
		// Only what a failed run left; after a good one none of it is there.
		for _, ns := range []string{"site-a", "site-b"} {
			_ = exec.Command("ip", "netns", "delete", ns).Run()
		}
	})
	// When a command fails, the daemons that the block started must not outlive it.
	cmd := exec.Command("bash", "-euc", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"+block)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the example in README.md fails: %v\n%s", err, out)
	}
	for _, want := range []string{`"net" is up`, "3 received, 0% packet loss", "ESTABLISHED", "10.2.0.0/24 === 10.1.0.0/24", `"net" is down`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the example in README.md does not print %q:\n%s", want, out)
		}
	}
	if _, err := os.Stat("/run/netns/site-a"); err == nil {
		t.Error("the example leaves its namespaces behind")
	}
}
