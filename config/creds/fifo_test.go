//go:build linux || darwin

package creds

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipes has a named pipe among the certificates. Who opens it waits for a writer: it is told of, and not read.
func TestPipes(t *testing.T) {
	root := t.TempDir()
	place(t, root, map[string]string{"x509/p256.pem": "p256.crt.pem"})
	pipe := filepath.Join(root, "x509", "pipe.pem")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { // until somebody reads
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err == nil {
			err = f.Close()
		}
		written <- err
	}()
	s, problems := Loader{Dir: root}.Load()
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Error(), "pipe.pem: it is no regular file, and is not read") {
		t.Errorf("the problems are %v, want one that says that the pipe is not read", problems)
	}
	if len(s.Certificates) != 1 {
		t.Errorf("there are %d certificates, want that of the regular file", len(s.Certificates))
	}
	f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := <-written; err != nil {
		t.Error(err)
	}
}
