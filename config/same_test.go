package config

import (
	"testing"

	"github.com/goswan/goswan/ike/core"
)

const sameText = `connections {
  office {
    remote_addrs = 192.0.2.1
    local {
      auth = psk
      id = moon
    }
    remote {
      auth = psk
      id = sun
    }
    children {
      net {
        remote_ts = 10.2.0.0/16[tcp/80]
        rekey_time = 30m
      }
    }
  }
}
secrets {
  ike {
    secret = x
  }
}
`

func parseSame(t *testing.T, text string) *core.Connection {
	t.Helper()
	catalog, _, err := Loader{}.Parse("swanctl.conf", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return catalog.Connections[0]
}

func TestSameIsAboutWhatIsSaidNotWhere(t *testing.T) {
	a, b := parseSame(t, sameText), parseSame(t, "\n\n# elsewhere\n"+sameText)
	if a.Source == b.Source {
		t.Fatal("both connections stand at the same place: the test says nothing")
	}
	if !Same(a, b) {
		t.Error("the same connection, three lines further down, is another one")
	}
	changes := map[string]func(*core.Connection){
		"a name":       func(c *core.Connection) { c.Name = "x" },
		"an address":   func(c *core.Connection) { c.RemoteAddrs = []string{"192.0.2.2"} },
		"an identity":  func(c *core.Connection) { c.Remote[0].ID.Data = "mars" },
		"a proposal":   func(c *core.Connection) { c.Proposals = c.Proposals[:1] },
		"a selector":   func(c *core.Connection) { c.Children[0].RemoteTS[0].TS.EndPort++ },
		"a lifetime":   func(c *core.Connection) { c.Children[0].RekeyTime++ },
		"one child":    func(c *core.Connection) { c.Children = nil },
		"a DPD delay":  func(c *core.Connection) { c.DPDDelay++ },
		"a start":      func(c *core.Connection) { c.Children[0].StartAction = core.ActionTrap },
		"the uniquity": func(c *core.Connection) { c.Unique = core.UniqueKeep },
	}
	for what, change := range changes {
		b := parseSame(t, sameText)
		change(b)
		if Same(a, b) {
			t.Errorf("two connections that differ by %s are the same", what)
		}
	}
	if Same(a, nil) || !Same(nil, nil) {
		t.Error("no connection is the same as one, or not the same as none")
	}
}
