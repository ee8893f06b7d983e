package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"time"
)

// via is what the header Via says of us: the protocol and a pseudonym. RFC 9110 §7.6.3
const via = "1.1 goswan"

// openHTTP makes the HTTP side.
func (s *Server) openHTTP() {
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, address string) (net.Conn, error) { return s.dial(ctx, address) },
		DisableCompression: true, MaxIdleConns: idleUpstreams, IdleConnTimeout: keepAlive, MaxResponseHeaderBytes: maxHeader,
	}
	quiet := log.New(io.Discard, "", 0) // what a client cannot have it is told itself
	s.forward = &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: quiet,
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.Header.Add("Via", via) },
		ModifyResponse: func(r *http.Response) error { r.Header.Add("Via", via); return nil },
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, err error) { refuse(w, err) },
	}
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: s.Handshake, IdleTimeout: keepAlive, MaxHeaderBytes: maxHeader, ErrorLog: quiet,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
	}
	context.AfterFunc(s.ctx, transport.CloseIdleConnections)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		s.httpConnect(w, r)
	case r.URL.Host == "":
		http.Error(w, "This is goswan's proxy, not a web server: enter its address as the HTTP or SOCKS5 proxy of your program.", http.StatusBadRequest)
	case r.URL.Scheme != "http":
		http.Error(w, "goswan's proxy fetches http:// itself; for everything else use CONNECT.", http.StatusNotImplemented)
	default:
		s.forward.ServeHTTP(w, r)
	}
}

// httpConnect is CONNECT: "the recipient … becomes a tunnel".  RFC 9110 §9.3.6
func (s *Server) httpConnect(w http.ResponseWriter, r *http.Request) {
	if _, _, err := net.SplitHostPort(r.Host); err != nil {
		http.Error(w, "CONNECT wants host:port.", http.StatusBadRequest)
		return
	}
	target, err := s.dial(r.Context(), r.Host)
	if err != nil {
		refuse(w, err)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = target.Close()
		refuse(w, err)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if _, err := io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_, _ = conn.Close(), target.Close()
		return
	}
	s.relay(conn, target, buffered.Reader)
}

// refuse says why a server was not reached.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	http.Error(w, "goswan's proxy did not reach the server through the tunnel: "+err.Error(), status)
}
