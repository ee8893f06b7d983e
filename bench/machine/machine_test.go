package machine

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/goswan/goswan/bench/report"
)

// TestDescribe: what is described can be written, and what Go itself knows is in it.
func TestDescribe(t *testing.T) {
	t.Setenv("GOSWAN_NOASM", "1")
	m := Describe()
	if m.LogicalCPUs < 1 || m.GOMAXPROCS < 1 || m.OS != runtime.GOOS || m.Arch != runtime.GOARCH || m.Go != runtime.Version() || !m.NoASM {
		t.Errorf("the machine is %+v", m)
	}
	if err := report.Encode(&bytes.Buffer{}, &report.Run{Bench: "crypto", Machine: m}); err != nil {
		t.Errorf("%+v cannot be written: %v", m, err)
	}
}

func TestNominal(t *testing.T) {
	for name, want := range map[string]float64{
		"Intel(R) Xeon(R) Gold 6230 CPU @ 2.10GHz": 2100, "AMD EPYC 9354 32-Core Processor": 0, "": 0,
	} {
		if got := nominal(name); got != want {
			t.Errorf("%q runs at %v MHz, want %v", name, got, want)
		}
	}
}
