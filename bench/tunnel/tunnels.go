//go:build linux

package tunnel

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// tunnel is one thing to compare. start brings it up over a link; what it has started it returns even with an error.
// The processes keep their files in dir.
type tunnel struct {
	name    string // in the table
	short   string // for Only
	asked   bool   // is measured only when it is asked for
	missing error  // why it cannot be measured here
	start   func(ctx context.Context, l *link, dir string) (endpoints, error)
}

// tunnels are all that there are.
func (p *programs) tunnels() []tunnel {
	return []tunnel{
		{name: noTunnel, short: "none", start: startNone},
		{name: goswanGCM, short: "goswan", start: p.startGoswan("aes128gcm16")},
		{name: goswanNoASM, short: "goswan-noasm", start: p.startGoswan("aes128gcm16", "GOSWAN_NOASM=1")},
		{name: goswanChaCha, short: "goswan-chacha", start: p.startGoswan("chacha20poly1305")},
		{name: goswanNull, short: "static-null", missing: p.staticMissing, start: p.startStatic("null")},
		{name: goswanStatic, short: "static-gcm", asked: true, missing: p.staticMissing, start: p.startStatic("aes128gcm16")},
		{name: wireguardGo, short: "wireguard-go", missing: p.wireguardMissing, start: p.startWireguard},
		{name: libipsec, short: "libipsec", missing: p.strongSwanMissing, start: p.startStrongSwan},
	}
}

// startNone routes between the inner addresses over the bare link.
func startNone(ctx context.Context, l *link, _ string) (endpoints, error) {
	return nil, errors.Join(
		ip(ctx, "-n "+l.left.Name+" route add "+rightInner+" via "+rightOuter),
		ip(ctx, "-n "+l.right.Name+" route add "+leftInner+" via "+leftOuter),
	)
}

// swanctlConf is one end of the IKE connection. The left end initiates.
func swanctlConf(local, remote, localInner, remoteInner, esp, start string) string {
	return fmt.Sprintf(`connections {
	bench {
		version = 2
		local_addrs = %[1]s
		remote_addrs = %[2]s
		proposals = aes128gcm16-prfsha256-x25519
		local {
			auth = psk
			id = %[1]s
		}
		remote {
			auth = psk
			id = %[2]s
		}
		children {
			net {
				local_ts = %[3]s/32
				remote_ts = %[4]s/32
				esp_proposals = %[5]s
				start_action = %[6]s
			}
		}
	}
}
secrets {
	ike-bench {
		secret = "the benchmark's own secret, of no value"
	}
}
`, local, remote, localInner, remoteInner, esp, start)
}

// side is one end of an IKE tunnel with its configuration.
type side struct {
	ns  *netns.Namespace
	dir string
}

// sides writes both ends' swanctl.conf, the responder's first: it is started first.
func sides(l *link, dir, esp string) ([]side, error) {
	both := []side{{l.right, filepath.Join(dir, "right")}, {l.left, filepath.Join(dir, "left")}}
	conf := []string{
		swanctlConf(rightOuter, leftOuter, rightInner, leftInner, esp, "none"),
		swanctlConf(leftOuter, rightOuter, leftInner, rightInner, esp, "start"),
	}
	for i, s := range both {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(s.dir, "swanctl.conf"), []byte(conf[i]), 0o600); err != nil {
			return nil, err
		}
	}
	return both, nil
}

// startGoswan starts `goswan run` at both ends, with nothing set but the files' places.
func (p *programs) startGoswan(esp string, env ...string) func(context.Context, *link, string) (endpoints, error) {
	return func(ctx context.Context, l *link, dir string) (all endpoints, err error) {
		both, err := sides(l, dir, esp)
		if err != nil {
			return nil, err
		}
		for _, s := range both {
			settings := "STRONGSWAN_CONF=" + filepath.Join(s.dir, "none.conf")
			if err := os.WriteFile(filepath.Join(s.dir, "none.conf"), nil, 0o600); err != nil {
				return all, err
			}
			socket := "unix://" + filepath.Join(s.dir, "vici")
			e, err := startEndpoint(s.ns, filepath.Join(s.dir, "log"), append([]string{settings}, env...), p.goswan, "run",
				"--swanctl-dir", s.dir, "--vici", socket, "--state-dir", filepath.Join(s.dir, "state"))
			if err != nil {
				return all, err
			}
			e.vici = socket
			all = append(all, e)
			if err := waitFor(ctx, all, "goswan's control socket", func() error { return exists(s.dir, "vici") }); err != nil {
				return all, err
			}
		}
		return all, nil
	}
}

// strongswanConf are the settings of charon with its userspace data path, which has to stand before kernel-netlink, and of swanctl.
const strongswanConf = `charon {
	load = random nonce drbg openssl aes sha1 sha2 md5 hmac cmac xcbc kdf ctr ccm gcm chapoly curve25519 gmp pem pkcs1 pkcs8 pubkey x509 constraints kernel-libipsec kernel-netlink socket-default vici updown counters
	threads = 16
	plugins {
		vici {
			socket = %s
		}
	}
	filelog {
		stderr {
			default = 0
		}
	}
}
swanctl {
	load = random nonce openssl aes sha1 sha2 md5 pem pkcs1 pkcs8 pubkey x509
}
`

