package render

import (
	"math"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/report"
)

// machine is a large server.
var machine = report.Machine{
	CPU: "AMD EPYC 9654 96-Core Processor", Flags: strings.Fields("aes pclmulqdq vaes vpclmulqdq avx2 avx512f sha_ni bmi2 adx"),
	LogicalCPUs: 192, MHz: 2400, GOMAXPROCS: 64, OS: "linux", Arch: "amd64", Kernel: "6.12.0", Governor: "performance", Go: "go1.26.8",
}

func newRun(bench string, notes ...string) *report.Run {
	return &report.Run{
		Bench: bench, Goswan: "1.2.3", Command: []string{"goswan", "bench", bench, "--html", "run.html"}, Machine: machine, Notes: notes,
		Time: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Seconds: 754,
	}
}

// noise varies a value by the round, the same each time.
func noise(round, seed int, v float64) float64 {
	return v * (1 + 0.04*math.Sin(float64(7*round+3*seed)))
}

// encryptions are words of `esp_proposals`, with Gbit/s of one core.
var encryptions = []struct {
	word  string
	speed float64
}{
	{"aes128gcm16", 61}, {"aes192gcm16", 55}, {"aes256gcm16", 50}, {"aes128gcm12", 61}, {"aes256gcm12", 50}, {"aes128gcm8", 61},
	{"aes256gcm8", 50}, {"aes128ccm16", 8.1}, {"aes192ccm16", 7.2}, {"aes256ccm16", 6.4}, {"aes128ccm12", 8.1}, {"aes256ccm12", 6.4},
	{"aes128ccm8", 8.1}, {"aes256ccm8", 6.4}, {"camellia128ccm16", 1.1}, {"camellia192ccm16", 0.9}, {"camellia256ccm16", 0.9},
	{"chacha20poly1305", 17}, {"aes128gmac", 70}, {"aes192gmac", 69}, {"aes256gmac", 68}, {"null-sha256", 13}, {"null-sha1", 16},
	{"null-sha512", 6}, {"null-aesxcbc", 9}, {"aes128-sha256", 6.2}, {"aes192-sha256", 5.8}, {"aes256-sha256", 5.5},
	{"aes128-sha384", 4.1}, {"aes128-sha512", 4.2}, {"aes128-aesxcbc", 5.1}, {"aes128-aescmac", 5.2}, {"aes128-aesgmac", 9},
	{"aes128ctr-sha256", 8.8}, {"aes192ctr-sha256", 8.5}, {"aes256ctr-sha256", 8.1}, {"camellia128-sha256", 1.2},
	{"camellia192-sha256", 1}, {"camellia256-sha256", 1}, {"camellia128ctr-sha256", 1.3}, {"camellia256ctr-sha256", 1.1},
	{"serpent128-sha256", 0.5}, {"serpent256-sha256", 0.5}, {"twofish128-sha256", 0.7}, {"twofish256-sha256", 0.7},
	{"aes128-sha1", 7}, {"aes256-sha1", 6.2}, {"aes128-md5", 4.9}, {"3des-sha256", 0.21}, {"3des-sha1", 0.21}, {"3des-md5", 0.2},
	{"blowfish128-sha256", 0.9}, {"blowfish256-sha256", 0.9}, {"cast128-sha256", 0.7}, {"des-md5", 0.6}, {"null-md5", 5},
	{"idea-sha256", 0.5}, {"blowfish192-sha1", 0.9}, {"cast128-sha1", 0.7}, {"null-sha384", 6},
}

