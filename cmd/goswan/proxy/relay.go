package proxy

import (
	"errors"
	"io"
	"net"
	"time"
)

// relay carries octets both ways until both ends have said all, one of them fails, or nobody has said anything for a while. It
// closes both. What the client says is read from said, which may have some of it already.
func (s *Server) relay(client, target net.Conn, said io.Reader) {
	end := func() { _ = client.Close(); _ = target.Close() }
	defer end()
	idle := time.AfterFunc(s.Idle, end)
	defer idle.Stop()
	there := make(chan struct{})
	go func() {
		defer close(there)
		if !carry(target, said, idle, s.Idle) {
			end()
		}
	}()
	if !carry(client, target, idle, s.Idle) {
		end()
	}
	<-there
}

// carry copies one direction and passes its end on; false when it did not come to the end.
func carry(to net.Conn, from io.Reader, idle *time.Timer, patience time.Duration) bool {
	if _, err := io.Copy(writer{to}, &busy{from, idle, patience}); err != nil {
		return false
	}
	return closeWrite(to) == nil
}

// writer hides that a connection can read from others by itself, which would go past busy.
type writer struct{ io.Writer }

// busy puts off the end of a connection with each read.
type busy struct {
	io.Reader
	idle     *time.Timer
	patience time.Duration
}

// Read implements io.Reader.
func (b *busy) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 && b.idle.Stop() { // not when it has fired: both ends are being closed
		b.idle.Reset(b.patience)
	}
	return n, err
}

var errNoHalfClose = errors.New("proxy: the connection has no half that could be closed")

// closeWrite tells the other end of a connection that nothing more comes, while it may go on.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalfClose
}
