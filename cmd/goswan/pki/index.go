package pki

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// record is a line of the index.
type record struct {
	Event    string    `json:"event"` // issued, revoked or crl
	At       time.Time `json:"at"`
	Serial   string    `json:"serial,omitempty"` // hexadecimal octets
	Subject  string    `json:"subject,omitempty"`
	Names    []string  `json:"names,omitempty"`
	NotAfter time.Time `json:"not_after,omitzero"`
	File     string    `json:"file,omitempty"`
	Reason   int       `json:"reason,omitempty"` // CRLReason
	Number   int64     `json:"number,omitempty"` // of a CRL
}

// Issued is a certificate in the index.
type Issued struct {
	Serial, Subject string
	Names           []string
	File            string
	At, NotAfter    time.Time
	Revoked         bool
	RevokedAt       time.Time
	Reason          int
}

// index is what a CA did, read from its file.
type index struct {
	issued []*Issued
	crls   int64 // the number of the newest CRL
}

// readIndex reads the file; one that is not there is empty.
func readIndex(file string) (*index, error) {
	octets, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return parseIndex(file, octets)
}

// parseIndex reads the lines of an index; file is what messages call it.
func parseIndex(file string, octets []byte) (*index, error) {
	x := &index{}
	scanner := bufio.NewScanner(bytes.NewReader(octets))
	for line := 1; scanner.Scan(); line++ {
		var r record
		if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w; the line was damaged: restore the file from a backup", file, line, err)
		}
		if err := x.take(r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, line, err)
		}
	}
	return x, scanner.Err()
}

func (x *index) take(r record) error {
	switch r.Event {
	case "issued":
		x.issued = append(x.issued, &Issued{Serial: r.Serial, Subject: r.Subject, Names: r.Names, File: r.File, At: r.At, NotAfter: r.NotAfter})
	case "revoked":
		i := x.bySerial(r.Serial)
		if i == nil {
			// A certificate that the index does not know can be revoked, too.
			i = &Issued{Serial: r.Serial, Subject: r.Subject, NotAfter: r.NotAfter}
			x.issued = append(x.issued, i)
		}
		i.Revoked, i.RevokedAt, i.Reason = true, r.At, r.Reason
	case "crl":
		x.crls = max(x.crls, r.Number)
	default:
		return fmt.Errorf("unknown event %q", r.Event)
	}
	return nil
}

// bySerial finds a certificate by its serial number, with or without colons; nil if it is not there.
func (x *index) bySerial(serial string) *Issued {
	for _, i := range x.issued {
		if bare(i.Serial) == bare(serial) {
			return i
		}
	}
	return nil
}

// bare is a serial number without colons and leading zeros.
func bare(serial string) string {
	return strings.TrimLeft(strings.ToLower(strings.ReplaceAll(serial, ":", "")), "0")
}

// add writes a line to the file. Lines are only ever added, each with one write.
func add(file string, r record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, modePrivate)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}
