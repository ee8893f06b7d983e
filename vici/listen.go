package vici

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// socketMode lets only the owner connect: whoever can, commands the daemon.
const socketMode = 0o600

// probeTimeout is how long a daemon may take to accept a connection before its socket counts as stuck, not as stale.
const probeTimeout = 2 * time.Second

// ErrInUse is wrapped by Listen's error when another daemon answers on the socket.
var ErrInUse = errors.New("another daemon is listening there")

// Listen opens the server's socket. A unix socket has mode 0600; one that a dead daemon left is replaced, one on which
// a daemon is alive is left alone and is ErrInUse. A TCP port has no authentication at all: whoever reaches it commands
// the daemon.
func Listen(uri string) (net.Listener, error) {
	network, address, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	if network != "unix" {
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, fmt.Errorf("vici: %w", err)
		}
		return l, nil
	}
	l, err := listenUnix(address)
	if err != nil {
		return nil, fmt.Errorf("vici: %s: %w", address, err)
	}
	return l, nil
}

// listenUnix binds a unix socket, which fails if there is anything at its path, and removes a dead daemon's if so.
func listenUnix(path string) (net.Listener, error) {
	for range 3 {
		l, err := bind(path)
		if err == nil || !errors.Is(err, errInUse) {
			return l, err
		}
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("several daemons are starting at once")
}

// removeStale removes a socket that nobody listens on.
func removeStale(path string) error {
	if err := dead(path); err != nil {
		return err
	}
	return moveAside(path)
}

// moveAside removes a socket that was found dead. Since then another daemon may have done the same and may have its own
// socket there. So the socket is moved aside, looked at again, and put back if it lives.
func moveAside(path string) error {
	aside := path + "~" + strconv.Itoa(os.Getpid())
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("what a dead daemon left cannot be removed: %w", err)
	}
	if err := dead(aside); err != nil {
		return errors.Join(err, os.Rename(aside, path))
	}
	return os.Remove(aside)
}

// dead is nil when there is a socket at path that nobody listens on, or nothing.
func dead(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return errors.New("it exists and is not a socket; remove it or choose another path")
	}
	c, err := net.DialTimeout("unix", path, probeTimeout)
	if err == nil {
		return errors.Join(ErrInUse, c.Close())
	}
	if errors.Is(err, errRefused) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("it is not clear whether a daemon is alive there: %w", err)
}

// unixListener removes its socket when it closes, if the socket there is still its own.
type unixListener struct {
	*net.UnixListener
	path  string
	own   fs.FileInfo
	close sync.Once
	err   error
}

// Close closes the socket and removes it.
func (l *unixListener) Close() error {
	l.close.Do(func() {
		info, err := os.Lstat(l.path)
		if err == nil && os.SameFile(info, l.own) {
			l.err = os.Remove(l.path)
		}
		l.err = errors.Join(l.err, l.UnixListener.Close())
	})
	return l.err
}

// own makes a listener of a socket just bound.
func own(l *net.UnixListener, path string) (net.Listener, error) {
	l.SetUnlinkOnClose(false)
	info, err := os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, socketMode)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &unixListener{UnixListener: l, path: path, own: info}, nil
}
