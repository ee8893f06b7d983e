package status

import "testing"

func TestStandings(t *testing.T) {
	for s, want := range map[Status]struct {
		name   string
		usable bool
	}{
		Unimplemented: {"unimplemented", false}, Default: {"default", true}, Legacy: {"legacy", true},
		Refused: {"refused", false}, 77: {"status 77", false},
	} {
		if s.String() != want.name || s.Usable() != want.usable {
			t.Errorf("standing %d is called %q and usable %v, want %q and %v", uint8(s), s, s.Usable(), want.name, want.usable)
		}
	}
	if (Status)(0) != Unimplemented {
		t.Error("a row that forgets its standing is usable")
	}
}
