package aescbc

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// vectored is the mode in assembly, or the test is skipped where it cannot run.
func vectored(t *testing.T, key []byte) *vector {
	t.Helper()
	if !accelerated {
		t.Skip("this processor lacks what the assembly needs, or GOSWAN_NOASM=1")
	}
	_, m, err := New(key)
	v, ok := m.(*vector)
	if err != nil || !ok {
		t.Fatalf("New makes a %T where the assembly runs: %v", m, err)
	}
	return v
}

func TestPrintsNothingOfTheKey(t *testing.T) {
	v := vectored(t, random(30, 16))
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
		if got := fmt.Sprintf(verb, v); got != "[redacted]" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

func TestWipe(t *testing.T) {
	v := vectored(t, random(31, 32))
	if v.keys == (schedule{}) {
		t.Fatal("a keyed mode has no key schedule")
	}
	v.Wipe()
	if v.keys != (schedule{}) {
		t.Error("Wipe leaves something of the key schedule")
	}
	defer func() {
		if recover() == nil {
			t.Error("a wiped mode deciphers")
		}
	}()
	v.CryptBlocks(make([]byte, blockSize), make([]byte, blockSize))
}

// The switch is read at start, so a second process tells.
func TestNoAssemblyWhereTheEnvironmentSaysSo(t *testing.T) {
	if os.Getenv("GOSWAN_NOASM") == "1" {
		_, m, err := New(make([]byte, 16))
		if _, vectors := m.(*vector); accelerated || vectors || err != nil {
			t.Errorf("GOSWAN_NOASM=1 and yet the mode is a %T: %v", m, err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoAssemblyWhereTheEnvironmentSaysSo$")
	cmd.Env = append(os.Environ(), "GOSWAN_NOASM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with GOSWAN_NOASM=1: %v\n%s", err, out)
	}
}
