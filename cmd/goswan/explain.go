package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/ike/core"
	"github.com/spf13/cobra"
)

func newExplain() *cobra.Command {
	var dir, child string
	var asJSON bool
	c := &cobra.Command{
		Use:   "explain CONNECTION [CHILD] [PROPOSAL]",
		Short: "Tell what becomes of a peer's proposal, and what to change if nothing does",
		Long: `Compares what a peer offers with what a connection, or one of its children, accepts by the configuration: algorithm by
algorithm, with the file and the line to change when they do not agree, and what the peer could offer instead. Without
PROPOSAL it tells what is accepted, how strong that is, what is weak in it, and how both sides authenticate. It needs no
daemon and sends nothing.

PROPOSAL is in the words of swanctl.conf, as in the peer's configuration (default is goswan's own), or a line of a log,
whole or in part: strongSwan's "received proposals: IKE:…, IKE:…" or a reason of goswan's. Algorithms that goswan refuses or
does not have are understood too. With ESP proposals the child may be left out when the connection has only one.

Exit status: 0 it is explained, whether they agree or not (--json tells by "outcome"), 1 it cannot be, 2 wrong use.`,
		Example: `  goswan explain office                                      what does it accept, and how strong is that?
  goswan explain office aes256-sha1-modp1024
  goswan explain office 'received proposals: IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024'
  goswan explain office lan aes256-sha256                    the child "lan" of the connection "office"
  goswan explain -c ./swanctl.conf --json office aes256gcm16-prfsha384-x25519-ke1_mlkem768 | jq .outcome`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUse(c, errors.New("explain: expected the name of a connection"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			catalog, _, err := loadCatalog(dir)
			if err != nil {
				return err
			}
			x, err := config.Explain(catalog, question(catalog, args, child))
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(x)
			}
			return explain(c.OutOrStdout(), x)
		},
	}
	c.Flags().StringVarP(&dir, "swanctl-dir", "c", swanctlDir(), "swanctl.conf or its directory (also SWANCTL_DIR)")
	c.Flags().StringVar(&child, "child", "", "the child, for one whose name could be a proposal")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// question takes the arguments apart. The second is a child if there is one of that name; whatever is left is the offer,
// which a shell has split if it was not quoted.
func question(catalog *core.Catalog, args []string, child string) config.Question {
	q := config.Question{Connection: args[0], Child: child}
	rest := args[1:]
	if conn := catalog.Connection(args[0]); conn != nil && child == "" && len(rest) > 0 {
		named := slices.ContainsFunc(conn.Children, func(c *core.Child) bool { return c.Name == rest[0] })
		if named || len(rest) == 2 && !strings.ContainsAny(rest[0], "-_/:,") {
			q.Child, rest = rest[0], rest[1:]
		}
	}
	q.Offer = strings.Join(rest, " ")
	return q
}

// explain prints an explanation for people.
func explain(w io.Writer, x *config.Explanation) error {
	who := fmt.Sprintf("connection %q", x.Connection)
	if x.Child != "" {
		who = fmt.Sprintf("child %q of connection %q", x.Child, x.Connection)
	}
	var b strings.Builder
	if x.Outcome == "" {
		explainAccepted(&b, who, x)
	} else {
		explainOutcome(&b, who, x)
	}
	for l := range strings.Lines(b.String()) {
		// Tables leave blanks where the last cells are empty.
		if _, err := fmt.Fprintln(w, strings.TrimRight(l, " \n")); err != nil {
			return err
		}
	}
	return nil
}

func explainAccepted(b *strings.Builder, who string, x *config.Explanation) {
	fmt.Fprintf(b, "%s accepts, first choice first: %s\n", who, x.Place)
	for _, l := range x.Accepted {
		fmt.Fprintf(b, "\n%s%s\n", l.Keywords, strengthOf(l))
		table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		for _, a := range l.Algorithms {
			strength := "-"
			if a.Strength != 0 {
				strength = fmt.Sprintf("%d bits", a.Strength)
			}
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n", a.Type, a.Name, a.Keyword, strength, standing(a))
		}
		_ = table.Flush() // to a strings.Builder
	}
	if len(x.Authentication) > 0 {
		fmt.Fprintf(b, "\nauthentication\n")
		explainRounds(b, x.Authentication)
	}
}

// explainRounds prints authentication rounds, a line each. Where a side has several, their order may be another than in the file,
// and each says where it stands.
func explainRounds(b *strings.Builder, rounds []config.Round) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	several := slices.ContainsFunc(rounds, func(r config.Round) bool { return strings.HasSuffix(r.Section, "-2") })
	for _, r := range rounds {
		parts := []string{"id " + r.ID}
		for _, p := range []struct{ name, value string }{
			{"eap_id", r.EAPID}, {"aaa_id", r.AAAID}, {"groups", strings.Join(r.Groups, " ")}, {"certs", quoted(r.Certs)}, {"cacerts", quoted(r.CACerts)},
		} {
			if p.value != "" {
				parts = append(parts, p.name+" "+p.value)
			}
		}
		if several && r.Place != "" {
			parts = append(parts, "at "+r.Place)
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", r.Section, r.Auth, strings.Join(parts, ", "))
	}
	_ = table.Flush() // to a strings.Builder
}

// quoted are names with commas in them, told apart.
func quoted(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, strconv.Quote(name))
	}
	return strings.Join(all, " ")
}

