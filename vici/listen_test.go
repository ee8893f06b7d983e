package vici

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// socketDir is a directory with a path short enough for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vici")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestParseURI(t *testing.T) {
	tests := []struct{ uri, network, address string }{
		{"unix:///run/charon.vici", "unix", "/run/charon.vici"},
		{"unix://vici", "unix", "vici"},
		{"tcp://127.0.0.1:4502", "tcp", "127.0.0.1:4502"},
		{"tcp://[::1]:4502", "tcp", "[::1]:4502"},
		{"tcp://gateway:0", "tcp", "gateway:0"},
	}
	for _, test := range tests {
		network, address, err := ParseURI(test.uri)
		if err != nil || network != test.network || address != test.address {
			t.Errorf("%s is %s %s, %v; want %s %s", test.uri, network, address, err, test.network, test.address)
		}
	}
	for _, uri := range []string{"", "/run/charon.vici", "unix://", "tcp://", "tcp://host", "tcp://:1", "tcp://host:port", "tcp://host:65536", "udp://host:1"} {
		if network, address, err := ParseURI(uri); err == nil {
			t.Errorf("%q is %s %s, want an error", uri, network, address)
		}
		if _, err := Listen(uri); err == nil {
			t.Errorf("%q can be listened on", uri)
		}
	}
}

func TestListenMode(t *testing.T) {
	path := filepath.Join(socketDir(t), "vici")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v; want mode 0600", info.Mode(), err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("the socket does not close: %v", err)
		}
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close the socket is still there: %v", err)
	}
}

// stale leaves a socket as a killed daemon does.
func stale(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListenReplacesAStaleSocket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "vici")
	stale(t, path)
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatalf("what a dead daemon left is in the way: %v", err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}

func TestListenLeavesALivingDaemonAlone(t *testing.T) {
	path := filepath.Join(socketDir(t), "vici")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := Listen("unix://" + path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second daemon gets %v, want ErrInUse", err)
	}
	if _, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first daemon's socket is gone: %v", err)
	}
}

// TestListenPutsBackALivingSocket is the moment between the look and the removal.
func TestListenPutsBackALivingSocket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "vici")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := moveAside(path); !errors.Is(err, ErrInUse) {
		t.Errorf("moving a living daemon's socket aside is %v, want ErrInUse", err)
	}
	if _, err := net.Dial("unix", path); err != nil {
		t.Errorf("the living daemon's socket is gone: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v is there, %v; want the socket alone", left, err)
	}
}

func TestListenNoSocket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "vici")
	if err := os.WriteFile(path, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil {
		t.Error("a file is replaced by a socket")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "dear" {
		t.Errorf("the file is %q, %v", b, err)
	}
	if _, err := Listen("unix://" + filepath.Join(dir, "none", "vici")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory the error is %v, want that it does not exist", err)
	}
}

// TestCloseLeavesAnothersSocket has a socket that was replaced behind the listener's back.
func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "vici")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("unix", path); err != nil {
		t.Errorf("the other daemon's socket is gone: %v", err)
	}
}
