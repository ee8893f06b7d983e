//go:build linux

package lab

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// recordHead opens a record.
const recordHead = "# What the lab negotiated: protocol, algorithm as vici names it, and with whom; of signatures the Authentication Method. Written by GOSWAN_LAB_RECORD=… make lab.\n"

// release is in what swanctl --version --daemon prints.
var release = regexp.MustCompile(`\d+(\.\d+)+`)

// recordSignature adds a signature scheme that both ends have verified to the file GOSWAN_LAB_RECORD, with the Authentication Method
// in the place of the protocol.
func (n *Net) recordSignature(t testing.TB, method, scheme string) {
	t.Helper()
	n.recordLines(t, func(peer string) []string { return []string{method + "\t" + scheme + "\t" + peer} })
}

// record adds the algorithms that both ends say they use to the file GOSWAN_LAB_RECORD, if there is one: a line each, sorted,
// so that a record can be kept and compared. It belongs behind what proves them, for it records nothing of a test that failed.
func (n *Net) record(t testing.TB) {
	t.Helper()
	n.recordLines(t, func(peer string) (lines []string) {
		for protocol, used := range map[string]string{"IKE": algorithms(n.Left.SA(t).Section), "ESP": algorithms(n.Left.Child(t, "net").Section)} {
			for algorithm := range strings.FieldsSeq(used) {
				lines = append(lines, protocol+"\t"+algorithm+"\t"+peer)
			}
		}
		return lines
	})
}

// recordLines adds lines about goswan's peer to the file GOSWAN_LAB_RECORD, if there is one and the test has not failed.
func (n *Net) recordLines(t testing.TB, about func(peer string) []string) {
	t.Helper()
	file := os.Getenv("GOSWAN_LAB_RECORD")
	if file == "" || t.Failed() {
		return
	}
	peer := n.peer(t)
	if peer == "" {
		return
	}
	if err := addLines(file, about(peer)); err != nil {
		t.Fatalf("GOSWAN_LAB_RECORD: %v", err)
	}
}

// peer is who goswan negotiates with: "strongSwan 5.9.8", or "goswan"; "" when there is no goswan.
func (n *Net) peer(t testing.TB) string {
	t.Helper()
	switch {
	case n.Left.Daemon == Goswan && n.Right.Daemon == Goswan:
		return "goswan"
	case n.Left.Daemon == StrongSwan && n.Right.Daemon == StrongSwan:
		return ""
	}
	strongSwan := n.Left
	if strongSwan.Daemon == Goswan {
		strongSwan = n.Right
	}
	said := strongSwan.mustSwanctl(t, "--version", "--daemon")
	version := release.FindString(said)
	if version == "" {
		t.Fatalf("swanctl --version --daemon does not tell the version: %s", said)
	}
	return "strongSwan " + version
}

// addLines adds lines to a record.
func addLines(file string, lines []string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for l := range strings.Lines(string(old)) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			lines = append(lines, l)
		}
	}
	slices.Sort(lines)
	return os.WriteFile(file, []byte(recordHead+strings.Join(slices.Compact(lines), "\n")+"\n"), 0o644)
}

// algorithms are the algorithms of an IKE SA or a Child SA in list-sas, with the key size at the cipher.
func algorithms(s *section) (text string) {
	text = s.get("encr-alg")
	if size := s.get("encr-keysize"); size != "" {
		text += "-" + size
	}
	for _, key := range []string{"integ-alg", "prf-alg", "dh-group"} {
		if value := s.get(key); value != "" {
			text += " " + value
		}
	}
	if s.get("esn") == "1" {
		text += " ESN"
	}
	return text
}
