package main

import (
	"reflect"
	"testing"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/radius"
)

// TestRADIUSOfStrongswanConf has every setting of plugins.eap-radius arrive at the endpoint.
func TestRADIUSOfStrongswanConf(t *testing.T) {
	charon := config.RADIUS{
		Servers: []config.RADIUSServer{{
			Name: "one", Address: "radius.example.org", AuthPort: 1645, AcctPort: 1646, Secret: secret.Bytes("of no value"), NASIdentifier: "gw1", MaxOpen: 7,
		}},
		NASIdentifier: "gw", Accounting: true, AccountingInterval: 5 * time.Minute, RequiresVIP: true, SendClass: true, CloseOnTimeout: true,
		CloseAllOnTimeout: true, ClassGroup: true, FilterID: true, StationPort: false, EAPStart: true, IDPrefix: "x",
		Tries: 2, Timeout: 3 * time.Second, Base: 1.5,
	}
	want := goswan.RADIUS{
		Servers: []goswan.RADIUSServer{{
			Name: "one", Host: "radius.example.org", AuthPort: 1645, AcctPort: 1646, Secret: secret.Bytes("of no value"), NASIdentifier: "gw1", MaxOpen: 7,
		}},
		Client: radius.Config{
			NASIdentifier: "gw", Tries: 2, Timeout: 3 * time.Second, Growth: 1.5, WithoutPorts: true, EAPStart: true, IdentityPrefix: "x",
			ClassGroups: true, FilterGroups: true,
		},
		CloseAll:   true,
		Accounting: goswan.Accounting{On: true, Interval: 5 * time.Minute, RequiresVIP: true, SendClass: true, CloseOnTimeout: true},
	}
	if got := radiusOf(charon); !reflect.DeepEqual(got, want) {
		t.Errorf("the endpoint is told\n%+v\nwant\n%+v", got, want)
	}
	charon.StationPort = true
	if radiusOf(charon).Client.WithoutPorts {
		t.Error("ports are left out although they are wanted")
	}
}
