package report

import (
	"errors"
	"strings"
	"testing"
)

func text(t *testing.T, r *Run, figures ...Figure) string {
	t.Helper()
	var out strings.Builder
	if err := WriteText(&out, r, figures...); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

func wants(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// TestTextGrid: sizes are columns, and where cores differ too there is one more table for the usual size.
func TestTextGrid(t *testing.T) {
	r := whole()
	r.Measurements, r.Comparisons, r.Rounds = nil, nil, 0
	rec := NewRecorder(r)
	for _, suite := range []string{"aes128gcm16", "chacha20poly1305"} {
		for _, cores := range []int{1, 2} {
			for _, k := range []Key{{Size: 64}, {Size: 1420}, {Mix: "imix"}} {
				k.Figure, k.Subject, k.Suite, k.Operation, k.Cores = Throughput, "goswan", suite, "seal", cores
				rec.Record(0, k, float64(10*cores))
				rec.Record(1, k, float64(10*cores)+float64(k.Size)/1420)
			}
		}
	}
	peer := Key{Figure: Throughput, Subject: "openssl", Suite: "aes128gcm16", Operation: "seal", Size: 1420, Cores: 1}
	rec.Record(0, peer, 5)
	rec.Record(1, peer, 5)
	ours := peer
	ours.Subject = "goswan"
	r.Comparisons = []Comparison{{Of: ours, Against: &peer}}
	got := text(t, r, Throughput)
	wants(t, got,
		"goswan bench crypto, goswan 1.2.3, go1.26 linux/amd64, 6.1.0, 2 rounds in 90.5 s AMD EPYC, 8 logical CPUs, GOMAXPROCS 4, governor performance, GOSWAN_NOASM=1",
		"its features: aes vaes", "openssl 3.0.17",
		"throughput, seal, 1 core, Gbit/s 64 B 1420 B imix spread goswan aes128gcm16 10.0 10.5 10.0 ±5%",
		"openssl aes128gcm16 - 5.00 - ±0%",
		"throughput, seal, 1420 B, Gbit/s 1 core 2 cores spread goswan aes128gcm16 10.5 20.5 ±5%",
		"compared ratio spread aes128gcm16 seal 1420 B, throughput × openssl 2.1 ±5%",
		"* cycles are left out",
	)
	if none := text(t, r, Allocations); strings.Contains(none, "throughput") || strings.Contains(none, "compared") {
		t.Errorf("a figure that was not asked for is printed:\n%s", none)
	}
}

// TestTextList: with nothing to make columns of, each row has its spread and what it is compared with.
func TestTextList(t *testing.T) {
	r := &Run{Bench: "tunnel"}
	rec := NewRecorder(r)
	speed := Figure{"TCP one stream", "Gbit/s", More}
	ours, theirs := Key{Figure: speed, Subject: "goswan"}, Key{Figure: speed, Subject: "wireguard-go"}
	for round, v := range []float64{6, 6.2} {
		rec.Record(round, ours, v)
		rec.Record(round, theirs, 2)
	}
	missing := Key{Figure: speed, Subject: "libipsec"}
	r.Comparisons = []Comparison{{Of: ours, Against: &theirs, Least: 2.8}, {Of: ours, Against: &missing, Least: 20}, {Of: theirs, Most: 1}}
	wants(t, text(t, r), "TCP one stream, Gbit/s median spread goal goswan 6.1 ±2% × wireguard-go 3.05 ±2% ≥ 2.8 met × libipsec - - ≥ 20 "+
		"wireguard-go 2.00 ±0% itself 2.00 ±0% ≤ 1 missed")
}

// TestTextByNumber: SAs and flows are in the rows.
func TestTextByNumber(t *testing.T) {
	r := &Run{Bench: "path"}
	rec := NewRecorder(r)
	for _, k := range []Key{{SAs: 1, Flows: 1}, {SAs: 1000, Flows: 10}} {
		k.Figure, k.Subject, k.Suite, k.Size = Throughput, "goswan", "aes128gcm16", 1420
		rec.Record(0, k, 1)
	}
	wants(t, text(t, r), "throughput, 1420 B, Gbit/s median spread goswan aes128gcm16 1 SA 1 flow 1.0 - goswan aes128gcm16 1000 SAs 10 flows 1.0 -")
}

func TestCSV(t *testing.T) {
	var out strings.Builder
	if err := WriteCSV(&out, whole()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 1+6 {
		t.Fatalf("%d lines, want a head and one for each of six values:\n%s", len(lines), out.String())
	}
	for i, want := range map[int]string{
		0: "bench,figure,unit,better,from,subject,suite,operation,size,mix,cores,sas,flows,round,value",
		2: "crypto,time per packet,ns,less,,goswan,aes128gcm16,seal,1420,,1,2,3,3,160",
		5: "crypto,throughput,Gbit/s,more,time per packet,goswan,aes128gcm16,seal,1420,,1,2,3,1,75.7",
		6: "crypto,allocations per packet,1,less,,goswan,,,,imix,,,,1,0",
	} {
		if lines[i] != want {
			t.Errorf("line %d is\n%s\nwant\n%s", i, lines[i], want)
		}
	}
	if err := WriteCSV(full{}, whole()); err == nil {
		t.Error("a disk that is full is no error")
	}
}

// full is a file on a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }
