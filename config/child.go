package config

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/esp"
	"github.com/goswan/goswan/ike/core"
)

// DefaultReplayWindow is the anti-replay window, in packets, of a child where neither it nor charon.replay_window says
// otherwise. It is more than strongSwan's 32: a train is up to 64 packets, and two trains may change places on the way.
// The window is the receiver's own affair (RFC 4303 §3.4.3), so no peer notices.
const DefaultReplayWindow = 1024

// maxReplayWindow is what the data path can keep.
const maxReplayWindow = 4096

// child is a child being read. Durations of unset and other limits of notGiven were not given.
type child struct {
	core.Child
}

// notGiven is a volume or number that was not given.
const notGiven = math.MaxUint64

// actions are the words of start_action, close_action and dpd_action.
var actions = []word[core.Action]{
	{"none", core.ActionNone}, {"trap", core.ActionTrap}, {"start", core.ActionStart},
	{"clear", core.ActionNone}, {"route", core.ActionTrap}, {"restart", core.ActionStart},
}

const (
	noMarks  = "packets are matched by selectors, not by Netfilter marks"
	noXFRM   = "there are no XFRM interfaces in its data path"
	noLabels = "a security label (RFC 9478)"
)

var childTable = table[child]{
	place: "connections.<conn>.children.<child>",
	keys: []key[child]{
		{"esp_proposals", readESPProposals},
		{"ah_proposals", off[child]("AH", "remove ah_proposals and use esp_proposals")},
		{"local_ts", readSelectors(func(c *child) (*[]core.Selector, *core.Position) { return &c.LocalTS, &c.LocalTSSource })},
		{"remote_ts", readSelectors(func(c *child) (*[]core.Selector, *core.Position) { return &c.RemoteTS, &c.RemoteTSSource })},
		{"mode", readMode},
		{"rekey_time", span(func(c *child) *time.Duration { return &c.RekeyTime })},
		{"life_time", span(func(c *child) *time.Duration { return &c.LifeTime })},
		{"rand_time", span(func(c *child) *time.Duration { return &c.RandTime })},
		{"rekey_bytes", volume(func(c *child) *uint64 { return &c.RekeyBytes })},
		{"life_bytes", volume(func(c *child) *uint64 { return &c.LifeBytes })},
		{"rand_bytes", volume(func(c *child) *uint64 { return &c.RandBytes })},
		{"rekey_packets", number(func(c *child) *uint64 { return &c.RekeyPackets }, 0, notGiven-1)},
		{"life_packets", number(func(c *child) *uint64 { return &c.LifePackets }, 0, notGiven-1)},
		{"rand_packets", number(func(c *child) *uint64 { return &c.RandPackets }, 0, notGiven-1)},
		{"updown", text(func(c *child) *string { return &c.Updown })},
		{"hostaccess", boolean(func(c *child) *bool { return &c.HostAccess })},
		{"policies", notObeyed(boolean(func(c *child) *bool { return &c.Policies }), "policies are always installed", "yes", "1", "true", "enabled")},
		{"policies_fwd_out", noEffect[child]("its policies cover forwarded packets anyway", "no")},
		{"start_action", action(func(c *child) *core.Action { return &c.StartAction })},
		{"close_action", action(func(c *child) *core.Action { return &c.CloseAction })},
		{"dpd_action", action(func(c *child) *core.Action { return &c.DPDAction })},
		{"inactivity", notObeyed(span(func(c *child) *time.Duration { return &c.Inactivity }), "Child SAs stay when they are not used", "0", "0s")},
		{"reqid", number(func(c *child) *uint32 { return &c.Reqid }, 0, math.MaxUint32)},
		{"priority", number(func(c *child) *uint32 { return &c.Priority }, 0, math.MaxUint32)},
		{"replay_window", number(func(c *child) *int { return &c.ReplayWindow }, 0, maxReplayWindow)},
		{"copy_df", boolean(func(c *child) *bool { return &c.CopyDF })},
		{"mss_clamp", readMSSClamp},
		{"copy_ecn", boolean(func(c *child) *bool { return &c.CopyECN })},
		{"copy_dscp", oneOf(func(c *child) *string { return &c.CopyDSCP },
			word[string]{"out", "out"}, word[string]{"in", "in"}, word[string]{"yes", "yes"}, word[string]{"no", "no"})},
		{"interface", readInterface},
		{"ipcomp", off[child]("IP compression (RFC 3173)", "write no", "no")},
		{"sha256_96", off[child]("HMAC-SHA-256 cut to 96 bits", "write no; it contradicts RFC 4868", "no")},
		{"tfc_padding", off[child]("padding for traffic flow confidentiality (RFC 4303 §2.7)", "write 0", "0")},
		{"label", off[child](noLabels, "remove label")},
		{"label_mode", silent[child]("system", "simple", "selinux")},
		{"icmp", noEffect[child]("ICMP errors pass only if they fit the selectors", "no")},
		{"per_cpu_sas", noEffect[child]("each core seals with the one Child SA", "no")},
		{"hw_offload", noEffect[child]("packets are sealed in user space", "no", "auto")},
		{"mark_in", noEffect[child](noMarks, "0", "0/0", "0/0x00000000")},
		{"mark_in_sa", noEffect[child](noMarks, "no")},
		{"mark_out", noEffect[child](noMarks, "0", "0/0", "0/0x00000000")},
		{"set_mark_in", noEffect[child](noMarks, "0", "0/0", "0/0x00000000")},
		{"set_mark_out", noEffect[child](noMarks, "0", "0/0", "0/0x00000000")},
		{"if_id_in", noEffect[child](noXFRM, "0")},
		{"if_id_out", noEffect[child](noXFRM, "0")},
	},
}

