package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun"
	"github.com/goswan/goswan/tun/route"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
)

// runOptions are the options of `goswan run`.
type runOptions struct {
	dir, vici, tun, keylog, stateDir, leases string
	mtu, queues                              int
	logFormat, logLevel                      string
	watch                                    bool
}

func newRun() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Runs the daemon in the foreground until SIGTERM or SIGINT: the peers are told that their SAs are gone, and what was put
on the host is undone. SIGHUP reloads swanctl.conf, and of strongswan.conf the settings of IKE SAs to come and the RADIUS servers; a
configuration with a mistake is refused, and what runs goes on.
Certificates, CRLs, keys and secrets are reloaded as their files change, and no SA is dropped; connections wait for SIGHUP.

It needs root, or CAP_NET_ADMIN and CAP_NET_BIND_SERVICE. It reads DIR/swanctl.conf and strongswan.conf (or the file in
STRONGSWAN_CONF), and takes commands on a vici socket, from goswan's own commands and from strongSwan's swanctl.`,
		Example: `  sudo goswan run
  sudo goswan run --swanctl-dir ./site-a --vici unix:///tmp/site-a.vici --tun ipsec1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c) },
	}
	f := c.Flags()
	f.StringVar(&o.dir, "swanctl-dir", swanctlDir(), "directory of swanctl.conf (also SWANCTL_DIR)")
	f.StringVar(&o.vici, "vici", "", "URI of the control socket (default from strongswan.conf, or "+config.DefaultSocket+")")
	f.StringVar(&o.tun, "tun", "", "name of the TUN device (default ipsec0)")
	f.IntVar(&o.mtu, "mtu", 0, fmt.Sprintf("MTU of the TUN device in octets (default %d, or less while the path to a peer takes less)", tun.DefaultMTU))
	f.IntVar(&o.queues, "queues", queues(runtime.GOMAXPROCS(0)), "TUN queues, each carried by a goroutine with sockets of its own; Linux only")
	f.StringVar(&o.keylog, "keylog", "", "write Wireshark's key tables into this directory: whoever reads them reads the traffic")
	f.StringVar(&o.stateDir, "state-dir", route.DefaultStateDir, "where it is written down what is put on the host")
	f.StringVar(&o.leases, "leases", "", "file in which leases of address pools are kept (default leases.db in --state-dir if that is given, or "+defaultLeases+")")
	f.BoolVar(&o.watch, "watch-credentials", true, "reload certificates, CRLs, keys and secrets when their files change")
	f.StringVar(&o.logFormat, "log-format", "console", "console or json")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return c
}

// queues is how many TUN queues so many processors carry: each may keep one busy, and IKE and the host's own work want some too.
func queues(processors int) int { return max(1, min(processors/2, 16)) }

// swanctlDir is where swanctl.conf is looked for.
func swanctlDir() string { return config.Dir() }

func (o *runOptions) run(ctx context.Context, c *cobra.Command) error {
	log, err := newLogger(o.logFormat, o.logLevel)
	if err != nil {
		return wrongUse(c, err)
	}
	defer func() { _ = log.Sync() }() // a terminal cannot be synced
	files := newWatch(o.dir)          // before they are read, so that no change is missed
	charon, catalog, warnings, err := o.load(log)
	if err != nil {
		return err
	}
	if len(catalog.Files) == 0 {
		log.Warn("no swanctl.conf: waiting for a configuration by vici", zap.String("dir", o.dir))
	}
	e, err := goswan.New(o.endpoint(charon, catalog, log))
	if err != nil {
		return err
	}
	logs, err := openLogFiles(charon.Logs)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	defer logs.close()
	defer e.Subscribe(logs.see)()
	return o.serve(ctx, charon, newReloader(o, e, files, warnings, log))
}

