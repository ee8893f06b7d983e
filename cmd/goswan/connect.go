package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/cmd/goswan/proxy"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/netstack"
	"github.com/goswan/goswan/tun/route"
)

// connectOptions are the options of `goswan connect`.
type connectOptions struct {
	server                    string
	user, passwordFile, eap   string
	cert, key, passphraseFile string
	eapTLS                    bool
	pskFile                   string
	myID, id, aaaID           string
	cas, routes               []string
	proxy                     string
	expose                    bool
	tun                       string
	port                      uint16
	ike, esp                  string
	verbose                   bool
}

func newConnect() *cobra.Command {
	var o connectOptions
	c := &cobra.Command{
		Use:   "connect SERVER",
		Short: "A tunnel to a gateway in one line, without a configuration file",
		Long: `Connects this computer to the gateway SERVER by IKEv2 and stays connected until Ctrl-C: keys are renewed, and when the
gateway is away it is called again. Nothing is read from swanctl.conf or strongswan.conf.

Who you are is one of:
  --user NAME        a name and a password, which is asked for (EAP: MSCHAPv2, TTLS or PEAP, as the gateway likes)
  --cert FILE        a certificate with its private key (--key, or a .p12 file); with --eap-tls inside EAP
  --psk-file FILE    a pre-shared key, which proves the gateway, too

The gateway has to show a certificate with the name SERVER (or --id) of a CA in --ca, or of one that this system trusts.

As root on Linux all traffic goes through the tunnel, or that for the networks in --route; addresses, routes and name servers
are put on the host and taken back at the end. While the tunnel is down, traffic goes the way it went before.

With --proxy no root is needed, and nothing on the host changes: programs use the tunnel by a SOCKS5 and HTTP proxy on that
address. Names are resolved by the gateway's name servers, never by those of this host. Every user of this host can use it.`,
		Example: `  sudo goswan connect vpn.example.org --user alice
  goswan connect vpn.example.org --user alice --proxy 127.0.0.1:1080
  curl --proxy socks5h://127.0.0.1:1080 http://intranet.example.org/

  sudo goswan connect vpn.example.org --cert alice.p12 --route 10.1.0.0/16 --route fd00:1::/64
  sudo goswan connect 192.0.2.1 --id vpn.example.org --cert alice.pem --key alice.key --ca company-ca.pem
  sudo goswan connect 192.0.2.1 --psk-file office.psk --my-id alice@example.org --id vpn.example.org`,
		Args: exactly(1, "the host name or address of one gateway"),
		RunE: func(c *cobra.Command, args []string) error {
			o.server = args[0]
			return o.run(c)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.user, "user", "", "authenticate as the user `NAME`, with a password")
	f.StringVar(&o.passwordFile, "password-file", "", "`FILE` with the password in its first line; else the terminal is asked")
	f.StringVar(&o.eap, "eap", "", "EAP `METHOD` for the password: mschapv2, ttls, peap or gtc (default: the gateway's choice)")
	f.StringVar(&o.cert, "cert", "", "authenticate with the certificate in `FILE`: PEM or DER, or a PKCS#12 file (.p12, .pfx)")
	f.StringVar(&o.key, "key", "", "`FILE` with the private key of the certificate (default: that of --cert)")
	f.StringVar(&o.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase of an encrypted private key; else the terminal is asked")
	f.BoolVar(&o.eapTLS, "eap-tls", false, "show the certificate inside EAP-TLS")
	f.StringVar(&o.pskFile, "psk-file", "", "authenticate with the pre-shared key in the first line of `FILE`; 0x and 0s as in swanctl.conf")
	f.StringVar(&o.myID, "my-id", "", "`IDENTITY` to show to the gateway (default: user, subject of the certificate, or address)")
	f.StringVar(&o.id, "id", "", "`IDENTITY` that the gateway has to prove (default SERVER)")
	f.StringVar(&o.aaaID, "aaa-id", "", "`IDENTITY` in the certificate that is shown inside EAP, if that is not the gateway's own")
	f.StringArrayVar(&o.cas, "ca", nil, "`FILE` with the certificate of a CA that may vouch for the gateway; repeatable (default: the CAs of this system)")
	f.StringArrayVar(&o.routes, "route", nil, "`NETWORK` to reach through the tunnel, as 10.1.0.0/16; repeatable (default: everything)")
	f.StringVar(&o.proxy, "proxy", "", "be a SOCKS5 and HTTP proxy on `ADDRESS:PORT`, as 127.0.0.1:1080, instead of changing the host; needs no root")
	f.BoolVar(&o.expose, "expose", false, "let the proxy listen on an address that others reach: all of them can use the tunnel")
	f.Uint16Var(&o.port, "port", 0, "UDP `PORT` of the gateway (default 500, then 4500)")
	f.StringVar(&o.tun, "tun", "", "`NAME` of the TUN device (default ipsec0)")
	f.StringVar(&o.ike, "ike", "", "IKE `PROPOSALS`, as aes256-sha256-modp2048 (default: all that are strong by today's measure)")
	f.StringVar(&o.esp, "esp", "", "ESP `PROPOSALS`, as aes256-sha256 (default: likewise)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show every IKE message with its payloads, and what the proxy could not reach")
	return c
}

// run connects and stays connected until the command's context ends.
func (o *connectOptions) run(c *cobra.Command) error {
	ctx := c.Context()
	// The first Ctrl-C takes leave of the gateway, a second one does not wait for that.
	defer context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })()
	if err := o.check(); err != nil {
		return usageError{fmt.Errorf("connect: %w", err)}
	}
	w := c.ErrOrStderr()
	warn := func(err error) { fmt.Fprintf(w, "warning: %v\n", err) }
	catalog, err := o.catalog(unlock(c, o.passphraseFile, "Passphrase of the private key of "+o.cert), warn)
	if err != nil {
		return err
	}
	defer wipeSecrets(catalog)
	e, err := o.open()
	if err != nil {
		return err
	}
	if o.user != "" {
		if err := o.password(c, catalog); err != nil {
			return errors.Join(err, e.Close())
		}
	}
	e.Load(catalog)
	return o.attend(ctx, c.OutOrStdout(), e)
}

