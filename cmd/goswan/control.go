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
		Short: "Bring up a child, and the IKE SA that it needs, or all children of a connection",
		Long: `Negotiates the Child SA NAME of the running daemon's configuration, and the IKE SA for it if there is none, and waits
until it is installed. When NAME is no child but a connection, all its children are brought up. A failure says in which
phase and message it happened, what was offered, what was acceptable, and what to change.`,
		Example: `  sudo goswan up net
  sudo goswan up net --ike office      when two connections have a child "net"
  sudo goswan up office                all children of the connection "office"`,
		Args: exactly(1, "the name of one child or connection"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c, func(client *vici.Client) error { return o.up(c, client, args[0], ike) })
		},
	}
	o.flags(c)
	c.Flags().StringVar(&ike, "ike", "", "the connection, when several have a child of that name")
	c.Flags().DurationVar(&o.timeout, "timeout", 0, "stop waiting after this long; the negotiation goes on (default: until it is decided)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but failures")
	return c
}

func (o *controlOptions) up(c *cobra.Command, client *vici.Client, name, ike string) error {
	children := []string{name}
	if ike == "" {
		found, err := namedConnection(c.Context(), client, name)
		if err != nil {
			return err
		}
		if found != nil {
			children, ike = found, name
		}
	}
	for _, child := range children {
		m := new(vici.Message).Add("child", child)
		if ike != "" {
			m.Add("ike", ike)
		}
		if err := o.command(c.Context(), c.OutOrStdout(), client, "initiate", m); err != nil {
			return err
		}
		o.say(c.OutOrStdout(), "%q is up", child)
	}
	return nil
}

func newDown() *cobra.Command {
	var o controlOptions
	var ike, force bool
	c := &cobra.Command{
		Use:   "down NAME",
		Short: "Take down a child, or a whole connection",
		Long: `Deletes the Child SAs NAME with notice to the peer. When NAME is no child but a connection, or with --ike, the IKE SAs
of the connection NAME are deleted, and everything in them.`,
		Example: `  sudo goswan down net
  sudo goswan down office
  sudo goswan down --ike office        when there is a child "office", too`,
		Args: exactly(1, "the name of one child or connection"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c, func(client *vici.Client) error { return o.down(c, client, args[0], ike, force) })
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&ike, "ike", false, "NAME is a connection")
	c.Flags().BoolVar(&force, "force", false, "do not wait for the peer")
	c.Flags().DurationVar(&o.timeout, "timeout", 0, "stop waiting after this long (default: until it is done)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print nothing but failures")
	return c
}

func (o *controlOptions) down(c *cobra.Command, client *vici.Client, name string, ike, force bool) error {
	key := "child"
	if !ike {
		children, err := namedConnection(c.Context(), client, name)
		if err != nil {
			return err
		}
		ike = children != nil
	}
	if ike {
		key = "ike"
	}
	m := new(vici.Message).Add(key, name)
	if force {
		m.Add("force", "yes")
	}
	if err := o.command(c.Context(), c.OutOrStdout(), client, "terminate", m); err != nil {
		return err
	}
	o.say(c.OutOrStdout(), "%q is down", name)
	return nil
}

// namedConnection lists the children of the connection of that name; nil when some child has the name, or no connection.
func namedConnection(ctx context.Context, client *vici.Client, name string) (children []string, err error) {
	isChild := false
	_, err = client.Stream(ctx, "list-conns", "list-conn", nil, func(m *vici.Message) {
		for _, conn := range m.Elements() {
			section := m.Section(conn.Name).Section("children")
			if section == nil {
				continue
			}
			for _, child := range section.Elements() {
				isChild = isChild || child.Name == name
				if conn.Name == name {
					children = append(children, child.Name)
				}
			}
		}
	})
	if isChild {
		children = nil
	}
	return children, err
}

// with runs f with a connection to the daemon.
func (o *controlOptions) with(c *cobra.Command, f func(*vici.Client) error) error {
	client, err := o.dial(c.Context())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	return f(client)
}

func (o *controlOptions) say(w io.Writer, format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(w, format+"\n", args...)
	}
}

// command sends a control command and prints its log until it is decided.
func (o *controlOptions) command(ctx context.Context, w io.Writer, client *vici.Client, name string, m *vici.Message) error {
	if o.timeout > 0 {
		m.Addf("timeout", "%d", o.timeout.Milliseconds())
	}
	m.Add("loglevel", "1")
	reply, err := client.Stream(ctx, name, "control-log", m, func(ev *vici.Message) {
		o.say(w, "[%s] %s", ev.Get("group"), ev.Get("msg"))
	})
	if err != nil {
		return err
	}
	return vici.Check(name, reply)
}
