//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/bench/inside"
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

// TestGoalRatios shows that a ratio is formed within a round, and not where a side is missing.
func TestGoalRatios(t *testing.T) {
	rounds := []round{
		{goswanGCM: {tcpSpeed: 6, tcp4Speed: 5}, wireguardGo: {tcpSpeed: 2}},
		{goswanGCM: {tcpSpeed: 3, tcp4Speed: 3}, wireguardGo: {tcpSpeed: 1}}, // a slow round for both
		{goswanGCM: {tcpSpeed: 9}},
		{wireguardGo: {tcpSpeed: 9}},
		{goswanGCM: {tcpSpeed: 9}, wireguardGo: {tcpSpeed: 0}},
	}
	for _, test := range []struct {
		goal    goal
		want    []float64
		verdict string
		bound   string
	}{
		{goal{of: goswanGCM, figure: tcpSpeed, against: wireguardGo, least: 2.8}, []float64{3, 3}, "met", "≥ 2.8"},
		{goal{of: goswanGCM, figure: tcpSpeed, against: wireguardGo, least: 3.1}, []float64{3, 3}, "missed", "≥ 3.1"},
		{goal{of: goswanGCM, figure: tcpSpeed, against: wireguardGo, most: 1. / 4}, []float64{3, 3}, "missed", "≤ 0.25"},
		{goal{of: goswanGCM, figure: tcp4Speed, other: tcpSpeed, least: 0.9}, []float64{5. / 6, 1}, "met", "≥ 0.9"},
		{goal{of: goswanGCM, figure: tcpSpeed, most: 9}, []float64{6, 3, 9, 9}, "met", "≤ 9"},
		{goal{of: goswanGCM, figure: tcpSpeed, against: libipsec, least: 20}, nil, "", "≥ 20"},
	} {
		got := test.goal.measured(rounds)
		if len(got) != len(test.want) {
			t.Errorf("%+v: measured %v, want %v", test.goal, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%+v: measured %v, want %v", test.goal, got, test.want)
			}
		}
		if v := test.goal.verdict(got); v != test.verdict || test.goal.bound() != test.bound {
			t.Errorf("%+v of %v: %q of %q, want %q of %q", test.goal, got, v, test.goal.bound(), test.verdict, test.bound)
		}
	}
}

// TestTable has a goal that is met, one that is missed, and a tunnel that was not measured.
func TestTable(t *testing.T) {
	rounds := []round{
		{goswanGCM: {tcpSpeed: 6, memory: 30}, wireguardGo: {tcpSpeed: 2}},
		{goswanGCM: {tcpSpeed: 6.2, memory: 30}, wireguardGo: {tcpSpeed: 2}},
	}
	var out strings.Builder
	if err := writeTable(&out, []string{goswanGCM, wireguardGo}, rounds); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"TCP one stream, Gbit/s median spread goal goswan AES-128-GCM 6.1 ±2% × wireguard-go 3.05 ±2% ≥ 2.8 met × strongSwan libipsec AES-128-GCM - - ≥ 20 " +
			"× goswan's data path, NULL cipher - - ≥ 0.8 wireguard-go 2.00 ±0%",
		"larger endpoint, MB median spread goal goswan AES-128-GCM 30.0 ±0% itself 30.0 ±0% ≤ 24 missed wireguard-go - -",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

// TestJSON reads back what is written, and sees that a goal of which nothing was measured is left out.
func TestJSON(t *testing.T) {
	rounds := []round{{goswanGCM: {tcpSpeed: 6}, wireguardGo: {tcpSpeed: 2}}, {goswanGCM: {tcpSpeed: 8}, wireguardGo: {tcpSpeed: 4}}}
	var out strings.Builder
	if err := writeJSON(&out, 7, rounds); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Seconds     int
		Rounds      []round
		Comparisons []comparison
	}
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil {
		t.Fatal(err)
	}
	if back.Seconds != 7 || !reflect.DeepEqual(back.Rounds, rounds) {
		t.Errorf("read back %d seconds and %v, want 7 and %v", back.Seconds, back.Rounds, rounds)
	}
	want := []comparison{{goswanGCM, tcpSpeed, "× wireguard-go", "≥ 2.8", []float64{3, 2}, 2.5, "missed"}}
	if !reflect.DeepEqual(back.Comparisons, want) {
		t.Errorf("the comparisons are %v, want %v", back.Comparisons, want)
	}
}

// TestGoalsNameFigures holds the goals to the figures and tunnels that there are.
func TestGoalsNameFigures(t *testing.T) {
	known := map[string]bool{"": true}
	for _, f := range figures {
		known[string(f)] = true
	}
	for _, tunnel := range (&programs{}).tunnels() {
		known[tunnel.name] = true
	}
	for _, f := range inside.Figures {
		known[f.Name] = true
		for _, subject := range f.Subjects {
			known[subject] = true
		}
	}
	for _, g := range goals {
		for _, name := range []string{g.of, string(g.figure), g.against, string(g.other)} {
			if !known[name] {
				t.Errorf("goal %+v speaks of %q, which is never measured", g, name)
			}
		}
		if (g.least == 0) == (g.most == 0) {
			t.Errorf("goal %+v has to have one bound", g)
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

// TestTableInside: what was measured inside the process stands behind the tunnels, and alone where there are none.
func TestTableInside(t *testing.T) {
	r := round{}
	r.add([]inside.Result{{Subject: inside.Whole, Figure: inside.Seal64, Value: 70}, {Subject: inside.Bare, Figure: inside.Seal64, Value: 50}})
	var out strings.Builder
	if err := writeTable(&out, nil, []round{r, r}); err != nil {
		t.Fatal(err)
	}
	const want = "Seal of a packet of 64 octets, ns median spread goal whole packet 70.0 ±0% × bare cipher 1.40 ±0% ≤ 1.5 met bare cipher 50.0 ±0%"
	if got := strings.Join(strings.Fields(out.String()), " "); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
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
