package packet

import "testing"

func TestTheWidestAssemblyThatRunsIsChosen(t *testing.T) {
	for _, c := range []struct {
		no        bool
		processor []assembly
		want      assembly
	}{
		{false, nil, plain},
		{false, []assembly{avx2}, avx2},
		{false, []assembly{avx512}, avx512},
		{false, []assembly{avx2, avx512}, avx512},
		{true, []assembly{avx2, avx512}, plain},
	} {
		has := func(a assembly) bool {
			for _, x := range c.processor {
				if x == a {
					return true
				}
			}
			return false
		}
		if got := choose(c.no, has); got != c.want {
			t.Errorf("a processor with %v, GOSWAN_NOASM %v: %d is chosen, want %d", c.processor, c.no, got, c.want)
		}
	}
	if chosen != plain && !runs(chosen) {
		t.Errorf("%d is chosen, which does not run here", chosen)
	}
}
