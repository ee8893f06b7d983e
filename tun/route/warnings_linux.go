package route

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Warnings name what on this host is known to keep packets from a tunnel, each with the command that changes it.
func (t *Table) Warnings() []string {
	var all []string
	if strict := strictLinks(); len(strict) > 0 {
		all = append(all, fmt.Sprintf("strict reverse path filtering (rp_filter=1) on %s drops a peer's packets when its address is within "+
			"the remote traffic selectors; `sysctl -w net.ipv4.conf.all.rp_filter=2` loosens it", strings.Join(strict, ", ")))
	}
	if sysctl("net/ipv4/ip_forward") == "0" {
		all = append(all, "IPv4 forwarding is off: only this host itself can use the tunnel; `sysctl -w net.ipv4.ip_forward=1` lets it be a gateway")
	}
	if sysctl("net/ipv6/conf/all/forwarding") == "0" {
		all = append(all, "IPv6 forwarding is off: only this host itself can use the tunnel; `sysctl -w net.ipv6.conf.all.forwarding=1` lets it be a gateway")
	}
	return all
}

// strictLinks are the links that filter strictly: the kernel takes the greater of a link's value and that of "all".
func strictLinks() []string {
	files, err := filepath.Glob("/proc/sys/net/ipv4/conf/*/rp_filter")
	if err != nil {
		return nil
	}
	all := sysctl("net/ipv4/conf/all/rp_filter")
	var strict []string
	for _, file := range files {
		link := filepath.Base(filepath.Dir(file))
		switch link {
		case "all", "default", "lo":
			continue
		}
		if max(all, sysctl("net/ipv4/conf/"+link+"/rp_filter")) == "1" {
			strict = append(strict, link)
		}
	}
	return strict
}

// sysctl is a kernel setting, "" when there is none of the name.
func sysctl(name string) string {
	octets, err := os.ReadFile(filepath.Join("/proc/sys", name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(octets))
}
