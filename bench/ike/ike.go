// Package ike measures what negotiating costs: every key exchange and signature of the tables, and whole handshakes, IKE_SA_INIT and IKE_AUTH with
// the first Child SA (RFC 7296 §1.2), by pre-shared keys and by certificates, between two of the machines that the daemon runs, without a network between them. What either
// role costs is measured apart, since a gateway is mostly one of them.
package ike

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/ke"
)

// Goswan is the subject of all figures.
const Goswan = "goswan"

// Config is what to measure.
type Config struct {
	KE           []string // keywords; see Choose
	Schemes      []string // of signatures; see ChooseSchemes
	Certificates []string // of handshakes; see ChooseCertificates
	Time         time.Duration
	Rounds       int
	Progress     turns.Progress
}

// Methods are the keywords of the key exchanges that can be configured, in the order of the table.
func Methods() (all []string) {
	for _, row := range ke.Transforms {
		if row.Status.Usable() && len(row.Keywords) > 0 {
			all = append(all, row.Keywords[0])
		}
	}
	return all
}

// Choose checks keywords. None picks all.
func Choose(wanted []string) ([]string, error) { return choose("key exchange", Methods(), wanted) }

// method finds the row of a keyword.
func method(word string) (*ke.Transform, bool) {
	for i := range ke.Transforms {
		if row := &ke.Transforms[i]; row.Status.Usable() && slices.Contains(row.Keywords, word) {
			return row, true
		}
	}
	return nil, false
}

// Measure measures and enters what it measured into the run, also when it ends with an error.
func Measure(ctx context.Context, run *report.Run, c Config) error {
	if len(c.KE)+len(c.Schemes)+len(c.Certificates) == 0 || c.Rounds < 1 || c.Time <= 0 {
		return errors.New("ike: there is nothing to measure")
	}
	rec := report.NewRecorder(run)
	var jobs []turns.Job
	for _, word := range c.KE {
		row, ok := method(word)
		if !ok {
			return fmt.Errorf("ike: there is no key exchange %q", word)
		}
		more, err := exchangeJobs(rec, word, row)
		if err != nil {
			return fmt.Errorf("ike: %s: %w", word, err)
		}
		jobs = append(jobs, more...)
	}
	if c.Progress != nil {
		c.Progress(0, 1, "making keys")
	}
	more, err := signatureJobs(run, rec, c.Schemes)
	if err != nil {
		return err
	}
	jobs = append(jobs, more...)
	for _, word := range c.KE {
		job, err := sharedKeyJob(rec, word)
		if err != nil {
			// It is made for RFC 9370's additional exchanges, or otherwise not for IKE_SA_INIT.
			run.Note(fmt.Sprintf("no handshake with %s: %v", word, err))
			continue
		}
		jobs = append(jobs, job)
	}
	for _, word := range c.Certificates {
		job, err := certificateJob(rec, word)
		if err != nil {
			return err
		}
		jobs = append(jobs, job)
	}
	if len(c.KE) > 0 {
		run.Note("a handshake is IKE_SA_INIT and IKE_AUTH with one Child SA, in memory; where only the key exchange is named it is with " + ikeProposal + "… and a pre-shared key")
	}
	if len(c.Certificates) > 0 {
		run.Note("a handshake with certificates is with " + ikeProposal + certificateKE + ": both ends sign, and verify the other's signature and its certificate of a root CA; nothing is asked about revocation")
	}
	if !clock.IsCPU {
		run.Note("time is what passed on the wall: this system has no clock for a thread")
	}
	runtime.LockOSThread() // its CPU time is the measure
	defer runtime.UnlockOSThread()
	return turns.Plan{Jobs: jobs, Rounds: c.Rounds, Time: c.Time, Progress: c.Progress}.Run(ctx)
}

// per enters a time and what it makes a second.
func per(rec *report.Recorder, round int, key report.Key, time, rate report.Figure, each time.Duration) {
	key.Figure = time
	rec.Record(round, key, float64(each)/1e3)
	key.Figure = rate
	rec.Derive(round, key, time, 1e9/float64(each))
}