// largeRun is `bench crypto` with sixty suites, nine sizes and seven numbers of cores.
func largeRun() *report.Run {
	r := newRun("crypto",
		"cycles are left out: the system does not tell the cycles of a thread",
		"openssl has nothing that compares with CBC and an HMAC: it knows AES-GCM, AES-CCM and ChaCha20-Poly1305 as ESP has them")
	r.Peers = []report.Peer{{Name: "openssl", Version: "3.5.1"}}
	rec := report.NewRecorder(r)
	sizes := []report.Key{{Size: 64}, {Size: 256}, {Size: 512}, {Size: 1024}, {Size: 1420}, {Size: 4096}, {Size: 9000}, {Size: 16384}, {Mix: "imix"}}
	for _, cores := range []int{1, 2, 4, 8, 16, 32, 64} {
		for i, e := range encryptions {
			for j, op := range []string{"seal", "open"} {
				for _, k := range sizes {
					octets := float64(k.Size)
					if octets == 0 {
						octets = 340
					}
					one := e.speed * octets / (octets + 30*math.Sqrt(e.speed)) * (1 + 0.1*float64(j))
					k.Subject, k.Suite, k.Operation, k.Cores = "goswan", e.word, op, cores
					for round := range 3 {
						gbits := noise(round, i+j+cores, one*float64(cores)/(1+0.004*float64(cores-1)))
						enterPacket(rec, round, k, gbits, octets)
						if cores > 1 {
							rec.Derive(round, of(k, report.Scaling), report.PacketTime, gbits/one)
						}
					}
				}
			}
		}
	}
	for _, e := range []string{"aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128ccm16"} {
		for j, size := range []int{64, 1420, 16384} {
			ours := report.Key{Figure: report.Throughput, Subject: "goswan", Suite: e, Operation: "seal", Size: size, Cores: 1}
			theirs := ours
			theirs.Subject = "openssl"
			for round := range 3 {
				rec.Record(round, theirs, noise(round, 5, r.Find(ours).Values[round]/(0.8+float64(len(e)%7)/3-0.2*float64(j))))
			}
			r.Comparisons = append(r.Comparisons, report.Comparison{Of: ours, Against: &theirs})
		}
	}
	return r
}

func of(k report.Key, f report.Figure) report.Key { k.Figure = f; return k }

func enterPacket(rec *report.Recorder, round int, k report.Key, gbits, octets float64) {
	ns := 8 * octets / gbits
	rec.Record(round, of(k, report.PacketTime), ns*float64(max(k.Cores, 1)))
	rec.Derive(round, of(k, report.Throughput), report.PacketTime, gbits)
	rec.Derive(round, of(k, report.PacketRate), report.PacketTime, 1e3/ns)
	if k.Cores == 1 {
		rec.Record(round, of(k, report.CyclesByte), 2.4*8/gbits)
		rec.Record(round, of(k, report.Allocations), 0)
	}
}

// ikeRun is `bench ike` with the key exchanges of the registry, signatures, and handshakes.
func ikeRun() *report.Run {
	r := newRun("ike", "no handshake with modp768: it is refused")
	rec := report.NewRecorder(r)
	enter := func(suite, op string, time, rate report.Figure, µs float64) {
		k := report.Key{Subject: "goswan", Suite: suite, Operation: op}
		for round := range 5 {
			v := noise(round, len(suite), µs)
			rec.Record(round, of(k, time), v)
			rec.Derive(round, of(k, rate), time, 1e6/v)
		}
	}
	for _, m := range []struct {
		word string
		µs   float64
	}{{"x25519", 24}, {"x448", 190}, {"ecp256", 31}, {"ecp384", 280}, {"ecp521", 610}, {"ecp256bp", 420}, {"ecp384bp", 900}, {"ecp512bp", 1600},
		{"modp2048", 1700}, {"modp3072", 4800}, {"modp4096", 10600}, {"modp6144", 33000}, {"modp8192", 76000}, {"mlkem512", 21}, {"mlkem768", 33}, {"mlkem1024", 49}} {
		for i, op := range []string{"initiate", "respond", "finish"} {
			enter(m.word, op, report.OperationTime, report.OperationRate, m.µs*float64(2+i)/3)
		}
		if !strings.HasPrefix(m.word, "mlkem") {
			for _, op := range []string{"initiator", "responder"} {
				enter("aes256gcm16-prfsha384-"+m.word, op, report.HandshakeTime, report.HandshakeRate, 2*m.µs+110)
			}
		}
	}
	for i, s := range []string{"ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "ed448", "rsa2048", "rsa3072", "rsa4096"} {
		enter(s, "sign", report.OperationTime, report.OperationRate, 30*math.Pow(2.2, float64(i)))
		enter(s, "verify", report.OperationTime, report.OperationRate, 60)
	}
	for i, kind := range []string{"rsa2048", "rsa3072", "ecdsa256", "ecdsa384", "ed25519"} {
		for _, op := range []string{"initiator", "responder"} {
			enter(kind+" x25519", op, report.HandshakeTime, report.HandshakeRate, 900/float64(1+i))
		}
	}
	return r
}

