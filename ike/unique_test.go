package ike

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

// secondAddr is where left comes from the second time, and thirdAddr where it comes from as LEFT.
var secondAddr, thirdAddr = netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("192.0.2.78")

// behindLeft comes from the first one's address too, through a NAT.
var behindLeft = netip.MustParseAddr("192.0.2.78")

// maskBehindLeft is that NAT, with ports from 20000 on.
func maskBehindLeft(s sent) sent {
	const ports = 20000
	if s.from.Addr() == behindLeft {
		s.from = netip.AddrPortFrom(leftAddr, ports+s.from.Port())
	}
	if s.to.Addr() == leftAddr && s.to.Port() >= ports {
		s.to = netip.AddrPortFrom(behindLeft, s.to.Port()-ports)
	}
	return s
}

// again makes a second IKE SA between the same identities: from the same endpoint, from one that was restarted (which has
// forgotten the first), or from another address by an endpoint that knows nothing of the first but says no INITIAL_CONTACT.
func TestUnique(t *testing.T) {
	for _, c := range []struct {
		name      string
		unique    core.Unique
		from      netip.Addr
		contact   bool
		remain    int  // IKE SAs at the responder in the end
		firstGone bool // the first one is not among them
	}{
		{"no: both stay", core.UniqueNo, secondAddr, false, 2, false},
		{"no, and INITIAL_CONTACT: the first goes", core.UniqueNo, secondAddr, true, 1, true},
		{"never: INITIAL_CONTACT is nothing", core.UniqueNever, secondAddr, true, 2, false},
		{"replace: the first goes", core.UniqueReplace, secondAddr, false, 1, true},
		{"replace, with other capitals: the first goes", core.UniqueReplace, thirdAddr, false, 1, true},
		{"keep: the second goes", core.UniqueKeep, secondAddr, false, 1, false},
		{"keep, from the same address: a reauthentication", core.UniqueKeep, leftAddr, false, 2, false},
		{"keep, from behind the same address: another device, and the second goes", core.UniqueKeep, behindLeft, false, 1, false},
		{"keep, and INITIAL_CONTACT: the first goes", core.UniqueKeep, secondAddr, true, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, left, right := pair(t)
				n.translate(maskBehindLeft)
				right.catalog.Load().Connections[0].Unique = c.unique
				left.up(t)
				first := right.IKESAs()[0].UniqueID
				if c.from == leftAddr {
					left.up(t, func(r *InitiateRequest) { r.Separate = true })
				} else {
					name := "left"
					if c.from == thirdAddr {
						name = "LEFT"
					}
					other := n.host(c.from, catalog(name, "right", rightAddr))
					other.cfg.Environment.FirstContact = nil // says so
					if !c.contact {
						other.cfg.Environment.FirstContact = func(_, _ auth.Identity) bool { return false }
					}
					_ = other.initiate(t).settled(t)
				}
				pass(time.Minute)
				all := right.IKESAs()
				gone := true
				for _, s := range all {
					gone = gone && s.UniqueID != first
				}
				if len(all) != c.remain || gone != c.firstGone {
					t.Errorf("%d IKE SAs remain, the first gone: %v; want %d and %v", len(all), gone, c.remain, c.firstGone)
				}
				for _, down := range outputs[core.IKEDown](right) {
					if down.Reason == nil || down.Reason.Kind != core.Replaced {
						t.Errorf("the reason of the end is %v, want one of kind REPLACED", down.Reason)
					}
				}
			})
		})
	}
}

func TestTheInitiatorDoesNotReplaceItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		left.catalog.Load().Connections[0].Unique = core.UniqueReplace
		left.up(t)
		left.up(t, func(r *InitiateRequest) { r.Separate = true })
		want(t, "both stay: unique is for peers", len(left.IKESAs()) == 2 && len(right.IKESAs()) == 2)
	})
}

func TestFirstContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, left, right := pair(t)
		l, r := mustID("left"), mustID("right")
		want(t, "with nobody it is the first contact", left.FirstContact(l, r))
		left.up(t)
		want(t, "with the peer it is not", !left.FirstContact(l, r) && !right.FirstContact(r, l))
		want(t, "with another it is", left.FirstContact(l, mustID("other")))
		left.Broadcast(core.Delete{IKE: true}, func([]core.IKEStatus) bool { return true })
		synctest.Wait()
		want(t, "after the end it is again", left.FirstContact(l, r) && right.FirstContact(r, l))
	})
}

// loggingIn is the catalog of a user's device, with an IKE identity that says nothing of the user.
func loggingIn(user, id string) *core.Catalog {
	c := catalog(id, "right", rightAddr)
	c.Connections[0].Local[0] = core.Auth{Method: core.AuthEAP, ID: mustID(id), EAP: core.EAP{Method: eap.TypeMSCHAPv2, ID: auth.FromUser(user), IDSet: true}}
	c.Secrets = append(c.Secrets, userSecret(user))
	return c
}

func userSecret(user string) *core.Secret {
	return &core.Secret{Name: "eap-" + user, Kind: core.SecretEAP, Owners: []auth.Identity{auth.FromUser(user)}, Key: secret.Bytes("of no value to " + user)}
}

// TestUniqueUsers has devices of two users come with the same IKE identity, and another device of the first with another: a user's
// new IKE SA takes the place of the user's own, and of nobody else's.
func TestUniqueUsers(t *testing.T) {
	for _, c := range []struct {
		name   string
		unique core.Unique
		remain []string
	}{
		{"no", core.UniqueNo, []string{"bob at 192.0.2.77", "alice at 192.0.2.79"}}, // which knows of no other: INITIAL_CONTACT
		{"replace", core.UniqueReplace, []string{"bob at 192.0.2.77", "alice at 192.0.2.79"}},
		{"keep", core.UniqueKeep, []string{"bob at 192.0.2.77", "alice at 192.0.2.79"}},
		{"never", core.UniqueNever, []string{"alice at 192.0.2.1", "bob at 192.0.2.77", "alice at 192.0.2.79"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(t)
				gateway := catalog("right", "left", leftAddr)
				gateway.Connections[0].Unique = c.unique
				gateway.Connections[0].Remote[0] = core.Auth{Method: core.AuthEAP, EAP: core.EAP{Method: eap.TypeMSCHAPv2, IDSet: true}}
				gateway.Secrets = append(gateway.Secrets, userSecret("alice"), userSecret("bob"))
				right := n.host(rightAddr, gateway)
				n.host(leftAddr, loggingIn("alice", "device")).up(t)
				n.host(secondAddr, loggingIn("bob", "device")).up(t)
				n.host(netip.MustParseAddr("192.0.2.79"), loggingIn("alice", "phone")).up(t)
				pass(time.Minute)
				var remain []string
				all := right.IKESAs()
				slices.SortFunc(all, func(a, b core.IKEStatus) int { return cmp.Compare(a.UniqueID, b.UniqueID) })
				for _, s := range all {
					remain = append(remain, s.RemoteEAPID+" at "+s.Remote.Addr().String())
				}
				if !slices.Equal(remain, c.remain) {
					t.Errorf("%v remain, want %v", remain, c.remain)
				}
			})
		})
	}
}

// TestWhoIsOlder has two IKE SAs between the same ends come up at the same time: each of them asks who was before it, and not both
// are told of the other, which would end both.
func TestWhoIsOlder(t *testing.T) {
	tables := newTables()
	first, second := &lineage{id: 1}, &lineage{id: 2}
	alice, bob := core.IKEStatus{LocalID: mustID("gw"), RemoteEAPID: "alice"}, core.IKEStatus{LocalID: mustID("gw"), RemoteEAPID: "bob"}
	none := tables.established(first, alice)
	before := tables.established(second, alice)
	want(t, "the first is before the second, and nobody before the first", len(none) == 0 && slices.Equal(before, []*lineage{first}))
	want(t, "nobody is older than itself, or than another user", len(tables.established(second, bob)) == 0 && len(tables.established(first, alice)) == 0)
}
