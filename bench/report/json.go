package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is the version of the JSON. It changes whenever a file that was written before means something else.
const Format = 1

// The bounds of what is read. A run of every suite on 64 processors is a hundredth of it.
const (
	maxFile         = 64 << 20 // octets
	maxMeasurements = 200_000
	maxRounds       = 100_000
	maxItems        = 10_000 // of every other list
	maxText         = 4096   // octets of a text
)

// file is a run with the format's version, which comes first and tells what the file is.
type file struct {
	Format int `json:"goswan_bench"`
	*Run
}

// Encode writes a run as JSON: every value of every round, unrounded.
func Encode(w io.Writer, r *Run) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "\t")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(file{Format, r})
}

// Decode reads what Encode wrote. It takes no other format, no field that it does not know, and nothing behind the end; its
// errors tell which it was. What it returns is safe to print: no text holds a control character.
func Decode(from io.Reader) (*Run, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("report: longer than %d octets, which no run is", maxFile)
	}
	if err := checkFormat(text); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	f := file{Run: new(Run)}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("report: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("report: something follows the run")
	}
	if err := f.validate(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return f.Run, nil
}

// checkFormat looks for the version alone, so that a file of another one is called that and not wrong.
func checkFormat(text []byte) error {
	var head struct {
		Format *int `json:"goswan_bench"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&head); err != nil {
		return fmt.Errorf("not JSON as `goswan bench --json` writes it: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	switch {
	case head.Format == nil:
		return errors.New("not a result of `goswan bench --json`: goswan_bench is missing")
	case *head.Format != Format:
		return fmt.Errorf("format %d; this goswan reads format %d", *head.Format, Format)
	}
	return nil
}

// validate holds a run to what its readers rely on.
func (r *Run) validate() error {
	switch {
	case r.Bench == "":
		return errors.New("bench is missing")
	case r.Rounds < 0 || r.Rounds > maxRounds:
		return fmt.Errorf("%d rounds", r.Rounds)
	case !amount(r.Seconds):
		return fmt.Errorf("%v seconds", r.Seconds)
	case len(r.Measurements) > maxMeasurements:
		return fmt.Errorf("%d measurements, more than %d", len(r.Measurements), maxMeasurements)
	case len(r.Comparisons) > maxMeasurements:
		return fmt.Errorf("%d comparisons, more than %d", len(r.Comparisons), maxMeasurements)
	}
	if err := r.validateTexts(); err != nil {
		return err
	}
	if err := r.validateMeasurements(); err != nil {
		return err
	}
	return r.validateComparisons()
}

func (r *Run) validateTexts() error {
	m := r.Machine
	lists := [][]string{{r.Bench, r.Goswan, m.CPU, m.OS, m.Arch, m.Kernel, m.Governor, m.Go}, r.Command, m.Flags, r.Notes}
	if len(r.Peers) > maxItems {
		return errors.New("too many peers")
	}
	for _, p := range r.Peers {
		lists = append(lists, []string{p.Name, p.Version})
	}
	for _, list := range lists {
		if len(list) > maxItems {
			return errors.New("a list of too many texts")
		}
		if err := printable(list...); err != nil {
			return err
		}
	}
	if !amount(m.MHz) || m.LogicalCPUs < 0 || m.GOMAXPROCS < 0 {
		return errors.New("machine: a number that counts nothing")
	}
	return nil
}

func (r *Run) validateMeasurements() error {
	seen := make(map[Key]bool, len(r.Measurements))
	for i, m := range r.Measurements {
		if err := m.validate(); err != nil {
			return fmt.Errorf("measurement %d: %w", i, err)
		}
		if seen[m.Key] {
			return fmt.Errorf("measurement %d: the same as one before", i)
		}
		seen[m.Key] = true
		if len(m.Values) > r.Rounds {
			return fmt.Errorf("measurement %d: %d values of %d rounds", i, len(m.Values), r.Rounds)
		}
		for _, v := range m.Values {
			if math.IsInf(v, 0) {
				return fmt.Errorf("measurement %d: a value without end", i)
			}
		}
	}
	return nil
}

func (r *Run) validateComparisons() error {
	for i, c := range r.Comparisons {
		keys := []Key{c.Of}
		if c.Against != nil {
			keys = append(keys, *c.Against)
		}
		for _, k := range keys {
			if err := k.validate(); err != nil {
				return fmt.Errorf("comparison %d: %w", i, err)
			}
		}
		if !amount(c.Least) || !amount(c.Most) {
			return fmt.Errorf("comparison %d: its goal is no number above 0", i)
		}
	}
	return nil
}

func (m Measurement) validate() error {
	if m.From != (Figure{}) {
		if err := m.From.validate(); err != nil {
			return fmt.Errorf("from: %w", err)
		}
	}
	return m.Key.validate()
}

func (k Key) validate() error {
	if err := k.Figure.validate(); err != nil {
		return err
	}
	if k.Subject == "" {
		return errors.New("subject is missing")
	}
	if k.Size < 0 || k.Cores < 0 || k.SAs < 0 || k.Flows < 0 {
		return errors.New("a number below 0")
	}
	return printable(k.Subject, k.Suite, k.Operation, k.Mix)
}

func (f Figure) validate() error {
	switch {
	case f.Name == "":
		return errors.New("figure.name is missing")
	case f.Unit == "":
		return errors.New("figure.unit is missing")
	case f.Better != More && f.Better != Less:
		return fmt.Errorf("figure.better is %q, not %q or %q", f.Better, More, Less)
	}
	return printable(f.Name, f.Unit)
}

// amount tells whether a value is a number and not below 0.
func amount(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }

// printable is nil for texts that a terminal shows as they are.
func printable(texts ...string) error {
	for _, s := range texts {
		if len(s) > maxText {
			return fmt.Errorf("a text of %d octets", len(s))
		}
		if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("a text that cannot be printed: %q", s)
		}
	}
	return nil
}
