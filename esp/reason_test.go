package esp

import "testing"

// TestReasonNames: each reason has a name of its own.
func TestReasonNames(t *testing.T) {
	seen := map[string]Reason{}
	for r := range reasons {
		name := r.String()
		if other, twice := seen[name]; name == "" || twice {
			t.Errorf("reason %d is called %q, like %d", r, name, other)
		}
		seen[name] = r
	}
	if reasons.String() != "unknown" {
		t.Errorf("a reason that does not exist is called %q", reasons)
	}
}