func wipeSecrets(c *core.Catalog) {
	for _, s := range c.Secrets {
		s.Key.Wipe()
	}
}

// password gets the user's password: from a file, or from the terminal.
func (o *connectOptions) password(c *cobra.Command, catalog *core.Catalog) error {
	s := &core.Secret{Name: "password", Kind: core.SecretEAP, Source: place("--password-file")}
	var err error
	if o.passwordFile != "" {
		s.Key, err = confidential("--password-file", o.passwordFile)
	} else {
		s.Key, err = ask(c.Context(), c.ErrOrStderr(), "Password of "+o.user+" at "+o.server)
	}
	catalog.Secrets = append(catalog.Secrets, s)
	return err
}

// connectLog is the log on standard error: what is amiss and is not told otherwise.
func connectLog() (*zap.Logger, error) {
	log, err := newLogger("console", "warn")
	if err != nil {
		return nil, err
	}
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core { return withoutFailures{c} })), nil
}

// withoutFailures leaves out of a log that a negotiation failed.
type withoutFailures struct{ zapcore.Core }

// With implements zapcore.Core.
func (c withoutFailures) With(fields []zapcore.Field) zapcore.Core {
	return withoutFailures{c.Core.With(fields)}
}

// Check implements zapcore.Core.
func (c withoutFailures) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Message == "negotiation failed" {
		return checked
	}
	return c.Core.Check(e, checked)
}

// open makes the endpoint: on a TUN device with the host's routes, or on a network stack of this process. Its UDP ports are any
// free ones: it begins everything itself, and 500 and 4500 may be another daemon's, or not to be had without root.
func (o *connectOptions) open() (*goswan.Endpoint, error) {
	log, err := connectLog()
	if err != nil {
		return nil, err
	}
	charon := config.DefaultCharon()
	// Somebody waits: half a minute without an answer is none.
	charon.Settings.RetransmitTimeout, charon.Settings.RetransmitBase, charon.Settings.RetransmitTries = 2*time.Second, 1.6, 4
	c := goswan.Config{Settings: &charon.Settings, Limits: ike.Limits{InitiatorOnly: true}, Log: log}
	if o.proxy != "" {
		if c.Device, err = netstack.New(netstack.Config{}); err != nil {
			return nil, err
		}
		return goswan.New(c)
	}
	c.TUN = tun.Config{Name: o.tun}
	c.Sockets = encap.Config{Mark: route.DefaultMark}
	c.Routes = &route.Config{Table: charon.RoutingTable, Priority: charon.RoutingTablePrio}
	c.ResolvConf = charon.ResolvConf
	e, err := goswan.New(c)
	return e, withoutRoot(err)
}

// withoutRoot says what to do about an error that comes of a lack of rights.
func withoutRoot(err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("this needs root; run it with sudo, or without root as a proxy: --proxy 127.0.0.1:1080\n(%w)", err)
}

// attend runs the endpoint, brings the tunnel up and keeps it up until ctx ends, or something does that cannot be mended.
func (o *connectOptions) attend(ctx context.Context, w io.Writer, e *goswan.Endpoint) error {
	t := &keeper{Endpoint: e, w: w, server: o.server, everything: len(o.routes) == 0 && o.proxy == "", down: make(chan struct{}, 1)}
	defer e.Subscribe(t.see)()
	if o.verbose {
		rungs := &ladder{w: w, here: "we", peer: o.server, detail: true}
		defer e.Subscribe(rungs.see)()
	}
	var server *proxy.Server
	var listener net.Listener
	if o.proxy != "" {
		var err error
		if listener, err = net.Listen("tcp", o.proxy); err != nil {
			return errors.Join(fmt.Errorf("--proxy %s: %w", o.proxy, err), e.Close())
		}
		defer listener.Close()
		server = proxy.New(proxy.Config{Dial: t.dial, Failed: o.proxyFailed(w)})
		defer server.Close()
	}
	runCtx, stop := context.WithCancel(context.Background())
	defer stop()
	upCtx, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(runCtx)
		cancel(nil)
	}()
	fmt.Fprintf(w, "Connecting to %s.\n", o.server)
	err := t.connect(upCtx)
	if err == nil && server != nil {
		fmt.Fprintf(w, "Proxy on %s (SOCKS5 and HTTP).\n", listener.Addr())
		go func() { cancel(server.Serve(listener)) }()
	}
	if err == nil {
		fmt.Fprintln(w, "Ctrl-C ends it.")
		err = t.keep(upCtx)
	}
	switch cause := context.Cause(upCtx); {
	case ctx.Err() != nil:
		fmt.Fprintf(w, "Taking leave of %s.\n", o.server)
	case err == nil && !errors.Is(cause, context.Canceled):
		err = cause // the proxy has ended
	}
	stop()
	return errors.Join(err, <-ended)
}

// proxyFailed tells of what the proxy's clients could not have, with --verbose.
func (o *connectOptions) proxyFailed(w io.Writer) func(error) {
	if !o.verbose {
		return nil
	}
	return func(err error) { fmt.Fprintf(w, "proxy: %v\n", err) }
}
