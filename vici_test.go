package goswan

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/vici"
)

// control is an end with a control socket, and a client on it. These tests run in real time, for there are real sockets.
func control(t *testing.T, x *end) (*vici.Client, *Control) {
	t.Helper()
	uri := "unix://" + filepath.Join(t.TempDir(), "vici")
	c, err := x.ServeVICI(uri, config.Loader{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := vici.Dial(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		if err := c.Close(); err != nil {
			t.Errorf("the control socket does not close: %v", err)
		}
	})
	return client, c
}

// message is a message of keys and values.
func message(pairs ...string) *vici.Message {
	m := new(vici.Message)
	for i := 0; i+1 < len(pairs); i += 2 {
		m.Add(pairs[i], pairs[i+1])
	}
	return m
}

// connection is moon's connection as swanctl --load-conns sends it.
func connection() *vici.Message {
	m := new(vici.Message)
	site := m.AddSection("site")
	site.Add("version", "2").AddList("local_addrs", moonAddr.String()).AddList("remote_addrs", sunAddr.String()).
		AddList("proposals", "aes256gcm16-prfsha384-x25519")
	site.AddSection("local").Add("auth", "psk").Add("id", "moon")
	site.AddSection("remote").Add("auth", "psk").Add("id", "sun")
	site.AddSection("children").AddSection("net").AddList("local_ts", "10.1.0.0/16").AddList("remote_ts", "10.2.0.0/16").AddList("esp_proposals", "aes256gcm16")
	return m
}

func TestControlByVICI(t *testing.T) {
	n := encap.NewNetwork()
	newEnd(t, n, sunText()).start()
	empty := moonText()
	empty.secret = "replaced"
	moon := newEnd(t, n, empty, func(c *Config) { c.Catalog = nil }).start()
	client, _ := control(t, moon)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	do := func(command string, m *vici.Message) {
		t.Helper()
		if err := client.Do(ctx, command, m); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	stream := func(command, event string, pairs ...string) (all []*vici.Message) {
		t.Helper()
		if _, err := client.Stream(ctx, command, event, message(pairs...), func(m *vici.Message) { all = append(all, m) }); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		return all
	}

	version, err := client.Request(ctx, "version", nil)
	want(t, "the daemon says who it is", err == nil && version.Get("daemon") == "goswan" && version.Get("version") == Version)
	do("load-conn", connection())
	do("load-shared", message("id", "ike-site", "type", "IKE", "data", "of no value"))
	want(t, "both are loaded", len(moon.Catalog().Connections) == 1 && len(moon.Catalog().Secrets) == 1)
	do("load-shared", message("id", "ike-site", "type", "IKE", "data", "of no value"))
	want(t, "a secret of the same ID is replaced", len(moon.Catalog().Secrets) == 1)
	err = client.Do(ctx, "load-shared", message("type", "IKE"))
	want(t, "a secret without octets is refused", err != nil)

	do("initiate", message("child", "net", "timeout", "0"))
	all := stream("list-sas", "list-sa")
	want(t, "there is one IKE SA with a Child SA", len(all) == 1 && all[0].Get("site", "state") == "ESTABLISHED" && all[0].Get("site", "remote-id") == "sun" &&
		len(moon.IKESAs()[0].Children) == 1)
	rekeyed, err := client.Request(ctx, "rekey", message("ike", "site"))
	want(t, "it is rekeyed", err == nil && rekeyed.Get("success") == "yes" && rekeyed.Get("matches") == "1")
	do("install", message("child", "net"))
	want(t, "a trap is listed", len(stream("list-policies", "list-policy", "trap", "yes")) == 1)
	do("uninstall", message("child", "net"))
	do("terminate", message("ike", "site"))
	want(t, "nothing is left", len(stream("list-sas", "list-sa")) == 0)

	var refused *vici.CommandError
	err = client.Do(ctx, "initiate", message("child", "nothing", "timeout", "0"))
	want(t, "what is not there is refused", errors.As(err, &refused))
	do("load-pool", func() *vici.Message {
		m := new(vici.Message)
		m.AddSection("pool").Add("addrs", "10.3.0.0/24")
		return m
	}())
	pools, err := client.Request(ctx, "get-pools", nil)
	want(t, "the pool is there", err == nil && pools.Get("pool", "base") == "10.3.0.1" && pools.Get("pool", "size") == "254")
	do("unload-pool", message("name", "pool"))
	want(t, "an unknown pool is refused", client.Do(ctx, "unload-pool", message("name", "pool")) != nil)
	do("unload-shared", message("id", "ike-site"))
	do("unload-conn", message("name", "site"))
	want(t, "an unknown connection is refused", client.Do(ctx, "unload-conn", message("name", "site")) != nil)
	want(t, "everything is unloaded", len(moon.Catalog().Connections)+len(moon.Catalog().Secrets)+len(moon.Catalog().Pools) == 0)
	want(t, "there is no strongswan.conf to reload", client.Do(ctx, "reload-settings", nil) != nil)
	stats, err := client.Request(ctx, "stats", nil)
	want(t, "statistics are told", err == nil && stats.Get("ikesas", "total") == "0")
}

func TestABadConnectionByVICIChangesNothing(t *testing.T) {
	moon := newEnd(t, encap.NewNetwork(), moonText()).start()
	client, _ := control(t, moon)
	before := moon.Catalog()
	bad := new(vici.Message)
	bad.AddSection("site").Add("version", "7")
	if err := client.Do(t.Context(), "load-conn", bad); err == nil || moon.Catalog() != before {
		t.Errorf("a connection of version 7 is %v, want an error, and the catalog as it was", err)
	}
}

func TestEventsByVICI(t *testing.T) {
	n := encap.NewNetwork()
	newEnd(t, n, sunText()).start()
	moon := newEnd(t, n, moonText()).start()
	client, _ := control(t, moon)
	up := make(chan string, 4)
	if _, err := client.Subscribe(t.Context(), "child-updown", func(m *vici.Message) { up <- m.Get("up") }); err != nil {
		t.Fatal(err)
	}
	if err := moon.Initiate(t.Context(), InitiateRequest{Child: "net"}); err != nil {
		t.Fatal(err)
	}
	if got := <-up; got != "yes" {
		t.Errorf("child-updown has up = %q when the Child SA comes up", got)
	}
	if _, err := moon.Terminate(t.Context(), SelectSAs{IKE: "site"}, false); err != nil {
		t.Fatal(err)
	}
	if got := <-up; got != "" {
		t.Errorf("child-updown has up = %q when the Child SA goes down", got)
	}
}
