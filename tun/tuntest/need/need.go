// Package need ends tests that lack something around them: a program of others, root, a network namespace.
package need

import (
	"os"
	"testing"
)

// Lacking skips a test and says why. Where the environment insists, as it does on the lab (`go doc ./cmd/goswan/lab`), the test
// fails instead: what did not run must not pass for green.
func Lacking(t testing.TB, why string) {
	t.Helper()
	lab := os.Getenv("GOSWAN_LAB")
	if lab == "require" || os.Getenv("CI") == "true" && lab != "" {
		t.Fatalf("FAILED: GOSWAN_LAB=require or CI=true insists on this test: %s", why)
	}
	t.Skipf("SKIPPED: %s", why)
}
