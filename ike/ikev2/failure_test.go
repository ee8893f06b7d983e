package ikev2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/sim"
)

// refusal is a pair of configurations under which something must not come up, and what each side says of it.
type refusal struct {
	name     string
	change   pairOption
	ikeStays bool
	left     string // the initiator's reason
	right    string // the responder's
}

var refusals = []refusal{{
	name:   "no common IKE proposal",
	change: func(_, r *core.Catalog) { r.Connections[0].Proposals = ike("aes128-sha256-ecp256") },
	left: `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused with NO_PROPOSAL_CHOSEN; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; ` +
		"compare `proposals` of connection \"site\" (swanctl.conf:6) with the peer's: it takes none of these, or has nothing for our address; `goswan explain site PROPOSAL` tells what the peer's would need",
	right: `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: no proposal in common with 192.0.2.1: the offer encrypts in combined mode (AES_GCM_16_256), accepted is encryption with an integrity algorithm apart (AES_CBC_128); ` +
		`no PRF in common: offered is PRF_HMAC_SHA2_384, accepted is PRF_HMAC_SHA2_256; no KE in common: offered is CURVE_25519, accepted is ECP_256; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; ` +
		`acceptable IKE:AES_CBC_128/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/ECP_256; ` + "add `aes256gcm16-prfsha384-x25519` to `proposals` of connection \"site\" (swanctl.conf:6)",
}, {
	name:   "no connection for the addresses",
	change: func(_, r *core.Catalog) { r.Connections[0].RemoteAddrs = []string{"203.0.113.0/24"} },
	left:   `phase 1 IKE_SA_INIT: NO_PROPOSAL_CHOSEN: the peer refused with NO_PROPOSAL_CHOSEN; offered`,
	right: `phase 1 IKE_SA_INIT: NO_CONNECTION: no connection is for 198.51.100.2...192.0.2.1; acceptable "site" (local_addrs %any, remote_addrs 203.0.113.0/24, ` +
		"local id right.example, remote id left.example, swanctl.conf:2); let `local_addrs` and `remote_addrs` of a connection take 198.51.100.2 and 192.0.2.1",
}, {
	name:   "wrong pre-shared key",
	change: func(_, r *core.Catalog) { r.Secrets[0].Key = secret.Bytes("of another value") },
	left: `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused us as "left.example" when asked for "right.example"; ` +
		`compare the identities (swanctl.conf:9) and the secret "ike-site" (swanctl.conf:40) with the peer's`,
	right: `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the AUTH of "left.example" for "right.example" (myself) does not fit pre-shared key "ike-site" (swanctl.conf:40); compare the secret with the peer's`,
}, {
	name:   "an identity that the responder does not know",
	change: func(_, r *core.Catalog) { r.Connections[0].Remote[0].ID = identity("elsewhere.example") },
	left:   `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused us as "left.example" when asked for "right.example"`,
	right: `phase 1 IKE_AUTH: NO_CONNECTION: no connection is for the peer "left.example" that asks for "right.example"; acceptable "site" (local_addrs %any, remote_addrs %any, ` +
		"local id right.example, remote id elsewhere.example, swanctl.conf:2)",
}, {
	name: "an identity that the initiator does not expect",
	change: func(l, r *core.Catalog) {
		l.Connections[0].Remote[0].ID = identity("*.elsewhere.example") // a pattern is not asked for
		r.Secrets[0].Owners, l.Secrets[0].Owners = nil, nil
	},
	left: `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer says it is "right.example", connection "site" requires "*.elsewhere.example"; ` +
		"offered right.example; acceptable *.elsewhere.example; set `id` of `remote` (swanctl.conf:13) to \"right.example\"",
	right: `phase 1 INFORMATIONAL: AUTHENTICATION_FAILED`,
}, {
	name:   "no secret at the initiator",
	change: func(l, _ *core.Catalog) { l.Secrets[0].Owners = []auth.Identity{identity("somebody.example")} },
	left:   `phase 1 IKE_AUTH: NO_SECRET: no pre-shared key for "left.example" (myself) and "right.example"; add ` + "`ike-… { id-1 = right.example; secret = … }` to `secrets`",
	right:  `phase 1 IKE_AUTH: TIMEOUT: the peer began an IKE SA and did not authenticate within 30s`,
}, {
	name:   "no secret at the responder",
	change: func(_, r *core.Catalog) { r.Secrets = nil },
	left:   `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer refused us`,
	right:  `phase 1 IKE_AUTH: NO_SECRET: no pre-shared key for "right.example" (myself) and "left.example"`,
}, {
	name:     "no common ESP proposal",
	change:   func(_, r *core.Catalog) { r.Connections[0].Children[0].Proposals = esp("aes128-sha256") },
	ikeStays: true,
	left: `phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: the peer refused with NO_PROPOSAL_CHOSEN; offered ESP:AES_GCM_16_256/NO_EXT_SEQ; ` +
		"compare `esp_proposals` of child \"net\" (swanctl.conf:21) with the peer's; `goswan explain site net PROPOSAL` tells what the peer's would need",
	right: `phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: no proposal in common: the offer encrypts in combined mode (AES_GCM_16_256), accepted is encryption with an integrity algorithm apart (AES_CBC_128); offered ESP:AES_GCM_16_256/NO_EXT_SEQ; acceptable ESP:AES_CBC_128/HMAC_SHA2_256_128/NO_EXT_SEQ; ` +
		"add `aes256gcm16` to `esp_proposals` of child \"net\" (swanctl.conf:21)",
}, {
	name: "no common traffic selectors",
	change: func(_, r *core.Catalog) {
		r.Connections[0].Children = []*core.Child{childConfig("net", "10.22.0.0/24", "10.11.0.0/24")}
	},
	ikeStays: true,
	left: `phase 2 IKE_AUTH: TS_UNACCEPTABLE: the peer refused with TS_UNACCEPTABLE; offered 10.1.0.0/24 === 10.2.0.0/24; ` +
		"compare `local_ts` and `remote_ts` of child \"net\" (swanctl.conf:23) with the peer's",
	right: `phase 2 IKE_AUTH: TS_UNACCEPTABLE: no child has traffic selectors in common with the peer's; offered 10.2.0.0/24 === 10.1.0.0/24; ` +
		`acceptable "net" 10.22.0.0/24 === 10.11.0.0/24; ` + "compare `local_ts` and `remote_ts` of child \"net\" (swanctl.conf:23) with the peer's",
}, {
	name:     "a responder that wants no Child SA in IKE_AUTH",
	change:   func(_, r *core.Catalog) { r.Connections[0].Childless = core.ChildlessForce },
	ikeStays: true,
	left:     `phase 2 IKE_AUTH: NO_ADDITIONAL_SAS: the peer refused with NO_ADDITIONAL_SAS`,
	right:    `phase 2 IKE_AUTH: NO_ADDITIONAL_SAS: ` + "`childless = force` allows no Child SA in IKE_AUTH",
}}

