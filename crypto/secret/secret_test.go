package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestNothingPrintsTheOctets(t *testing.T) {
	k := Bytes("hunter2")
	holder := struct{ Key Bytes }{k}
	j, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %q %x %X %d", k, k, k, k, k, k, k, k),
		fmt.Sprintf("%v %+v %#v", holder, holder, &holder), string(j),
		errors.New(fmt.Sprint("bad key ", k)).Error(),
	} {
		if strings.Contains(out, "hunter2") || strings.Contains(out, "68756e") || strings.Contains(out, "104 117") {
			t.Errorf("the secret shows in %q", out)
		}
		if !strings.Contains(out, "[redacted]") {
			t.Errorf("%q does not say [redacted]", out)
		}
	}
}

func TestWipeAndClone(t *testing.T) {
	k := Bytes("abc")
	c := k.Clone()
	k.Wipe()
	if !k.Equal(Bytes{0, 0, 0}) || !c.Equal(Bytes("abc")) {
		t.Errorf("after Wipe the key is %v octets zero, the clone untouched: want both", []byte(k))
	}
	if Bytes(nil).Clone() != nil {
		t.Error("the clone of no key is not nil")
	}
}
