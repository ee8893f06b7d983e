package vici

import "testing"

func TestPrintable(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"no such thing", "no such thing"},
		{"first\nsecond\n", "first; second"},
		{"tab\there", "tab here"},
		{"id \"b\u00e4r\"\x00\xff", `id "b?r"??`},
		{"", ""},
	} {
		if got := printable(test.text); got != test.want {
			t.Errorf("printable(%q) is %q, want %q", test.text, got, test.want)
		}
	}
}