// pathRun is `bench path` over SAs and flows.
func pathRun() *report.Run {
	r := newRun("path", "each packet is sealed and opened")
	rec := report.NewRecorder(r)
	for i, suite := range []string{"aes128gcm16", "chacha20poly1305"} {
		for _, sas := range []int{1, 10, 100, 1000, 10000} {
			for _, flows := range []int{1, 10, 100} {
				for round := range 4 {
					v := noise(round, sas+flows, 17/float64(1+2*i)/(1+0.05*math.Log10(float64(sas*flows))))
					large := report.Key{Subject: "goswan", Suite: suite, SAs: sas, Flows: flows, Mix: "TCP 44 × 1420 B"}
					small := report.Key{Subject: "goswan", Suite: suite, SAs: sas, Flows: flows, Size: 64}
					enterPacket(rec, round, large, v, 1420)
					enterPacket(rec, round, small, v/12, 64)
				}
			}
		}
	}
	return r
}

// tunnelRun is `bench tunnel`: whole programs, with goals.
func tunnelRun() *report.Run {
	r := newRun("tunnel", "left out: strongSwan: it needs the Debian package charon-systemd", "each measurement took 4 s")
	r.Peers = []report.Peer{{Name: "wireguard-go", Version: "0.0.20250522"}, {Name: "strongSwan", Version: "5.9.8"}}
	rec := report.NewRecorder(r)
	subjects := []string{"no tunnel", "goswan AES-128-GCM", "goswan AES-128-GCM, GOSWAN_NOASM=1", "goswan ChaCha20-Poly1305", "goswan's data path, NULL cipher", "wireguard-go", "strongSwan libipsec AES-128-GCM"}
	for _, f := range []struct {
		name, unit string
		better     report.Better
		values     []float64
	}{
		{"TCP one stream", "Gbit/s", report.More, []float64{31, 12.4, 9.1, 7.8, 14, 3.9, 0.51}},
		{"TCP one stream, endpoint CPU", "s/GB", report.Less, []float64{0, 0.75, 1.1, 1.3, 0.6, 3.6, 24}},
		{"TCP four streams", "Gbit/s", report.More, []float64{44, 13.1, 9.9, 8, 15, 4.2, 0.5}},
		{"UDP 64-octet flood received", "kpps", report.More, []float64{900, 610, 580, 500, 640, 130, 210}},
		{"ping idle, median", "ms", report.Less, []float64{0.04, 0.11, 0.11, 0.12, 0.1, 0.39, 0.2}},
		{"ping under TCP load, p99", "ms", report.Less, []float64{0.3, 0.9, 1, 1.2, 0.8, 6.1, 3}},
		{"peak resident memory of the larger endpoint", "MB", report.Less, []float64{0, 21, 21, 22, 20, 38, 14}},
	} {
		figure := report.Figure{Name: f.name, Unit: f.unit, Better: f.better}
		for i, s := range subjects {
			for round := range 4 {
				if f.values[i] > 0 {
					rec.Record(round, report.Key{Figure: figure, Subject: s}, noise(round, i, f.values[i]))
				}
			}
		}
		for _, against := range []string{"wireguard-go", "strongSwan libipsec AES-128-GCM"} {
			base := report.Key{Figure: figure, Subject: against}
			c := report.Comparison{Of: report.Key{Figure: figure, Subject: subjects[1]}, Against: &base, Least: 2.8}
			if f.better == report.Less {
				c.Least, c.Most = 0, 0.3
			}
			r.Comparisons = append(r.Comparisons, c)
		}
	}
	memory := r.Measurements[len(r.Measurements)-5].Key
	r.Comparisons = append(r.Comparisons, report.Comparison{Of: memory, Most: 24})
	return r
}

// sampleRuns are the runs of every verb.
func sampleRuns() map[string]*report.Run {
	return map[string]*report.Run{"large": largeRun(), "ike": ikeRun(), "path": pathRun(), "tunnel": tunnelRun()}
}
