package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/vici"
	"github.com/spf13/cobra"
)

func newStatus() *cobra.Command {
	var o controlOptions
	var asJSON, watch bool
	var every time.Duration
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the SAs of the running daemon",
		Long:  `Shows the IKE SAs and Child SAs of the running daemon with their traffic. With --json the fields are those of vici's list-sas.`,
		Example: `  sudo goswan status
  sudo goswan status --watch
  sudo goswan status --json | jq '.[].net'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c, func(client *vici.Client) error {
				show := func() error { return status(c.Context(), c.OutOrStdout(), client, asJSON) }
				if !watch {
					return show()
				}
				return repeat(c.Context(), c.OutOrStdout(), every, asJSON, show)
			})
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: a list with one object for each IKE SA")
	c.Flags().BoolVarP(&watch, "watch", "w", false, "show again until interrupted")
	c.Flags().DurationVar(&every, "every", 2*time.Second, "how often --watch shows")
	return c
}

// repeat shows again and again, on a cleared screen unless it is for a program.
func repeat(ctx context.Context, w io.Writer, every time.Duration, plain bool, show func() error) error {
	tick := time.NewTicker(max(every, 100*time.Millisecond))
	defer tick.Stop()
	for {
		if !plain {
			fmt.Fprint(w, "\x1b[H\x1b[2J")
		}
		if err := show(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func status(ctx context.Context, w io.Writer, client *vici.Client, asJSON bool) error {
	all := []*vici.Message{}
	_, err := client.Stream(ctx, "list-sas", "list-sa", new(vici.Message), func(m *vici.Message) { all = append(all, m) })
	if err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no IKE SAs")
		return err
	}
	for _, m := range all {
		for _, e := range m.Elements() {
			printIKE(w, e.Name, m.Section(e.Name))
		}
	}
	return nil
}

func printIKE(w io.Writer, name string, sa *vici.Message) {
	fmt.Fprintf(w, "%s #%s  %s, IKEv%s", name, sa.Get("uniqueid"), sa.Get("state"), sa.Get("version"))
	if s := sa.Get("established"); s != "" {
		fmt.Fprintf(w, ", established %s ago", span(s))
	}
	if s := sa.Get("rekey-time"); s != "" {
		fmt.Fprintf(w, ", rekeying in %s", span(s))
	}
	fmt.Fprintf(w, "\n  local   %s @ %s[%s]\n  remote  %s @ %s[%s]\n", sa.Get("local-id"), sa.Get("local-host"), sa.Get("local-port"),
		sa.Get("remote-id"), sa.Get("remote-host"), sa.Get("remote-port"))
	if s := sa.Get("remote-eap-id"); s != "" {
		fmt.Fprintf(w, "  remote user %s (EAP)\n", s)
	}
	for _, side := range []string{"local", "remote"} {
		if vips := sa.List(side + "-vips"); len(vips) > 0 {
			fmt.Fprintf(w, "  %s virtual address %s\n", side, strings.Join(vips, " "))
		}
	}
	if s := suiteText(sa); s != "" {
		fmt.Fprintf(w, "  suite   %s\n", s)
	}
	children := sa.Section("child-sas")
	if children == nil {
		return
	}
	for _, e := range children.Elements() {
		printChild(w, children.Section(e.Name))
	}
}

func printChild(w io.Writer, c *vici.Message) {
	fmt.Fprintf(w, "  %s #%s  %s, %s", c.Get("name"), c.Get("uniqueid"), c.Get("state"), c.Get("mode"))
	if s := c.Get("install-time"); s != "" {
		fmt.Fprintf(w, ", installed %s ago", span(s))
	}
	if s := c.Get("rekey-time"); s != "" {
		fmt.Fprintf(w, ", rekeying in %s", span(s))
	}
	fmt.Fprintf(w, "\n    suite %s\n    %s === %s\n", suiteText(c), strings.Join(c.List("local-ts"), " "), strings.Join(c.List("remote-ts"), " "))
	for _, d := range []struct{ arrow, dir string }{{"in ", "in"}, {"out", "out"}} {
		fmt.Fprintf(w, "    %s  %s  %s in %s packets", d.arrow, c.Get("spi-"+d.dir), octets(c.Get("bytes-"+d.dir)), c.Get("packets-"+d.dir))
		if s := c.Get("use-" + d.dir); s != "" {
			fmt.Fprintf(w, ", last %s ago", span(s))
		}
		fmt.Fprintln(w)
	}
}

// suiteText is the negotiated algorithms in one line.
func suiteText(m *vici.Message) string {
	var parts []string
	for _, key := range []string{"encr", "integ", "prf"} {
		alg := m.Get(key + "-alg")
		if size := m.Get(key + "-keysize"); alg != "" && size != "" {
			alg += "_" + size
		}
		if alg != "" {
			parts = append(parts, alg)
		}
	}
	if g := m.Get("dh-group"); g != "" {
		parts = append(parts, g)
	}
	if m.Get("esn") != "" {
		parts = append(parts, "ESN")
	}
	return strings.Join(parts, "/")
}

// span is a number of seconds as people say it.
func span(seconds string) string {
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return seconds + " s"
	}
	d := time.Duration(n) * time.Second
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", n)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", n/60, n%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", n/3600, n/60%60)
	}
	return fmt.Sprintf("%d days", n/86400)
}

// octets is a number of octets as people say it.
func octets(text string) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text + " octets"
	}
	for _, unit := range []string{"octets", "kB", "MB", "GB"} {
		if n < 1000 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") + " " + unit
		}
		n /= 1000
	}
	return fmt.Sprintf("%.1f TB", n)
}