// startStrongSwan starts charon-systemd at both ends.
func (p *programs) startStrongSwan(ctx context.Context, l *link, dir string) (all endpoints, err error) {
	both, err := sides(l, dir, "aes128gcm16")
	if err != nil {
		return nil, err
	}
	for _, s := range both {
		socket, settings := "unix://"+filepath.Join(s.dir, "vici"), filepath.Join(s.dir, "strongswan.conf")
		if err := os.WriteFile(settings, fmt.Appendf(nil, strongswanConf, socket), 0o600); err != nil {
			return all, err
		}
		env := []string{"STRONGSWAN_CONF=" + settings, "SWANCTL_DIR=" + s.dir}
		e, err := startEndpoint(s.ns, filepath.Join(s.dir, "log"), env, p.charon)
		if err != nil {
			return all, err
		}
		all = append(all, e)
		load := func() error {
			cmd := s.ns.Command(ctx, p.swanctl, "--load-all", "--uri", socket)
			cmd.Env = append(os.Environ(), env...)
			return said(cmd)
		}
		if err := waitFor(ctx, all, "strongSwan loads its configuration", load); err != nil {
			return all, err
		}
	}
	return all, nil
}

// wireguardPort is in each namespace its own.
const wireguardPort = 51820

// wireguardEnd is one end of a WireGuard tunnel.
type wireguardEnd struct {
	ns                 *netns.Namespace
	device             string // its UAPI socket is named after it and common to all namespaces
	inner              string
	peer               string // outer address
	peerInner          string
	private, peer25519 []byte
}

// startWireguard starts wireguard-go at both ends, with its own MTU of 1420.
func (p *programs) startWireguard(ctx context.Context, l *link, dir string) (all endpoints, err error) {
	left, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	right, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	pid := os.Getpid()
	for _, end := range []wireguardEnd{
		{l.right, fmt.Sprintf("wgr%d", pid), rightInner, leftOuter, leftInner, right.Bytes(), left.PublicKey().Bytes()},
		{l.left, fmt.Sprintf("wgl%d", pid), leftInner, rightOuter, rightInner, left.Bytes(), right.PublicKey().Bytes()},
	} {
		e, err := startEndpoint(end.ns, filepath.Join(dir, end.device+".log"),
			[]string{"WG_PROCESS_FOREGROUND=1", "LOG_LEVEL=error"}, p.wireguardGo, "-f", end.device)
		if err != nil {
			return all, err
		}
		all = append(all, e)
		if err := waitFor(ctx, all, "wireguard-go's UAPI socket", end.configure); err != nil {
			return all, err
		}
		for _, command := range []string{"link set dev " + end.device + " up",
			fmt.Sprintf("route add %s dev %s src %s", end.peerInner, end.device, end.inner)} {
			if err := ip(ctx, "-n "+end.ns.Name+" "+command); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// configure sets the keys and the peer over the UAPI socket (https://www.wireguard.com/xplatform/).
func (end wireguardEnd) configure() error {
	conn, err := net.Dial("unix", filepath.Join("/var/run/wireguard", end.device+".sock"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, end.uapi()); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if text := strings.TrimSpace(string(answer[:n])); text != "errno=0" {
		return fmt.Errorf("wireguard-go refuses its configuration: %s", text)
	}
	return nil
}

// uapi is the set operation of one end.
func (end wireguardEnd) uapi() string {
	return fmt.Sprintf("set=1\nprivate_key=%s\nlisten_port=%d\npublic_key=%s\nendpoint=%s:%[2]d\nallowed_ip=%[5]s/32\n\n",
		hex.EncodeToString(end.private), wireguardPort, hex.EncodeToString(end.peer25519), end.peer, end.peerInner)
}

// staticDevice is what tun.Open calls a device.
const staticDevice = "ipsec0"

// startStatic starts the program in static/ as both endpoints.
func (p *programs) startStatic(suite string) func(context.Context, *link, string) (endpoints, error) {
	return func(ctx context.Context, l *link, dir string) (all endpoints, err error) {
		left, right := []string{leftOuter, leftInner}, []string{rightOuter, rightInner}
		for _, end := range []struct {
			*netns.Namespace
			local, remote []string
		}{{l.right, right, left}, {l.left, left, right}} {
			argv := slices.Concat([]string{p.static}, end.local, end.remote, []string{suite})
			e, err := startEndpoint(end.Namespace, filepath.Join(dir, end.Name+".log"), nil, argv...)
			if err != nil {
				return all, err
			}
			all = append(all, e)
			up := func() error { return ip(ctx, "-n "+end.Name+" link set dev "+staticDevice+" up") }
			if err := waitFor(ctx, all, "the device of a static endpoint", up); err != nil {
				return all, err
			}
			if err := ip(ctx, fmt.Sprintf("-n %s route add %s dev %s src %s", end.Name, end.remote[1], staticDevice, end.local[1])); err != nil {
				return all, err
			}
		}
		return all, nil
	}
}
