package goswan

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/esp/spd"
	"github.com/goswan/goswan/ike/core"
	"go.uber.org/zap"
)

const (
	updownTimeout = time.Minute // one script's
	updownQueue   = 1024        // scripts that may wait
	updownOutput  = 4096        // octets of a script's output that are logged

	updownGrace = 2 * time.Second // for all scripts that still wait or run at a shutdown
)

// updownJob is one run of an updown script.
type updownJob struct {
	script, child string
	env           []string
}

// updown runs the scripts that children name (`updown`), one after the other and in the order of the events, on its own
// goroutine: neither IKE nor the data path ever waits for a script.
type updown struct {
	jobs  chan updownJob
	log   *zap.Logger
	grace time.Duration
}

func newUpdown(log *zap.Logger) *updown {
	return &updown{jobs: make(chan updownJob, updownQueue), log: log, grace: updownGrace}
}

// run runs queued scripts until ctx is done; those that still wait or run then have a short time in common.
func (u *updown) run(ctx context.Context) {
	scripts, kill := context.WithCancel(context.Background())
	defer kill()
	defer context.AfterFunc(ctx, func() {
		grace := time.NewTimer(u.grace)
		defer grace.Stop()
		select {
		case <-grace.C:
			kill()
		case <-scripts.Done():
		}
	})()
	for {
		select {
		case j := <-u.jobs:
			u.exec(scripts, j)
			continue
		default:
		}
		select {
		case j := <-u.jobs:
			u.exec(scripts, j)
		case <-ctx.Done():
			return
		}
	}
}

func (u *updown) exec(ctx context.Context, j updownJob) {
	ctx, cancel := context.WithTimeout(ctx, updownTimeout)
	defer cancel()
	// The value of `updown` is a command line for the shell, with the PLUTO_ variables in its environment.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", j.script)
	cmd.Env = append(os.Environ(), j.env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	fields := []zap.Field{zap.String("child", j.child), zap.String("script", j.script), zap.ByteString("output", out[:min(len(out), updownOutput)])}
	if err != nil {
		u.log.Warn("updown script failed", append(fields, zap.Error(err))...)
		return
	}
	u.log.Debug("updown script ran", fields...)
}

// queue queues a child's script for each pair of its traffic selectors.
func (u *updown) queue(up bool, ike core.IKEStatus, child core.ChildStatus, device string) {
	if child.Config == nil || child.Config.Updown == "" {
		return
	}
	for _, local := range child.LocalTS {
		for _, remote := range child.RemoteTS {
			if local.Start.Is4() != remote.Start.Is4() {
				continue
			}
			j := updownJob{child.Config.Updown, child.Name, plutoEnvironment(up, ike, child, local, remote, device)}
			select {
			case u.jobs <- j:
			default:
				u.log.Warn("updown script dropped: too many are waiting", zap.String("child", child.Name))
			}
		}
	}
}

// plutoEnvironment is the environment that strongSwan gives to updown scripts, for one pair of traffic selectors.
func plutoEnvironment(up bool, ike core.IKEStatus, child core.ChildStatus, local, remote spd.TrafficSelector, device string) []string {
	env := []string{
		"PLUTO_VERSION=1.1",
		"PLUTO_VERB=" + plutoVerb(up, ike, local),
		"PLUTO_CONNECTION=" + child.Name,
		"PLUTO_INTERFACE=" + device,
		"PLUTO_REQID=" + strconv.FormatUint(uint64(child.Reqid), 10),
		"PLUTO_PROTO=esp",
		"PLUTO_UNIQUEID=" + strconv.FormatUint(uint64(ike.UniqueID), 10),
		"PLUTO_ME=" + ike.Local.Addr().String(),
		"PLUTO_MY_ID=" + ike.LocalID.String(),
		"PLUTO_MY_CLIENT=" + plutoClient(local),
		"PLUTO_MY_PORT=" + plutoPort(local),
		"PLUTO_MY_PROTOCOL=" + strconv.Itoa(int(local.Protocol)),
		"PLUTO_PEER=" + ike.Remote.Addr().String(),
		"PLUTO_PEER_ID=" + ike.RemoteID.String(),
		"PLUTO_PEER_CLIENT=" + plutoClient(remote),
		"PLUTO_PEER_PORT=" + plutoPort(remote),
		"PLUTO_PEER_PROTOCOL=" + strconv.Itoa(int(remote.Protocol)),
		"PLUTO_UDP_ENC=" + strconv.Itoa(int(ike.Remote.Port())),
	}
	env = append(env, plutoAddresses("PLUTO_MY_SOURCEIP", ike.Assigned.Addresses)...)
	env = append(env, plutoAddresses("PLUTO_PEER_SOURCEIP", ike.RemoteVIPs)...)
	env = append(env, plutoAddresses("PLUTO_DNS", ike.Assigned.DNS)...)
	if subnets := ike.Assigned.Subnets; len(subnets) > 0 {
		env = append(env, "PLUTO_PEER_SUBNETS="+strings.Trim(fmt.Sprint(subnets), "[]")) // strongSwan has no such variable
	}
	if ike.RemoteEAPID != "" {
		env = append(env, "PLUTO_XAUTH_ID="+ike.Peer().String())
	}
	if child.Config.HostAccess {
		env = append(env, "PLUTO_HOST_ACCESS=1")
	}
	return env
}

// plutoAddresses are addresses as NAME4_1, NAME4_2, NAME6_1 …; the first of virtual ones is NAME itself too.
func plutoAddresses(name string, all []netip.Addr) (env []string) {
	count := map[bool]int{}
	for i, a := range all {
		if i == 0 && name != "PLUTO_DNS" {
			env = append(env, name+"="+a.String())
		}
		family := "6"
		if a.Is4() {
			family = "4"
		}
		count[a.Is4()]++
		env = append(env, fmt.Sprintf("%s%s_%d=%s", name, family, count[a.Is4()], a))
	}
	return env
}

// plutoVerb is up or down, -host when the local selector is the gateway itself and -client otherwise, -v6 for IPv6.
func plutoVerb(up bool, ike core.IKEStatus, local spd.TrafficSelector) string {
	verb := "down"
	if up {
		verb = "up"
	}
	if local.Start == local.End && local.Start == ike.Local.Addr() {
		verb += "-host"
	} else {
		verb += "-client"
	}
	if local.Start.Is6() {
		verb += "-v6"
	}
	return verb
}

// plutoClient is a selector's prefix; a range that is no prefix is given by the smallest prefix that holds it.
func plutoClient(ts spd.TrafficSelector) string {
	for bits := ts.Start.BitLen(); bits >= 0; bits-- {
		if p, err := ts.Start.Prefix(bits); err == nil && p.Contains(ts.End) {
			return netip.PrefixFrom(p.Addr(), bits).String()
		}
	}
	return ""
}

// plutoPort is a selector's port, 0 for any, and a range as "from-to".
func plutoPort(ts spd.TrafficSelector) string {
	switch {
	case ts.StartPort == 0 && ts.EndPort == 65535, ts.StartPort > ts.EndPort:
		return "0"
	case ts.StartPort == ts.EndPort:
		return strconv.Itoa(int(ts.StartPort))
	}
	return strings.Join([]string{fmt.Sprint(ts.StartPort), fmt.Sprint(ts.EndPort)}, "-")
}
