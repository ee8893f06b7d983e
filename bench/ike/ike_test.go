package ike

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/sig"
	"github.com/goswan/goswan/crypto/suite"
)

// TestMeasureEveryMethod: every usable row of the table is measured, and makes handshakes or is noted not to.
func TestMeasureEveryMethod(t *testing.T) {
	run := &report.Run{Bench: "ike"}
	methods, err := Choose(nil)
	if err != nil {
		t.Fatal(err)
	}
	schemes, err := ChooseSchemes(nil)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := ChooseCertificates(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Measure(t.Context(), run, Config{KE: methods, Schemes: schemes, Certificates: certificates, Time: 1, Rounds: 1}); err != nil {
		t.Fatal(err)
	}
	signaturesMeasured(t, run)
	certificatesMeasured(t, run)
	for _, row := range ke.Transforms {
		if !row.Status.Usable() || len(row.Keywords) == 0 {
			continue
		}
		for _, op := range []string{Initiate, Respond, Finish} {
			key := report.Key{Figure: report.OperationTime, Subject: Goswan, Suite: row.Keywords[0], Operation: op}
			took := run.Find(key)
			key.Figure = report.OperationRate
			rate := run.Find(key)
			if took == nil || rate == nil || math.Abs(took.Values[0]*rate.Values[0]/1e6-1) > 1e-9 {
				t.Errorf("%s %s takes %v, which makes %v a second", row.Name, op, took, rate)
			}
		}
		for _, role := range []string{Initiator, Responder} {
			noted := strings.Contains(strings.Join(run.Notes, "\n"), "no handshake with "+row.Keywords[0]+":")
			m := run.Find(report.Key{Figure: report.HandshakeRate, Subject: Goswan, Suite: ikeProposal + row.Keywords[0], Operation: role})
			if (m == nil) != noted || m != nil && !(m.Values[0] > 0) {
				t.Errorf("%s: handshakes as %s: %v; noted: %v", row.Name, role, m, noted)
			}
		}
	}
	if err := report.Encode(&bytes.Buffer{}, run); err != nil {
		t.Errorf("the run cannot be written: %v", err)
	}
}

// signaturesMeasured: every usable row has both operations, with keys that fit it, or is noted.
func signaturesMeasured(t *testing.T, run *report.Run) {
	t.Helper()
	seen, keys := map[string]bool{}, map[string]bool{}
	for _, m := range run.Of(report.OperationTime) {
		scheme, key, _ := strings.Cut(m.Suite, " ")
		seen[scheme+" "+m.Operation], keys[key] = true, true
	}
	for _, s := range sig.Schemes {
		noted := strings.Contains(strings.Join(run.Notes, "\n"), "signatures by "+s.Name+":")
		for _, op := range []string{Sign, Verify} {
			if got := seen[s.Name+" "+op] || noted; got != s.Status.Usable() {
				t.Errorf("%s, which is %s: %s is measured or noted: %v", s.Name, s.Status, op, got)
			}
		}
	}
	for _, key := range []string{"RSA 2048", "RSA 3072", "RSA 4096", "P-256", "P-384", "P-521"} {
		if !keys[key] {
			t.Errorf("no signature is made by %s", key)
		}
	}
}

// certificatesMeasured: every kind of certificate makes handshakes, in both roles.
func certificatesMeasured(t *testing.T, run *report.Run) {
	t.Helper()
	for _, word := range []string{"rsa2048", "rsa3072", "ecdsa256", "ecdsa384", "ed25519"} {
		for _, role := range []string{Initiator, Responder} {
			if m := run.Find(report.Key{Figure: report.HandshakeTime, Subject: Goswan, Suite: word + " x25519", Operation: role}); m == nil || !(m.Values[0] > 0) {
				t.Errorf("%s: handshakes as %s: %v", word, role, m)
			}
		}
	}
}

// TestCertificatesAreUsed has each end know its own certificate's key alone: the handshake is by it and not by a pre-shared key.
func TestCertificatesAreUsed(t *testing.T) {
	p, err := newPair(certificateKE)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.certify(kinds[2]); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.handshake(); err != nil {
		t.Fatal(err)
	}
	p.responder.Credentials = nil
	if _, _, err := p.handshake(); err == nil {
		t.Error("without a certificate and without trust the handshake succeeds")
	}
	if err := p.certify(kind{"rot13", "rot13", 0}); err == nil {
		t.Error("a certificate is made with a scheme that is none")
	}
}

func TestMeasureRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no method":      {Time: 1, Rounds: 1},
		"another scheme": {Schemes: []string{"rot13"}, Time: 1, Rounds: 1},
		"another method": {KE: []string{"rot13"}, Time: 1, Rounds: 1},
		"another kind":   {Certificates: []string{"rsa512"}, Time: 1, Rounds: 1},
		"no rounds":      {KE: []string{"x25519"}, Time: 1},
		"no time":        {KE: []string{"x25519"}, Rounds: 1},
	} {
		if err := Measure(t.Context(), &report.Run{}, c); err == nil {
			t.Errorf("%s: measured", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Measure(ctx, &report.Run{}, Config{KE: []string{"x25519"}, Time: 1, Rounds: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestChoose(t *testing.T) {
	if got, err := Choose([]string{"ecp256", " x25519", "ecp256"}); err != nil || strings.Join(got, " ") != "ecp256 x25519" {
		t.Errorf("chosen are %q (%v)", got, err)
	}
	if _, err := Choose([]string{"rot13"}); err == nil || !strings.Contains(err.Error(), "there are x25519") {
		t.Errorf("an unknown method: %v", err)
	}
}

func TestChooseCertificates(t *testing.T) {
	if got, err := ChooseCertificates([]string{"ed25519", " rsa2048", "ed25519"}); err != nil || strings.Join(got, " ") != "ed25519 rsa2048" {
		t.Errorf("chosen are %q (%v)", got, err)
	}
	if _, err := ChooseCertificates([]string{"rsa512"}); err == nil || !strings.Contains(err.Error(), "there are rsa2048") {
		t.Errorf("an unknown kind: %v", err)
	}
}

func TestChooseSchemes(t *testing.T) {
	if got, err := ChooseSchemes([]string{"ed25519", "ecdsa-sha256", "ED25519"}); err != nil || strings.Join(got, " ") != "ED25519 ECDSA_WITH_SHA256_DER ECDSA-256" {
		t.Errorf("chosen are %q (%v)", got, err)
	}
	if _, err := ChooseSchemes([]string{"rsa-md5"}); err == nil || !strings.Contains(err.Error(), "there are RSA_EMSA") {
		t.Errorf("a refused scheme: %v", err)
	}
	if _, err := ChooseSchemes([]string{""}); err == nil {
		t.Error("no name picks a scheme")
	}
}

// TestHandshakeFails: ends that do not fit each other are an error that says why, and not a figure.
func TestHandshakeFails(t *testing.T) {
	p, err := newPair("x25519")
	if err != nil {
		t.Fatal(err)
	}
	other, err := suite.Parse(suite.IKE, ikeProposal+"ecp256")
	if err != nil {
		t.Fatal(err)
	}
	p.responder.Connections[0].Proposals = other
	if _, _, err := p.handshake(); err == nil || !strings.Contains(err.Error(), "the handshake fails") {
		t.Errorf("without a common proposal: %v", err)
	}
	p.responder.Connections = nil
	if _, _, err := p.handshake(); err == nil {
		t.Error("a handshake with nobody succeeds")
	}
	if _, err := newPair("rot13"); err == nil {
		t.Error("an unknown key exchange is taken")
	}
}

// TestRepeat: the first time does not count, and errors end it.
func TestRepeat(t *testing.T) {
	n := 0
	if each, err := repeat(0, func() error { n++; return nil }); err != nil || n != 2 || each < 1 {
		t.Errorf("without time it was done %d times in %v each (%v), want once to warm up and once", n, each, err)
	}
	broken := errors.New("broken")
	if _, err := repeat(time.Hour, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v", err)
	}
}
