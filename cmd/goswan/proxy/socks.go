package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/things-go/go-socks5"
	"github.com/things-go/go-socks5/statute"
)

// socks serves a client that speaks SOCKS5, without authentication; of its commands there is CONNECT. RFC 1928
func (s *Server) socks(c *client) {
	defer c.Close()
	refuse := func(_ context.Context, w io.Writer, _ *socks5.Request) error {
		return socks5.SendReply(w, statute.RepCommandNotSupported, nil)
	}
	server := socks5.NewServer(
		socks5.WithResolver(unresolved{}),
		socks5.WithConnectHandle(func(ctx context.Context, _ io.Writer, r *socks5.Request) error { return s.socksConnect(ctx, c, r) }),
		socks5.WithBindHandle(refuse),
		socks5.WithAssociateHandle(refuse),
	)
	if err := server.ServeConn(c); err != nil && s.ctx.Err() == nil && !errors.Is(err, io.EOF) {
		s.Failed(err)
	}
}

// unresolved leaves names to Config.Dial.
type unresolved struct{}

// Resolve implements socks5.NameResolver.
func (unresolved) Resolve(ctx context.Context, _ string) (context.Context, net.IP, error) {
	return ctx, nil, nil
}

// socksConnect is CONNECT. RFC 1928 §4, §6
func (s *Server) socksConnect(ctx context.Context, c *client, r *socks5.Request) error {
	_ = c.SetDeadline(time.Time{}) // what follows has limits of its own
	target, err := s.dial(ctx, r.DestAddr.String())
	if err != nil {
		_ = socks5.SendReply(c, socksReply(err), nil) // dial has told
		return nil
	}
	if err := socks5.SendReply(c, statute.RepSuccess, target.LocalAddr()); err != nil {
		return errors.Join(err, target.Close())
	}
	s.relay(c, target, r.Reader)
	return nil
}

// socksReply is the reply to a failure: 05 connection refused, 03 network unreachable, 04 host unreachable, which a name that
// cannot be resolved is, too. RFC 1928 §6
func socksReply(err error) uint8 {
	text := err.Error()
	switch {
	case strings.Contains(text, "refused"):
		return statute.RepConnectionRefused
	case strings.Contains(text, "network is unreachable"):
		return statute.RepNetworkUnreachable
	}
	return statute.RepHostUnreachable
}
