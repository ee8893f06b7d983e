//go:build linux

package lab

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// Features are what a device does for the kernel, as ethtool calls it.
type Features []string

// The offloads that matter to a tunnel. Switching checksums off takes segmentation with it, so they are switched together.
var (
	allOffloads = Features{"tx", "gso", "tso", "tx-udp-segmentation", "gro"}
	uso         = Features{"tx-udp-segmentation"}
	gro         = Features{"gro"}
)

// featureNames are ethtool's short names as its own list writes them.
var featureNames = map[string]string{
	"tx": "tx-checksumming", "gso": "generic-segmentation-offload", "tso": "tcp-segmentation-offload", "gro": "generic-receive-offload",
}

// SetFeatures switches features of a device on or off. Afterwards they are so, except where the device cannot change them.
func (ns *Namespace) SetFeatures(t testing.TB, dev string, features Features, on bool) {
	t.Helper()
	state := "off"
	if on {
		state = "on"
	}
	args := []string{"-K", dev}
	for _, f := range features {
		args = append(args, f, state)
	}
	// Its exit status is not asked: it fails where there is nothing to change, and succeeds where the kernel did otherwise.
	said, _ := ns.Command(t.Context(), "ethtool", args...).CombinedOutput()
	is := ns.features(t, dev)
	for _, f := range features {
		name := f
		if long := featureNames[f]; long != "" {
			name = long
		}
		if now := is[name]; now != state && !strings.HasSuffix(now, "[fixed]") {
			t.Fatalf("%s: %s of %s is %q, want %s\n%s", ns.Name, name, dev, now, state, said)
		}
	}
}

// features is what ethtool lists.
func (ns *Namespace) features(t testing.TB, dev string) map[string]string {
	t.Helper()
	out, err := ns.Command(t.Context(), "ethtool", "-k", dev).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: ethtool -k %s: %v\n%s", ns.Name, dev, err, out)
	}
	is := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, state, found := strings.Cut(strings.TrimSpace(line), ": "); found {
			is[name] = state
		}
	}
	return is
}

// Link is a device as `ip -s link` tells of it.
type Link struct {
	Name  string `json:"ifname"`
	MTU   int    `json:"mtu"`
	Stats struct {
		RX Traffic `json:"rx"`
		TX Traffic `json:"tx"`
	} `json:"stats64"`
}

// Traffic is one direction of a device, as the kernel sees it: a TUN device transmits to the daemon.
type Traffic struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	Dropped uint64 `json:"dropped"`
}

// Links are the devices of the namespace by name.
func (ns *Namespace) Links(t testing.TB) map[string]Link {
	t.Helper()
	out, err := exec.Command("ip", "-n", ns.Name, "-s", "-j", "link", "show").Output()
	var list []Link
	if err == nil {
		err = json.Unmarshal(out, &list)
	}
	if err != nil {
		t.Fatalf("ip -n %s -s -j link show: %v\n%s", ns.Name, err, out)
	}
	links := map[string]Link{}
	for _, l := range list {
		links[l.Name] = l
	}
	return links
}
