//go:build linux

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTshark gives tshark a capture of the wire and the keys that goswan wrote with --keylog, as the configuration
// directory of a Wireshark profile. It has to read every IKE message behind IKE_SA_INIT and every ESP packet.
func TestTshark(t *testing.T) {
	eachPair(t, pairs, "transforms", Topology{}, func(t *testing.T, n *Net) {
		if n.Left.Daemon != Goswan && n.Right.Daemon != Goswan {
			t.Skip("lab: no goswan, so nobody writes keys")
		}
		wire := n.StartCapture(t, "tshark", "left", "udp")
		rows := []transformRow{transformRows[0], transformRows[8]}
		for _, row := range rows {
			row.load(t, n)
			n.Left.Initiate(t, "net")
			n.WaitUp(t, "net")
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			n.rekey(t, n.Left, rekeyChild)
			n.LeftLAN.Ping(t, n.RightLAN.IPv4)
			n.Left.Terminate(t, "site")
			n.WaitGone(t)
		}
		wire.Stop(t)
		for _, h := range []*Host{n.Left, n.Right} {
			if h.Daemon == Goswan {
				t.Run(h.Name, func(t *testing.T) { wire.checkDecryption(t, h.KeyLogDir(), len(rows)) })
			}
		}
	})
}

// checkDecryption asks tshark for what it can see only when it has decrypted it, and for what it has not decrypted.
func (c *Capture) checkDecryption(t *testing.T, keys string, tunnels int) {
	t.Helper()
	for _, table := range []string{"ikev2_decryption_table", "esp_sa"} {
		if info, err := os.Stat(filepath.Join(keys, table)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file that only its owner can read", table, info, err)
		}
	}
	for _, want := range []struct {
		what, filter string
		count        int // at least, because a slow machine sends again; 0 is none
	}{
		{"IKE_AUTH messages with an identity", "isakmp.exchangetype == 35 && isakmp.id.data.fqdn", 2 * tunnels},
		{"CREATE_CHILD_SA messages with selectors", "isakmp.exchangetype == 36 && isakmp.ts.start_ipv4", 2 * tunnels},
		{"echo requests", "esp && icmp.type == 8 && ip.src == 10.1.0.2", 2 * pingCount * tunnels},
		{"echo replies", "esp && icmp.type == 0 && ip.src == 10.2.0.2", 2 * pingCount * tunnels},
		{"IKE messages that are still encrypted", "isakmp.enc.data && !isakmp.enc.decrypted", 0},
		{"ESP packets that are still encrypted", "esp && !icmp", 0},
	} {
		got := c.tshark(t, keys, want.filter)
		if len(got) < want.count || want.count == 0 && len(got) > 0 {
			t.Errorf("tshark sees %d %s, want %d:\n%s", len(got), want.what, want.count, strings.Join(c.tshark(t, keys, "udp"), "\n"))
		}
	}
}

// tshark are the packets that the display filter matches, a line each.
func (c *Capture) tshark(t *testing.T, keys, filter string) []string {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", c.File, "-o", "esp.enable_encryption_decode:TRUE", "-Y", filter)
	cmd.Env = append(os.Environ(), "WIRESHARK_CONFIG_DIR="+keys)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || strings.Contains(said.String(), "Error loading table") {
		t.Fatalf("tshark -Y %q: %v\n%s", filter, err, said.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}
