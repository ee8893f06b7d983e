package ike

import (
	"crypto/rand"
	"time"

	"github.com/goswan/goswan/bench/clock"
	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/bench/turns"
	"github.com/goswan/goswan/crypto/ke"
)

// The operations of a key exchange: the initiator's before it sends, the responder's only one, and the initiator's at the end.
const (
	Initiate = "initiate"
	Respond  = "respond"
	Finish   = "finish"
)

// exchangeJobs are the three operations of a method.
func exchangeJobs(rec *report.Recorder, word string, row *ke.Transform) (jobs []turns.Job, err error) {
	i, err := row.Initiate(rand.Reader)
	if err != nil {
		return nil, err
	}
	reply, _, err := row.Respond(rand.Reader, i.Public())
	if err != nil {
		return nil, err
	}
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{Initiate, func() error {
			i, err := row.Initiate(rand.Reader)
			if err == nil {
				i.Wipe()
			}
			return err
		}},
		{Respond, func() error {
			_, shared, err := row.Respond(rand.Reader, i.Public())
			shared.Wipe()
			return err
		}},
		{Finish, func() error {
			shared, err := i.Finish(reply)
			shared.Wipe()
			return err
		}},
	} {
		jobs = append(jobs, operation(rec, report.Key{Subject: Goswan, Suite: word, Operation: op.name}, op.do))
	}
	return jobs, nil
}

// operation measures one thing that is done over and over.
func operation(rec *report.Recorder, key report.Key, do func() error) turns.Job {
	return turns.Job{Name: key.Suite + " " + key.Operation, Measure: func(round int, d time.Duration) error {
		each, err := repeat(d, do)
		if err == nil {
			per(rec, round, key, report.OperationTime, report.OperationRate, each)
		}
		return err
	}}
}

// repeat does something for d, and returns the CPU time that it took each time. The first does not count.
func repeat(d time.Duration, do func() error) (each time.Duration, err error) {
	n := 0
	begin, start := time.Now(), clock.Thread()
	for ; n < 2 || time.Since(begin) < d; n++ {
		if err := do(); err != nil {
			return 0, err
		}
		if n == 0 {
			start = clock.Thread()
		}
	}
	return max((clock.Thread()-start)/time.Duration(n-1), 1), nil
}
