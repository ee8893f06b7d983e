package machine

import (
	"slices"
	"testing"
)

func TestParseCPUInfo(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       cpuInfo
	}{
		{"x86, of two processors the first", "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2445.406\nflags\t\t: fpu aes vaes\n\nprocessor\t: 1\nmodel name\t: other\n",
			cpuInfo{"AMD EPYC", []string{"fpu", "aes", "vaes"}, 2445.406}},
		{"ARM has no name", "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd aes pmull sha2\n", cpuInfo{flags: []string{"fp", "asimd", "aes", "pmull", "sha2"}}},
		{"nothing", "", cpuInfo{}},
		{"no number", "cpu MHz : fast\n", cpuInfo{}},
	} {
		got := parseCPUInfo(test.text)
		if got.model != test.want.model || got.mhz != test.want.mhz || !slices.Equal(got.flags, test.want.flags) {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}