// load reads both configuration files; without a swanctl.conf the catalog is empty, and has no Files. The warnings are those of
// swanctl.conf, and logged.
func (o *runOptions) load(log *zap.Logger) (*config.Charon, *core.Catalog, []config.Warning, error) {
	charon, warnings, err := config.LoadStrongswan("")
	logWarnings(log, warnings)
	if err != nil {
		return nil, nil, nil, err
	}
	catalog, warnings, err := config.Loader{Charon: charon}.Load(o.dir)
	logWarnings(log, warnings)
	if errors.Is(err, fs.ErrNotExist) {
		return charon, &core.Catalog{}, warnings, nil
	}
	if err != nil {
		charon.RADIUS.Wipe()
		return nil, nil, nil, err
	}
	return charon, catalog, warnings, nil
}

func logWarnings(log *zap.Logger, all []config.Warning) {
	for _, w := range all {
		log.Warn(w.Error())
	}
}

// endpoint is the endpoint's configuration as both files and the options say.
func (o *runOptions) endpoint(charon *config.Charon, catalog *core.Catalog, log *zap.Logger) goswan.Config {
	name := charon.TUN
	if o.tun != "" {
		name = o.tun
	}
	c := goswan.Config{
		Leases: o.leasesFile(), NoVirtualIPs: !charon.InstallVirtualIP, VirtualIPLink: charon.VirtualIPLink, ResolvConf: charon.ResolvConf,
		Catalog: catalog, Settings: &charon.Settings,
		Limits: ike.Limits{
			CookieThreshold: charon.CookieThreshold, CookieThresholdIP: charon.CookieThresholdIP, BlockThreshold: charon.BlockThreshold,
			HalfOpen: charon.HalfOpenLimit, IKESAs: charon.IKESALimit, InitiatorOnly: charon.InitiatorOnly,
		},
		RADIUS:         radiusOf(charon.RADIUS),
		SeparateIKESAs: !charon.ReuseIKESA,
		TUN:            tun.Config{Name: name, MTU: o.mtu, Queues: o.queues},
		Sockets:        encap.Config{Port: charon.Port, PortNATT: charon.PortNATT, Mark: route.DefaultMark, Lanes: o.queues},
		KeyLog:         o.keylog, Log: log,
	}
	if charon.InstallRoutes || charon.InstallVirtualIP {
		c.Routes = &route.Config{
			Table: charon.RoutingTable, Priority: charon.RoutingTablePrio, StateDir: o.stateDir, AddressesOnly: !charon.InstallRoutes,
		}
	}
	return c
}

// defaultLeases is where leases are kept: over a reboot too, unlike what is put on the host.
const defaultLeases = "/var/lib/goswan/leases.db"

func (o *runOptions) leasesFile() string {
	switch {
	case o.leases != "":
		return o.leases
	case o.stateDir != route.DefaultStateDir:
		return filepath.Join(o.stateDir, "leases.db")
	}
	return defaultLeases
}

// serve runs the endpoint and its control socket until a signal.
func (o *runOptions) serve(ctx context.Context, charon *config.Charon, r *reloader) error {
	e, log := r.e, r.log
	uri := charon.VICI
	if o.vici != "" {
		uri = o.vici
	}
	control, err := e.ServeVICI(uri, config.Loader{Charon: charon, Path: o.dir}, r.all)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	look := time.NewTicker(watchInterval)
	defer look.Stop()
	if !o.watch {
		look.Stop()
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	go func() {
		<-e.Ready()
		log.Info("goswan is ready", zap.String("version", goswan.Version), zap.String("vici", uri), zap.String("tun", e.DeviceName()))
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // without systemd it does nothing
	}()
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	for {
		select {
		case <-hup:
			if err := r.all(); err != nil {
				log.Error("configuration not reloaded: the old one stays", zap.Error(err))
			}
			continue
		case <-look.C:
			r.look()
			continue
		case <-ctx.Done():
			_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
			log.Info("goswan is stopping: the peers are told")
			err = <-ended
		case err = <-ended:
		}
		return errors.Join(err, control.Close())
	}
}
