//go:build linux

package lab

import (
	"regexp"
	"strings"
	"testing"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// TestHarnessRaw reads what strongSwan 5.9.8 sent.
func TestHarnessRaw(t *testing.T) {
	const recorded = `list-sa event {site {uniqueid=2 version=2 state=ESTABLISHED local-host=192.0.2.2 local-port=4500 local-id=left.example initiator=yes initiator-spi=1ed792bab4bc9275 responder-spi=984b842967df3a47 encr-alg=AES_GCM_16 established=0 child-sas {net-1 {name=net uniqueid=1 state=DELETED spi-in=4e5a3014 spi-out=e253918f bytes-in=336 packets-in=4 local-ts=[10.1.0.0/24] remote-ts=[10.2.0.0/24]} web-4 {name=web uniqueid=4 state=INSTALLED spi-in=a2457547 spi-out=2fa1fd27 local-ts=[fd00:1::/64[tcp] fd00:9::/64] remote-ts=[fd00:2::/64[tcp/http-alt]]}}}}
list-sas reply {}
`
	sas, err := parseSAs(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if len(sas) != 1 || len(sas[0].Children) != 2 {
		t.Fatalf("parsed %v, want one IKE SA with two Child SAs", sas)
	}
	const want = "site ESTABLISHED 1ed792bab4bc9275_i 984b842967df3a47_r " +
		"[net DELETED in=4e5a3014 out=e253918f [10.1.0.0/24]===[10.2.0.0/24] " +
		"web INSTALLED in=a2457547 out=2fa1fd27 [fd00:1::/64[tcp] fd00:9::/64]===[fd00:2::/64[tcp/http-alt]]]"
	if got := sas[0].String(); got != want || !sas[0].Initiator {
		t.Errorf("parsed %q, want %q as initiator", got, want)
	}
	if got := len(sas[0].installed("net")); got != 0 {
		t.Errorf("%d installed Child SAs net, want none: it is DELETED", got)
	}
}

// TestHarnessRawForms are the forms of the format, and what is none of them.
func TestHarnessRawForms(t *testing.T) {
	for _, test := range []struct{ text, want, wantErr string }{
		{text: "", want: ""},
		{text: "a=1 b=[x y] c {d=2 e {}} f=3", want: "a b c f"},
		{text: "class=pre-shared key groups=[]", want: "class groups"},
		{text: "a= b=2", want: "a b"},
		{text: "a {b=1", wantErr: "section a has no end"},
		{text: "word", wantErr: `"word" is neither a value nor a section`},
		{text: "=1", wantErr: "no key"},
		{text: "a=1}", wantErr: `"}" after its end`},
	} {
		s, err := parseRaw(test.text)
		switch {
		case test.wantErr != "":
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("parseRaw(%q): error %v, want one with %q", test.text, err, test.wantErr)
			}
		case err != nil:
			t.Errorf("parseRaw(%q): %v", test.text, err)
		default:
			if got := strings.Join(s.keys(), " "); got != test.want {
				t.Errorf("parseRaw(%q) has keys %q, want %q", test.text, got, test.want)
			}
		}
	}
	if s, err := parseRaw("class=pre-shared key groups=[]"); err != nil || s.get("class") != "pre-shared key" {
		t.Errorf("a value of two words is %q (%v), want %q", s.get("class"), err, "pre-shared key")
	}
}

// TestHarnessNames keeps the names by which left-overs are known.
func TestHarnessNames(t *testing.T) {
	for name, pid := range map[string]string{"gs-123-4-leftlan": "123", "gs-123-4-": "", "gs-x-4-left": "", "gs-1-left": "", "other": ""} {
		m := netns.NamePattern.FindStringSubmatch(name)
		if got := strings.Join(m[min(1, len(m)):], ""); got != pid {
			t.Errorf("namespace %q is taken for one of process %q, want %q", name, got, pid)
		}
	}
}

// TestPlaintextIsSeen shows that the lab can tell: without a daemon there is no way between the inner networks, and what
// tries goes over the wire as it is, where the watch for plaintext sees it.
func TestPlaintextIsSeen(t *testing.T) {
	n := newNet(t, Topology{})
	wire := n.StartCapture(t, "wire", "any", innerFilter)
	n.LeftLAN.NoPing(t, n.RightLAN.IPv4)
	n.RightLAN.NoPing(t, n.LeftLAN.IPv6)
	wire.Stop(t)
	packets := strings.Join(wire.Packets(t), "\n")
	for _, want := range []string{"10.1.0.2 > 10.2.0.2", "fd00:2::2 > fd00:1::2"} {
		if !strings.Contains(packets, want) {
			t.Errorf("the capture on the router did not see %s:\n%s", want, packets)
		}
	}
}

// TestLossIsSeen shows that the probe knows what was lost: the router drops every tenth UDP packet that comes from the
// left, and none that comes from the right.
func TestLossIsSeen(t *testing.T) {
	n := newNet(t, Topology{})
	n.Router.NFT(t, `table inet cut { counter cut { }
	chain forward { type filter hook forward priority 0; iifname "left" meta l4proto udp numgen inc mod 10 0 counter name cut drop; }; }`)
	probe := n.Left.StartProbe(t, n.Right.Namespace, RightOuter)
	lost := regexp.MustCompile(`packets [1-9]`)
	waitFor(t, "the router drops something", func() (bool, string) {
		out, err := n.Router.Command(t.Context(), "nft", "list", "counter", "inet", "cut", "cut").CombinedOutput()
		return err == nil && lost.Match(out), string(out)
	})
	n.Router.NFT(t, "delete table inet cut")
	sent, there, back := probe.Finish()
	if len(there) == 0 || len(back) != 0 {
		t.Errorf("of %d packets the probe missed %v on the way there and %v on the way back, want some and none", sent, there, back)
	}
}

// TestHarnessCrashed knows the ends that goswan's log must not show, and takes an ordinary line for none.
func TestHarnessCrashed(t *testing.T) {
	for text, want := range map[string]bool{
		"06:03 info ready\npanic: runtime error: index out of range\n\ngoroutine 1 [running]:\n": true,
		"fatal error: all goroutines are asleep\n":                                               true,
		"==================\nWARNING: DATA RACE\nRead at 0x00c0\n":                               true,
		"06:03 warn negotiation failed {\"reason\": \"do not panic: the peer refused\"}\n":       false,
	} {
		if got := crashed.MatchString(text); got != want {
			t.Errorf("%q is taken for a crash: %v, want %v", text, got, want)
		}
	}
}