// strengthOf is ": 128 bits, those of CURVE_25519".
func strengthOf(l config.Line) string {
	if l.Strength == 0 {
		return ""
	}
	return fmt.Sprintf(": %d bits, those of %s", l.Strength, l.Weakest)
}

// standing is "" for what is sound, else "legacy: why".
func standing(a config.Algorithm) string {
	switch {
	case !a.Doubtful:
		return ""
	case a.Why == "":
		return a.Status
	}
	return a.Status + ": " + a.Why
}

func explainOutcome(b *strings.Builder, who string, x *config.Explanation) {
	switch x.Outcome {
	case config.Agreed:
		fmt.Fprintf(b, "%s accepts this: %s%s\n", who, x.Chosen.Log, strengthOf(*x.Chosen))
	case config.AgreedInAuth:
		fmt.Fprintf(b, "%s accepts this in IKE_AUTH, where there are no key exchanges: %s%s\n"+
			"Rekeying, and every other CREATE_CHILD_SA, is refused. A line of a log that comes from IKE_AUTH does not show the peer's key exchanges.\n", who, x.Chosen.Log, strengthOf(*x.Chosen))
	default:
		fmt.Fprintf(b, "%s refuses this: no proposal chosen\n", who)
	}
	if x.Chosen != nil {
		explainWeak(b, x.Chosen)
	}
	if len(x.Types) > 0 {
		fmt.Fprintf(b, "\n%s", nearestOf(x))
		explainTypes(b, x.Types)
	}
	if x.Outcome != config.Agreed {
		explainFix(b, x)
	}
}

// nearestOf says which of several proposals the table shows.
func nearestOf(x *config.Explanation) string {
	switch {
	case len(x.Offered) == 1 && len(x.Accepted) == 1:
		return ""
	case x.Outcome == config.Agreed:
		return fmt.Sprintf("Of %s offered and %s accepted, these agree:\n", count(len(x.Offered), "proposal"), count(len(x.Accepted), "proposal"))
	}
	return fmt.Sprintf("Of %s offered and %s accepted, these are the nearest:\n", count(len(x.Offered), "proposal"), count(len(x.Accepted), "proposal"))
}

// explainTypes prints two proposals side by side, a line for each algorithm.
func explainTypes(b *strings.Builder, types []config.TypeRow) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\toffered\taccepted\tcommon\n")
	for _, row := range types {
		for i := range max(len(row.Offered), len(row.Accepted), 1) {
			name, common := "", algorithmAt(row.Common, i)
			if i == 0 {
				name = row.Type
				if row.Gap != "" {
					common = "- " + row.Gap
				}
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", name, algorithmAt(row.Offered, i), algorithmAt(row.Accepted, i), common)
		}
	}
	_ = table.Flush() // to a strings.Builder
}

// algorithmAt is the name of an algorithm of a list, with its standing unless it is sound.
func algorithmAt(list []config.Algorithm, i int) string {
	if i >= len(list) {
		return ""
	}
	if a := list[i]; a.Doubtful {
		return a.Name + " (" + a.Status + ")"
	}
	return list[i].Name
}

// explainWeak warns of what would be negotiated.
func explainWeak(b *strings.Builder, l *config.Line) {
	for _, a := range l.Algorithms {
		if a.Doubtful {
			fmt.Fprintf(b, "warning: %s is weak by today's measure: %s\n", a.Name, a.Why)
		}
	}
}

// explainFix says where they part, and what to change on either side.
func explainFix(b *strings.Builder, x *config.Explanation) {
	fmt.Fprintf(b, "\nWhere they part\n")
	for _, d := range x.Differences {
		fmt.Fprintf(b, "  %s\n", d)
	}
	for _, row := range x.Types {
		for _, o := range row.Objections {
			if !strings.HasSuffix(o, " is not configured") { // which the table shows
				fmt.Fprintf(b, "  %s\n", o)
			}
		}
	}
	fmt.Fprintf(b, "\nWhat to change\n")
	if x.Add == "" {
		fmt.Fprintf(b, "  here   nothing: goswan cannot accept what is offered\n")
	} else {
		fmt.Fprintf(b, "  here   add `%s` to %s\n", x.Add, x.Place)
	}
	for _, warning := range x.AddWarnings {
		fmt.Fprintf(b, "         but %s\n", warning)
	}
	if x.Ask != "" {
		fmt.Fprintf(b, "  there  let the peer offer `%s`\n", x.Ask)
	}
}
