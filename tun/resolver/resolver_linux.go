package resolver

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Open takes out of resolv.conf what an earlier process with this device left there.
func Open(c Config) (*Resolver, error) {
	if c.StateDir == "" {
		c.StateDir = DefaultStateDir
	}
	f := &file{path: c.File, device: c.Device, journal: c.journal()}
	if err := f.recover(); err != nil {
		return nil, err
	}
	return &Resolver{config: c}, nil
}

// choose is systemd-resolved where it can be reached, else resolv.conf.
func (c Config) choose() (backend, error) {
	if r, err := dialResolved(c.Bus, c.Device); err == nil {
		return r, nil
	}
	return &file{path: c.File, device: c.Device, journal: c.journal()}, nil
}

// journal tells the journals of equally named devices in different network namespaces apart.
func (c Config) journal() string {
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) != nil {
		return fmt.Sprintf("%s/%s-resolv.json", c.StateDir, c.Device)
	}
	return fmt.Sprintf("%s/%s-%d-resolv.json", c.StateDir, c.Device, st.Ino)
}
