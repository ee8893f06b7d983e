package crypto

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/suite"
)

// OpenSSL is the subject of its figures.
const OpenSSL = "openssl"

// evpNames are OpenSSL's names of combined-mode algorithms, by Transform ID; %d stands for the key length. It has no name for
// encryption and integrity apart that does what ESP does.
var evpNames = map[uint16]string{16: "aes-%d-ccm", 20: "aes-%d-gcm", 28: "chacha20-poly1305"}

// opensslSizes are the packets that OpenSSL is asked for when sizes are many: it takes a second for each.
var opensslSizes = []Size{{Octets: 64}, {Octets: 1420}, {Octets: 16384}}

// opensslTurn is the shortest time that `openssl speed` takes.
const opensslTurn = time.Second

// evp is OpenSSL's name of a suite.
func evp(set suite.Set) (name string, ok bool) {
	name, ok = evpNames[set.Encr.ID]
	if strings.Contains(name, "%d") {
		name = fmt.Sprintf(name, set.EncrKeyBits)
	}
	return name, ok && set.Encr.AEAD
}

// openssl are the jobs that ask OpenSSL for what it has of the suites, on one core, with the comparisons entered.
func (b *bench) openssl(ctx context.Context) (jobs []turns.Job, err error) {
	version, err := opensslVersion(ctx, b.OpenSSL)
	if err != nil {
		return nil, err
	}
	b.run.Peers = append(b.run.Peers, report.Peer{Name: OpenSSL, Version: version})
	b.run.Note("openssl speed -aead seals and opens the packet's octets alone, with 13 octets of associated data; goswan's cipher also has the ESP trailer to encrypt, with 8")
	sizes := b.Sizes
	if len(sizes) > len(opensslSizes) {
		sizes = opensslSizes
	}
	for _, words := range b.Suites {
		set, err := resolve(words)
		if err != nil {
			return nil, err
		}
		name, ok := evp(set)
		if !ok {
			continue
		}
		for _, op := range []string{Seal, Open} {
			for _, size := range sizes {
				if size.Mix == "" && slices.Contains(b.Sizes, size) {
					jobs = append(jobs, b.opensslJob(ctx, name, report.Key{Suite: words, Operation: op, Size: size.Octets, Cores: 1}))
				}
			}
		}
	}
	if jobs == nil {
		b.run.Note("openssl has nothing that compares with these suites and sizes: it knows AES-GCM, AES-CCM and ChaCha20-Poly1305 as ESP has them")
	}
	return jobs, nil
}

func (b *bench) opensslJob(ctx context.Context, name string, key report.Key) turns.Job {
	ours, theirs := with(key, report.Throughput), with(key, report.Throughput)
	ours.Subject, theirs.Subject = Goswan, OpenSSL
	if slices.Contains(b.Cores, 1) {
		b.run.Comparisons = append(b.run.Comparisons, report.Comparison{Of: ours, Against: &theirs})
	}
	return turns.Job{
		Name: fmt.Sprintf("openssl %s %s %d", name, key.Operation, key.Size), Fixed: opensslTurn,
		Measure: func(round int, _ time.Duration) error {
			speed, err := opensslSpeed(ctx, b.OpenSSL, name, key.Size, key.Operation == Open)
			if errors.Is(err, errNoTime) {
				return nil // this round has no value
			}
			if err != nil {
				return err
			}
			b.rec.Record(round, theirs, 8*speed/1e9)
			return nil
		},
	}
}

// opensslVersion is the first line of `openssl version`.
func opensslVersion(ctx context.Context, program string) (string, error) {
	out, err := exec.CommandContext(ctx, program, "version").Output()
	if err != nil {
		return "", fmt.Errorf("%s version: %w", program, err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimPrefix(first, "OpenSSL "), nil
}

// errNoTime says that openssl counted no CPU time, which it divides by, because other programs had it all.
var errNoTime = errors.New("openssl speed: it was given no CPU time")

// opensslSpeed measures for a second. It returns octets a second of CPU time.
func opensslSpeed(ctx context.Context, program, name string, size int, open bool) (float64, error) {
	args := []string{"speed", "-mr", "-seconds", "1", "-bytes", strconv.Itoa(size), "-aead", "-evp", name}
	if open {
		args = append(args, "-decrypt")
	}
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		if ended := new(exec.ExitError); errors.As(err, &ended) {
			err = fmt.Errorf("%w: %s", err, lastLine(string(ended.Stderr)))
		}
		return 0, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	speeds, err := parseSpeed(string(out))
	if err != nil {
		return 0, err
	}
	speed, ok := speeds[size]
	if !ok {
		return 0, fmt.Errorf("openssl speed does not tell of %d octets", size)
	}
	return speed, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// parseSpeed reads what `openssl speed -mr -evp` prints of one algorithm: octets a second by the octets of a call.
//
//	+H:64:1420
//	+F:25:AES-128-GCM:447865440.00:1913575488.37
func parseSpeed(text string) (speeds map[int]float64, err error) {
	var sizes []int
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		switch fields[0] {
		case "+H":
			if sizes, err = parseSizes(fields[1:]); err != nil {
				return nil, err
			}
		case "+F":
			if speeds != nil {
				return nil, errors.New("openssl speed: more than one algorithm")
			}
			if speeds, err = parseSpeeds(sizes, fields[1:]); err != nil {
				return nil, err
			}
		}
	}
	if len(speeds) == 0 {
		return nil, errors.New("openssl speed: no result")
	}
	return speeds, nil
}

func parseSizes(fields []string) (sizes []int, err error) {
	for _, f := range fields {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("openssl speed: %q is no size", f)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// parseSpeeds reads the fields behind +F: an index, a name, and a value for each size.
func parseSpeeds(sizes []int, fields []string) (map[int]float64, error) {
	if len(fields) != 2+len(sizes) {
		return nil, fmt.Errorf("openssl speed: %d values of %d sizes", len(fields)-2, len(sizes))
	}
	speeds := map[int]float64{}
	for i, size := range sizes {
		v, err := strconv.ParseFloat(fields[2+i], 64)
		if math.IsInf(v, 1) {
			return nil, errNoTime
		}
		if err != nil || !(v > 0 && v < 1e18) {
			return nil, fmt.Errorf("openssl speed: %q is no speed", fields[2+i])
		}
		speeds[size] = v
	}
	return speeds, nil
}
