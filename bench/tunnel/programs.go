//go:build linux

package tunnel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/goswan/goswan/bench/report"
	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// programs are the binaries of a run.
type programs struct {
	dir                                                string // of them all
	goswan, static, wireguardGo, charon, swanctl       string
	staticMissing, wireguardMissing, strongSwanMissing error
	ethtool                                            error
	peers                                              []report.Peer
}

// The modules and packages that are built in the checkout.
const (
	goswanModule    = "github.com/goswan/goswan"
	staticPackage   = goswanModule + "/bench/tunnel/static"
	wireguardModule = "golang.zx2c4.com/wireguard"
)

// find finds or builds the programs. goswan is the one that is running.
func find(ctx context.Context, dir string) (*programs, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &programs{dir: dir, goswan: self}
	if _, err := exec.LookPath("iperf3"); err != nil {
		return nil, errors.New("iperf3 is not installed; Debian's package is called iperf3")
	}
	for _, tool := range []string{"ip", "ping"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is not installed; Debian's packages are called iproute2 and iputils-ping", tool)
		}
	}
	_, p.ethtool = exec.LookPath("ethtool")
	p.findStrongSwan(ctx)
	p.findStatic(ctx)
	p.findWireguard(ctx)
	return p, nil
}

// libipsecPlugin is where Debian puts strongSwan's userspace data path.
const libipsecPlugin = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"

func (p *programs) findStrongSwan(ctx context.Context) {
	p.charon, p.swanctl, p.strongSwanMissing = netns.CopyStrongSwan(p.dir)
	if p.strongSwanMissing == nil {
		p.strongSwanMissing = exists(libipsecPlugin)
	}
	if p.strongSwanMissing != nil {
		p.strongSwanMissing = errors.New("it needs Debian's packages charon-systemd, strongswan-swanctl and libcharon-extra-plugins: " +
			strings.ReplaceAll(p.strongSwanMissing.Error(), "\n", ", "))
		return
	}
	p.peers = append(p.peers, report.Peer{Name: libipsec, Version: version(ctx, p.swanctl, "--help")})
}

// findStatic builds the endpoint without IKE, which is shipped nowhere.
func (p *programs) findStatic(ctx context.Context) {
	p.static = filepath.Join(p.dir, "static")
	if err := inCheckout(ctx); err != nil {
		p.staticMissing = fmt.Errorf("its program is built in goswan's checkout: %w", err)
		return
	}
	p.staticMissing = goBuild(ctx, p.static, staticPackage)
}

// findWireguard builds the version that go.mod names or, outside the checkout, takes the one in PATH.
func (p *programs) findWireguard(ctx context.Context) {
	p.wireguardGo = filepath.Join(p.dir, "wireguard-go")
	err := inCheckout(ctx)
	if err == nil {
		if err = goBuild(ctx, p.wireguardGo, wireguardModule); err == nil {
			p.peers = append(p.peers, report.Peer{Name: wireguardGo, Version: version(ctx, "go", "list", "-m", "-f", "{{.Version}}", wireguardModule)})
			return
		}
	}
	installed, none := exec.LookPath("wireguard-go")
	if none != nil {
		p.wireguardMissing = fmt.Errorf("wireguard-go is not installed, and not built: %w", err)
		return
	}
	p.wireguardGo = installed
	p.peers = append(p.peers, report.Peer{Name: wireguardGo, Version: version(ctx, installed, "--version")})
}

// inCheckout is nil where the go command finds goswan's own module.
func inCheckout(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m").Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("there is no go command")
	case err != nil || firstLine(out) != goswanModule:
		return errors.New("this directory is not the checkout")
	}
	return nil
}

func goBuild(ctx context.Context, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return said(cmd)
}

// version is what a program says of itself in its first line, or "" (swanctl: with its help; charon-systemd knows no options). A program that says nothing is not waited for.
func version(ctx context.Context, argv ...string) string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, _ := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	return firstLine(out)
}

// firstLine is what a program said first.
func firstLine(out []byte) string {
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSpace(first)
}
