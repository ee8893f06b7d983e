//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/goswan/goswan/cmd/goswan/lab/netns"
)

// tools are what the lab runs, and the Debian packages they are in.
var tools = []struct{ program, pkg string }{
	{"ip", "iproute2"},
	{"ethtool", "ethtool"},
	{"stdbuf", "coreutils"},
	{"ping", "iputils-ping"},
	{"nft", "nftables"},
	{"tcpdump", "tcpdump"},
	{"tshark", "tshark"},
	{"openssl", "openssl"},
	{"pki", "strongswan-pki"},
	{netns.CharonSystemd, "charon-systemd"},
	{netns.Swanctl, "strongswan-swanctl"},
	{"/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", "libcharon-extra-plugins"},
	{"/usr/lib/ipsec/plugins/libstrongswan-eap-mschapv2.so", "libcharon-extauth-plugins"},
	{"/usr/sbin/freeradius", "freeradius"},
	{"/usr/lib/ipsec/plugins/libstrongswan-openssl.so", "libstrongswan-standard-plugins"},
	{"/usr/lib/ipsec/plugins/libstrongswan-chapoly.so", "libstrongswan-extra-plugins"},
}

// missing says why the lab cannot run here, or "".
func missing() string {
	if os.Geteuid() != 0 {
		return "it needs root for network namespaces"
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return "there is no /dev/net/tun"
	}
	var lack []string
	for _, tool := range tools {
		if _, err := exec.LookPath(tool.program); err == nil {
			continue
		}
		if _, err := os.Stat(tool.program); err != nil {
			lack = append(lack, fmt.Sprintf("%s (Debian package %s)", tool.program, tool.pkg))
		}
	}
	if lack != nil {
		return "it needs " + strings.Join(lack, ", ")
	}
	// Root in a container is not always root enough.
	trial := &netns.Namespace{Name: fmt.Sprintf("gs-%d-0-trial", os.Getpid())}
	defer trial.Remove()
	if out, err := exec.Command("ip", "netns", "add", trial.Name).CombinedOutput(); err != nil {
		return fmt.Sprintf("network namespaces cannot be made here (%s)", strings.TrimSpace(string(out)))
	}
	return ""
}

// wanted says whether the environment asks for the lab, and whether it insists.
func wanted() (run, insist bool) {
	value := os.Getenv("GOSWAN_LAB")
	insist = value == "require" || os.Getenv("CI") == "true" && value != ""
	return value != "", insist
}

// obstacle is why the scenarios are not run, or "". fatal tells that this is a failure. It looks once.
var obstacle = sync.OnceValues(func() (why string, fatal bool) {
	run, insist := wanted()
	if !run {
		return "GOSWAN_LAB is not set (make lab sets it)", false
	}
	return missing(), insist
})

// Main is a TestMain: it runs the tests, or, where the lab cannot run, only those that need no lab (TestHarness…), after
// one line that says what is skipped and why. It returns the exit status.
func Main(m *testing.M, skipScenarios func()) int {
	why, fatal := obstacle()
	if why != "" && fatal {
		fmt.Printf("lab: FAILED: the scenarios cannot run, and GOSWAN_LAB=require or CI=true insists: %s\n", why)
		return 1
	}
	if why != "" {
		fmt.Printf("lab: SKIPPED: all scenarios between network namespaces (goswan with goswan, goswan with strongSwan): %s\n", why)
		skipScenarios()
		return m.Run()
	}
	netns.RemoveLeftovers()
	removeOnSignal()
	if err := prepare(); err != nil {
		fmt.Println("lab: FAILED:", err)
		return 1
	}
	defer removePrograms()
	return m.Run()
}

// requireLab skips a scenario that was asked for by name where it cannot run.
func requireLab(t testing.TB) {
	t.Helper()
	if why, _ := obstacle(); why != "" {
		t.Skip("lab: " + why)
	}
}
