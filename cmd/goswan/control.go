package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/vici"
	"github.com/spf13/cobra"
)

// controlOptions are those of the commands that talk to a running daemon.
type controlOptions struct {
	uri     string
	timeout time.Duration
	quiet   bool
}

func (o *controlOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.uri, "vici", "", "URI of the daemon's control socket (default from strongswan.conf, or "+config.DefaultSocket+")")
}

// dial connects to the daemon.
func (o *controlOptions) dial(ctx context.Context) (*vici.Client, error) {
	uri := o.uri
	if uri == "" {
		charon, _, err := config.LoadStrongswan("")
		if err != nil {
			return nil, err
		}
		uri = charon.Socket
	}
	client, err := vici.Dial(ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("%w\nIs `goswan run` running, and may you open its socket?", err)
	}
	return client, nil
}

func newUp() *cobra.Command {
	var o controlOptions
	var ike string
	c := &cobra.Command{
		Use:   "up NAME",
		Short: "Bring up a child, and the IKE SA that it needs",
		Long: `Negotiates the Child SA NAME of the running daemon's configuration, and the IKE SA for it if there is none, and waits
until it is installed. A failure says in which phase and message it happened, what was offered, what was acceptable, and
what to change.`,
		Example: `  sudo goswan up net
  sudo goswan up net --ike office      when two connections have a child "net"`,
		Args: exactly(1, "the name of one child"),
		RunE: func(c *cobra.Command, args []string) error {
			m := new(vici.Message).Add("child", args[0])
			if ike != "" {
				m.Add("ike", ike)
			}
			if o.timeout > 0 {
				m.Addf("timeout", "%d", o.timeout.Milliseconds())
			}
			m.Add("loglevel", "1")
			return o.command(c.Context(), c.OutOrStdout(), "initiate", m, fmt.Sprintf("%q is up", args[0]))
		},
	}
	o.flags(c)
	c.Flags().StringVar(&ike, "ike", "", "the connection, when several have a child of that name")
	c.Flags().DurationVar(&o.timeout, "timeout", 0, "stop waiting after this long; the negotiation goes on (default: until it is decided)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but failures")
	return c
}

func newDown() *cobra.Command {
	var o controlOptions
	var ike, force bool
	c := &cobra.Command{
		Use:   "down NAME",
		Short: "Take down a child, or with --ike a whole connection",
		Long:  `Deletes the Child SAs NAME, or with --ike the IKE SAs of the connection NAME and everything in them, with notice to the peer.`,
		Example: `  sudo goswan down net
  sudo goswan down --ike office`,
		Args: exactly(1, "the name of one child, or with --ike of one connection"),
		RunE: func(c *cobra.Command, args []string) error {
			key := "child"
			if ike {
				key = "ike"
			}
			m := new(vici.Message).Add(key, args[0])
			if force {
				m.Add("force", "yes")
			}
			if o.timeout > 0 {
				m.Addf("timeout", "%d", o.timeout.Milliseconds())
			}
			m.Add("loglevel", "1")
			return o.command(c.Context(), c.OutOrStdout(), "terminate", m, fmt.Sprintf("%q is down", args[0]))
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&ike, "ike", false, "NAME is a connection")
	c.Flags().BoolVar(&force, "force", false, "do not wait for the peer")
	c.Flags().DurationVar(&o.timeout, "timeout", 0, "stop waiting after this long (default: until it is done)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but failures")
	return c
}

// command sends a control command and prints its log until it is decided.
func (o *controlOptions) command(ctx context.Context, w io.Writer, name string, m *vici.Message, done string) error {
	client, err := o.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	reply, err := client.Stream(ctx, name, "control-log", m, func(ev *vici.Message) {
		if !o.quiet {
			fmt.Fprintf(w, "[%s] %s\n", ev.Get("group"), ev.Get("msg"))
		}
	})
	if err != nil {
		return err
	}
	if err := vici.Check(name, reply); err != nil {
		return err
	}
	if !o.quiet {
		_, err = fmt.Fprintln(w, done)
	}
	return err
}