// readChildren reads the section children.
func readChildren(d *decoder, c *conn, s *settings.Section, where at) {
	for _, v := range s.Values() {
		d.report(where.key(v), bad("write `name { … }` in children, and the key inside it", "children has sections, not settings"))
	}
	for _, sub := range s.Sections() {
		c.Children = append(c.Children, d.child(sub, where.section(sub)))
	}
}

// child reads a child and fills in what it leaves out.
func (d *decoder) child(s *settings.Section, where at) *core.Child {
	source := position(s.At)
	c := &child{Child: core.Child{
		Name:      s.Name,
		RekeyTime: unset, LifeTime: unset, RandTime: unset,
		RekeyBytes: notGiven, LifeBytes: notGiven, RandBytes: notGiven,
		RekeyPackets: notGiven, LifePackets: notGiven, RandPackets: notGiven,
		ReplayWindow: d.Charon.ReplayWindow, Policies: true, CopyDF: true, CopyECN: true, CopyDSCP: "out",
		Source: source, ProposalsSource: source, LocalTSSource: source, RemoteTSSource: source,
	}}
	failed := len(d.problems)
	childTable.read(d, c, s, where)
	if c.Proposals == nil && len(d.problems) == failed {
		c.Proposals = suite.Default(suite.ESP)
	}
	for _, ts := range []*[]core.Selector{&c.LocalTS, &c.RemoteTS} {
		if *ts == nil {
			*ts = []core.Selector{dynamicSelector()}
		}
	}
	c.lifetimes()
	d.checkChild(c, where)
	return &c.Child
}