// TestRefused has each failure happen and reads what each side says.
func TestRefused(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, r.change)
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(3 * time.Second)
			reason := tc.done(tc.left, op)
			tc.want("the initiator is told", reason != nil)
			tc.says("left", reason.Error(), r.left)
			tc.w.Run(time.Minute)
			failed := failures(tc.right)
			tc.want("the responder tells once", len(failed) == 1)
			tc.says("right", failed[0].Error(), r.right)
			ikes := 0
			if r.ikeStays {
				ikes = 1
			}
			tc.want("the IKE SA stays exactly if only the Child SA failed", len(tc.left.IKESAs()) == ikes && len(tc.right.IKESAs()) == ikes)
			tc.end()
		})
	}
}

// failures are the reasons that a node told of, for what never came up and for what went down.
func failures(n *sim.Node) (reasons []*core.Reason) {
	for _, f := range sim.Told[core.Failed](n) {
		reasons = append(reasons, f.Reason)
	}
	for _, d := range sim.Told[core.IKEDown](n) {
		reasons = append(reasons, d.Reason)
	}
	return reasons
}

func (tc *test) says(who, got, want string) {
	tc.Helper()
	if !strings.HasPrefix(got, want) {
		tc.Errorf("%s says\n\t%s\nwant\n\t%s", who, got, want)
	}
}

// TestTimeout has nobody answer.
func TestTimeout(t *testing.T) {
	tc := newTest(t, sim.Faults{Loss: 1})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(164 * time.Second)
	_, early := tc.left.Done[op]
	tc.want("after 164 s it still waits", !early)
	tc.w.Run(2 * time.Second)
	tc.says("left", tc.done(tc.left, op).Error(), "phase 1 IKE_SA_INIT: TIMEOUT: no answer from 198.51.100.2:500 to 6 transmissions within 2m45.1s; "+
		"check that 198.51.100.2 is up, that UDP port 500 reaches it, and that it accepts our address")
	tc.end()
}

// TestKeyingTries begins again, with another SPI, as often as the connection says.
func TestKeyingTries(t *testing.T) {
	tc := newTest(t, sim.Faults{Loss: 1}, func(l, _ *core.Catalog) { l.Connections[0].KeyingTries = 3 })
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(2 * 166 * time.Second)
	_, early := tc.left.Done[op]
	tc.want("after two attempts it tries the third", !early)
	tc.w.Run(166 * time.Second)
	tc.want("after three it gives up", tc.done(tc.left, op) != nil && tc.done(tc.left, op).Kind == core.Timeout)
	tc.want("each attempt sends six times", len(sim.Told[core.Message](tc.left)) == 18)
	tc.end()

	tc = newTest(t, sim.Faults{Loss: 1}, func(l, _ *core.Catalog) { l.Connections[0].KeyingTries = 0 })
	op = tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Hour)
	tc.w.Faults.Loss = 0
	tc.w.Run(3 * time.Minute)
	tc.want("keyingtries = 0 goes on until it works", tc.done(tc.left, op) == nil)
	tc.same(1)
	tc.end()
}

// TestUnauthenticatedErrors has a stranger answer first: the real responder still wins. RFC 7296 §2.21.1
func TestUnauthenticatedErrors(t *testing.T) {
	tc := newTest(t, sim.Faults{Min: 300 * time.Millisecond})
	op := tc.left.Initiate("site", "net", rightAddr)
	first := sim.Told[core.Message](tc.left)
	tc.want("the request is out", len(first) == 1)
	spi := tc.left.IKESAs()[0].SPIi
	forged := append(append([]byte{}, spi[:]...), 0, 0, 0, 0, 0, 0, 0, 0, 41, 0x20, 34, 0x20, 0, 0, 0, 0, 0, 0, 0, 36, 0, 0, 0, 8, 0, 0, 0, 14)
	tc.left.Inject(core.Datagram{Local: first[0].Local, Remote: first[0].Remote, Data: forged})
	tc.w.Run(100 * time.Millisecond)
	_, told := tc.left.Done[op]
	tc.want("a forged NO_PROPOSAL_CHOSEN does not end the attempt", !told)
	tc.w.Run(5 * time.Second)
	tc.want("it comes up all the same", tc.done(tc.left, op) == nil)
	tc.end()
}
