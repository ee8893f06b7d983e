//go:build linux

package tunnel

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/bench/inside"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/vici"
)

// TestParseIperf reads shortened reports of iperf3 3.12.
func TestParseIperf(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       transfer
		wantErr    string
	}{
		{
			name: "TCP: what the sender counts is more than what arrived",
			text: `{"start":{"version":"iperf 3.12"},"end":{"sum_sent":{"bytes":3000000000,"seconds":2},"sum_received":{"bytes":2500000000,"seconds":2.5,"sender":true}}}`,
			want: transfer{octets: 2.5e9, seconds: 2.5},
		},
		{
			name: "UDP: the receiver's octets are those of the datagrams that were not lost",
			text: `{"end":{"sum":{"bytes":37729920},"sum_sent":{"bytes":37729920,"seconds":1.00004},"sum_received":{"bytes":20037696,"seconds":1.000071,"lost_packets":276441,"packets":589530}}}`,
			want: transfer{octets: 20037696, seconds: 1.000071},
		},
		{name: "the client's error", text: `{"intervals":[],"end":{},"error":"unable to connect to server: Connection refused"}`, wantErr: "Connection refused"},
		{name: "no result", text: `{"end":{}}`, wantErr: "no end.sum_received"},
		{name: "nothing arrived", text: `{"end":{"sum_received":{"bytes":0,"seconds":2}}}`, wantErr: "0 octets"},
		{name: "no time", text: `{"end":{"sum_received":{"bytes":5,"seconds":0}}}`, wantErr: "0 seconds"},
		{name: "cut short", text: `{"end":`, wantErr: "its report"},
	} {
		got, err := parseIperf([]byte(test.text))
		switch {
		case test.wantErr != "":
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.wantErr)
			}
		case err != nil || got != test.want:
			t.Errorf("%s: parsed %v (%v), want %v", test.name, got, err, test.want)
		}
	}
}

func TestTransferUnits(t *testing.T) {
	r := transfer{octets: 2.5e9, seconds: 2}
	if r.gbits() != 10 || r.gigabytes() != 2.5 || r.datagrams(50) != 5e7 {
		t.Errorf("2.5e9 octets in 2 s are %g Gbit/s, %g GB and %g datagrams of 50 octets, want 10, 2.5 and 5e7",
			r.gbits(), r.gigabytes(), r.datagrams(50))
	}
}

func TestParsePing(t *testing.T) {
	const text = `PING 10.2.0.1 (10.2.0.1) from 10.1.0.1 : 56(84) bytes of data.
64 bytes from 10.2.0.1: icmp_seq=1 ttl=64 time=0.250 ms
64 bytes from 10.2.0.1: icmp_seq=2 ttl=64 time=12.5 ms

--- 10.2.0.1 ping statistics ---
3 packets transmitted, 2 received, 33% packet loss, time 20ms
rtt min/avg/max/mdev = 0.250/6.375/12.500/6.125 ms
`
	times, err := parsePing([]byte(text))
	if err != nil || len(times) != 2 || times[0] != 250*time.Microsecond || times[1] != 12500*time.Microsecond {
		t.Errorf("parsed %v (%v), want 250µs and 12.5ms", times, err)
	}
	if _, err := parsePing([]byte("1 packets transmitted, 0 received")); err == nil {
		t.Error("a ping without an answer is no error, but no figure can be made of it")
	}
}