// lifetimes fills in what is not given: rekeying each hour, a hard limit a tenth above the soft one, and their
// difference as the random part. A hard limit alone gives the soft one.
func (c *child) lifetimes() {
	limits := func(rekey, life, random, usual uint64) (uint64, uint64, uint64) {
		if rekey == notGiven {
			rekey = usual
			if life != notGiven {
				rekey = life - life/11
			}
		}
		if life == notGiven {
			life = rekey + min(rekey/10, notGiven-rekey)
		}
		if random == notGiven {
			random = life - min(life, rekey)
		}
		return rekey, life, random
	}
	given := func(t time.Duration) uint64 {
		if t == unset {
			return notGiven
		}
		return uint64(t)
	}
	rekey, life, random := limits(given(c.RekeyTime), given(c.LifeTime), given(c.RandTime), uint64(time.Hour))
	c.RekeyTime, c.LifeTime, c.RandTime = time.Duration(rekey), time.Duration(life), time.Duration(random)
	c.RekeyBytes, c.LifeBytes, c.RandBytes = limits(c.RekeyBytes, c.LifeBytes, c.RandBytes, 0)
	c.RekeyPackets, c.LifePackets, c.RandPackets = limits(c.RekeyPackets, c.LifePackets, c.RandPackets, 0)
}

// checkChild looks at what keys mean together.
func (d *decoder) checkChild(c *child, where at) {
	if c.LifeTime > 0 && c.RekeyTime >= c.LifeTime {
		d.report(where, warning("write a life_time above rekey_time, or rekey_time = 0",
			"life_time %v is not longer than rekey_time %v: the Child SA ends before it is rekeyed", c.LifeTime, c.RekeyTime))
	}
	if c.RekeyTime > 0 && c.RandTime > c.RekeyTime {
		d.report(where, warning("write a rand_time well below rekey_time",
			"rand_time %v is longer than rekey_time %v, which it is taken off; it is cut to that", c.RandTime, c.RekeyTime))
		c.RandTime = c.RekeyTime
	}
	c.RandBytes, c.RandPackets = min(c.RandBytes, c.RekeyBytes), min(c.RandPackets, c.RekeyPackets)
	d.report(where, checkFamilies(&c.Child))
	if c.Mode != core.ModeTunnel && c.StartAction&core.ActionTrap == 0 {
		d.report(where, warning("write start_action = trap", "mode = %s without start_action = trap installs no policy", strings.ToLower(c.Mode.String())))
	}
}

func readESPProposals(c *child, v settings.Value) (err error) {
	c.ProposalsSource = position(v.At)
	c.Proposals, err = readProposals(suite.ESP, v)
	return err
}

func readMode(c *child, v settings.Value) error {
	switch strings.ToLower(v.Text) {
	case "tunnel":
		c.Mode = core.ModeTunnel
	case "pass":
		c.Mode = core.ModePass
	case "drop":
		c.Mode = core.ModeDrop
	case "transport", "transport_proxy", "beet", "iptfs":
		return missing(strings.ToLower(v.Text)+" mode", "write tunnel")
	default:
		return bad("write tunnel, pass or drop", "%q is not a mode", v.Text)
	}
	return nil
}

func readInterface(c *child, v settings.Value) error {
	c.Interface = v.Text
	return warning("", "has no effect in goswan: policies hold for every interface")
}

// readMSSClamp reads goswan's own key: no, auto for what fits the path, or an MSS in octets. The least number is that of Linux.
func readMSSClamp(c *child, v settings.Value) error {
	const least, most = 88, 65495
	if isOff(v, []string{"no"}) {
		c.MSSClamp = esp.KeepMSS
		return nil
	}
	if strings.EqualFold(v.Text, "auto") {
		c.MSSClamp = esp.MSSFromPath
		return nil
	}
	n, err := parseNumber(v.Text)
	if err != nil || n < least || n > most {
		return bad(fmt.Sprintf("write no, auto or a number from %d to %d", least, most), "%q is not a value of %s", v.Text, v.Key)
	}
	c.MSSClamp = esp.MSSClamp(n)
	return nil
}

// action is a key with one or two actions: `trap|start`.
func action(field func(*child) *core.Action) func(*child, settings.Value) error {
	return func(c *child, v settings.Value) error {
		var all core.Action
		for one := range strings.SplitSeq(v.Text, "|") {
			got, err := choose(settings.Value{Key: v.Key, Text: strings.TrimSpace(one)}, actions)
			if err != nil {
				return err
			}
			all |= got
		}
		*field(c) = all
		return nil
	}
}
