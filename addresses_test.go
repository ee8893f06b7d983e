package goswan

import (
	"context"
	"strings"
	"testing"

	"github.com/goswan/goswan/ike/core"
)

func TestPeerAddress(t *testing.T) {
	for _, c := range []struct {
		addrs []string
		want  string
	}{
		{[]string{"192.0.2.1"}, "192.0.2.1"},
		{[]string{"%any", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "2001:db8::1"}, "2001:db8::1"},
		{[]string{"0.0.0.0", "192.0.2.2"}, "192.0.2.2"},
	} {
		got, err := peerAddress(context.Background(), &core.Connection{RemoteAddrs: c.addrs})
		if err != nil || got.String() != c.want {
			t.Errorf("remote_addrs %v gives %v (%v), want %s", c.addrs, got, err, c.want)
		}
	}
	_, err := peerAddress(context.Background(), &core.Connection{RemoteAddrs: []string{"%any"}})
	if err == nil || !strings.Contains(err.Error(), "has no address to call") {
		t.Errorf("%%any alone says %v", err)
	}
}

func TestHostNamesAndRanges(t *testing.T) {
	for name, want := range map[string]bool{"gw-1.example.org": true, "10.0.0.1-10.0.0.9": false, "10.0.0.0/8": false, "a*": false} {
		if isHostName(name) != want {
			t.Errorf("isHostName(%q) is %v", name, !want)
		}
	}
}