// TestParseProc has a program whose name tries to move the fields.
func TestParseProc(t *testing.T) {
	const stat = "42 (a) R 7 (b) S 1 42 42 0 -1 4194560 100 0 0 0 250 175 9 9 20 0 8 0 123 0 0\n"
	if used, err := parseStat(stat); err != nil || used != 4250*time.Millisecond {
		t.Errorf("utime 250 and stime 175 are %v (%v), want 4.25s", used, err)
	}
	for _, bad := range []string{"", "42 (a) S 1 2", "42 (a) S 1 42 42 0 -1 4194560 100 0 0 0 x 175 9"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) is no error", bad)
		}
	}
	if peak, err := parsePeak("VmPeak:\t 9 kB\nVmHWM:\t   20000 kB\nVmRSS:\t 5 kB\n"); err != nil || peak != 20.48 {
		t.Errorf("VmHWM of 20000 kB is %g MB (%v), want 20.48", peak, err)
	}
	for _, bad := range []string{"", "VmHWM:\t many kB\n"} {
		if _, err := parsePeak(bad); err == nil {
			t.Errorf("parsePeak(%q) is no error", bad)
		}
	}
}

// TestGoalsNameFigures holds the goals to the figures and subjects that there are.
func TestGoalsNameFigures(t *testing.T) {
	known, subjects := map[report.Figure]bool{{}: true}, map[string]bool{"": true}
	for _, f := range figures {
		known[f] = true
	}
	for _, tunnel := range (&programs{}).tunnels() {
		subjects[tunnel.name] = true
	}
	for _, f := range inside.Figures {
		known[f.Figure] = true
		for _, subject := range f.Subjects {
			subjects[subject] = true
		}
	}
	for _, g := range goals {
		if !subjects[g.of] || !subjects[g.against] || !known[g.figure] || !known[g.other] || g.figure == (report.Figure{}) {
			t.Errorf("goal %+v speaks of what is never measured", g)
		}
		if (g.least == 0) == (g.most == 0) {
			t.Errorf("goal %+v has to have one bound", g)
		}
	}
}

// TestCompared: with goals they stand beside every subject that was measured; without, there are the ratios that can be formed.
func TestCompared(t *testing.T) {
	run := &report.Run{}
	rec := report.NewRecorder(run)
	rec.Record(0, report.Key{Figure: memory, Subject: goswanGCM}, 20)
	rec.Record(0, report.Key{Figure: tcpSpeed, Subject: wireguardGo}, 2)
	rec.Record(0, report.Key{Figure: tcpSpeed, Subject: goswanGCM}, 6)
	sorted(run, []string{goswanGCM, wireguardGo})
	if first, second := run.Measurements[0].Key, run.Measurements[1].Key; first.Figure != tcpSpeed || first.Subject != goswanGCM || second.Subject != wireguardGo {
		t.Errorf("the order is %v", run.Measurements)
	}
	ratios := compared(run, false)
	if len(ratios) != 1 || ratios[0].Against.Subject != wireguardGo || ratios[0].Goal() != "" || run.Compare(ratios[0])[0] != 3 {
		t.Errorf("without goals there are %+v, want the one ratio", ratios)
	}
	run.Comparisons = compared(run, true)
	var out strings.Builder
	if err := report.WriteText(&out, run); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"TCP one stream, Gbit/s median spread goal goswan AES-128-GCM 6.0 - × wireguard-go 3.0 - ≥ 2.8 met × strongSwan libipsec AES-128-GCM - - ≥ 20",
		"peak resident memory of the larger endpoint, MB median spread goal goswan AES-128-GCM 20 - itself 20 - ≤ 24 met",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

// TestMeasureInside measures what needs no root, as shortly as it can.
func TestMeasureInside(t *testing.T) {
	run := &report.Run{Bench: "tunnel"}
	if err := Measure(t.Context(), run, Config{Rounds: 1, Seconds: 1, Only: insideShort, Goals: true}); err != nil {
		t.Fatal(err)
	}
	if len(run.Measurements) != 2*len(inside.Figures) || run.Measurements[0].Figure != inside.Figures[0].Figure {
		t.Errorf("%d measurements, which begin with %+v", len(run.Measurements), run.Measurements[0])
	}
	for _, c := range []Config{{Seconds: 1, Only: insideShort}, {Rounds: 1, Only: insideShort}, {Rounds: 1, Seconds: 1, Only: "nothing"}} {
		if err := Measure(t.Context(), &report.Run{}, c); err == nil {
			t.Errorf("%+v is measured", c)
		}
	}
}

// TestStrongSwanSettingsAreTheLabs: charon is compared as the lab runs it.
func TestStrongSwanSettingsAreTheLabs(t *testing.T) {
	text, err := os.ReadFile("../../testdata/lab/strongswan.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strongswanConf) {
		if strings.Contains(line, "load = ") && !strings.Contains(string(text), strings.TrimSpace(line)) {
			t.Errorf("the lab does not have %q", line)
		}
	}
}

// TestUAPI holds the operation to the protocol's form: one key a line, keys in hexadecimal, an empty line at the end.
func TestUAPI(t *testing.T) {
	end := wireguardEnd{peer: rightOuter, peerInner: rightInner, private: []byte{1, 0xab}, peer25519: []byte{2}}
	const want = "set=1\nprivate_key=01ab\nlisten_port=51820\npublic_key=02\nendpoint=192.0.2.2:51820\nallowed_ip=10.2.0.1/32\n\n"
	if got := end.uapi(); got != want {
		t.Errorf("the operation is\n%swant\n%s", got, want)
	}
}

// TestChoose picks by whole name, by beginning and by nothing.
func TestChoose(t *testing.T) {
	all := []tunnel{{short: "none"}, {short: "goswan"}, {short: "goswan-noasm"}, {short: "goswan-chacha"}, {short: "static", asked: true}}
	for _, test := range []struct {
		only, want string
		within     bool
		wantErr    string
	}{
		{only: "", want: "none goswan goswan-noasm goswan-chacha", within: true},
		{only: "goswan", want: "goswan"}, // not what begins with it
		{only: "goswan-", want: "goswan-noasm goswan-chacha"},
		{only: "static, none", want: "none static"},
		{only: "inside", within: true},
		{only: "ins,none,none", want: "none", within: true},
		{only: "wire", wantErr: `no "wire"`},
		{only: "none,", wantErr: `no ""`},
	} {
		chosen, within, err := choose(all, test.only)
		if test.wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Errorf("%q: error %v, want one with %q", test.only, err, test.wantErr)
			}
			continue
		}
		var names []string
		for _, c := range chosen {
			names = append(names, c.short)
		}
		if got := strings.Join(names, " "); err != nil || got != test.want || within != test.within {
			t.Errorf("%q picks %q and inside %v (%v), want %q and %v", test.only, got, within, err, test.want, test.within)
		}
	}
}

// TestHeap asks two daemons, of which the second has the larger heap, beside an endpoint that is no daemon.
func TestHeap(t *testing.T) {
	all := endpoints{{}}
	for _, octets := range []string{"3000000", "5500000"} {
		all = append(all, &endpoint{vici: answerOnce(t, (&vici.Message{}).Add("other", "7"), octets)})
	}
	most, ok, err := all.heap(t.Context())
	if most != 5.5 || !ok || err != nil {
		t.Errorf("the larger heap is %v MB (%v, %v), want 5.5", most, ok, err)
	}
	if _, ok, err := (endpoints{{}}).heap(t.Context()); ok || err != nil {
		t.Errorf("an endpoint without control has a heap: %v, %v", ok, err)
	}
	if _, _, err := (endpoints{{vici: answerOnce(t, &vici.Message{}, "")}}).heap(t.Context()); err == nil {
		t.Error("an answer without mem.total is taken")
	}
}

// answerOnce is the URI of a daemon that answers one command with m and mem.total, which "" leaves out.
func answerOnce(t *testing.T, m *vici.Message, total string) (uri string) {
	t.Helper()
	if total != "" {
		m.AddSection("mem").Add("total", total)
	}
	body, err := m.AppendTo([]byte{1}) // CMD_RESPONSE
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vici")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Read(make([]byte, 512)); err != nil {
			return
		}
		_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		_, _ = io.Copy(io.Discard, conn) // until the client is done
	}()
	return "unix://" + path
}
