package ikev2_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// rawIKE is what a peer offers that could not be configured here.
func rawIKE(transforms ...suite.Transform) []suite.Proposal {
	return []suite.Proposal{{Protocol: suite.IKE, Transforms: transforms}}
}

// TestProposalDiagnosis has offers that miss in one way each, and reads what the responder says of it.
func TestProposalDiagnosis(t *testing.T) {
	x25519 := suite.Transform{Type: suite.KE, ID: 31}
	prf384 := suite.Transform{Type: suite.PRF, ID: 6}
	aes256 := suite.Transform{Type: suite.ENCR, ID: 20, KeyBits: 256}
	for _, c := range []struct {
		name   string
		change pairOption
		right  []string // parts of the responder's reason, in this order
	}{
		{"only the key exchange differs", func(_, r *core.Catalog) { r.Connections[0].Proposals = ike("aes256gcm16-prfsha384-ecp256") }, []string{
			"no proposal in common with 192.0.2.1: no KE in common: offered is CURVE_25519, accepted is ECP_256; offered",
			"add `aes256gcm16-prfsha384-x25519` to `proposals` of connection \"site\" (swanctl.conf:6)",
		}},
		{"another key length", func(_, r *core.Catalog) { r.Connections[0].Proposals = ike("aes128gcm16-prfsha384-x25519") }, []string{
			"no ENCR in common: offered is AES_GCM_16_256, accepted is AES_GCM_16_128; offered", "add `aes256gcm16-prfsha384-x25519`",
		}},
		{"what is offered is refused", func(l, r *core.Catalog) {
			l.Connections[0].Proposals = rawIKE(suite.Transform{Type: suite.ENCR, ID: 2}, suite.Transform{Type: suite.INTEG, ID: 3}, prf384, x25519)
			r.Connections[0].Proposals = ike("aes256-sha384-x25519")
		}, []string{
			"DES_CBC is refused: ", "DES_MAC is refused: ",
			"let the peer offer `aes256-sha384-x25519`, which is in `proposals` of connection \"site\" (swanctl.conf:6)",
		}},
		{"the offer is legacy", func(l, _ *core.Catalog) { l.Connections[0].Proposals = ike("aes256-sha1-x25519") }, []string{
			"add `aes256-sha1-x25519` to `proposals` of connection \"site\" (swanctl.conf:6), though HMAC_SHA1_96 is weak by today's measure",
			"better let the peer offer `aes256gcm16-prfsha384-x25519`",
		}},
		{"the peer insists on an additional key exchange", func(l, _ *core.Catalog) {
			l.Connections[0].Proposals = rawIKE(aes256, prf384, x25519, suite.Transform{Type: suite.ADDKE1, ID: 36})
		}, []string{
			"the offer insists on the additional key exchange KE1_ML_KEM_768; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519/KE1_ML_KEM_768",
			"KE1_ML_KEM_768 is not implemented in this version; let the peer offer `aes256gcm16-prfsha384-x25519`",
		}},
		{"the nearer of two connections", func(_, r *core.Catalog) {
			other := *r.Connections[0]
			other.Name, other.Proposals, other.ProposalsSource.Line = "other", ike("aes256gcm16-prfsha384-ecp256"), 66
			r.Connections[0].Proposals = ike("aes128-sha256-modp2048")
			r.Connections = append(r.Connections, &other)
		}, []string{"no KE in common", "acceptable IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_256;", "of connection \"other\" (swanctl.conf:66)"}},
		{"the first Child SA keeps its forward secrecy", func(_, r *core.Catalog) { r.Connections[0].Children[0].Proposals = esp("aes128gcm16-ecp256") }, []string{
			"phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: no proposal in common: no ENCR in common: offered is AES_GCM_16_256, accepted is AES_GCM_16_128; offered",
			"add `aes256gcm16-ecp256` to `esp_proposals` of child \"net\" (swanctl.conf:21)",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{}, c.change)
			tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(3 * time.Second)
			failed := failures(tc.right)
			tc.want("the responder tells once", len(failed) == 1)
			tc.inOrder(failed[0].Error(), c.right)
			tc.w.Run(time.Minute)
		})
	}
}

func (tc *test) inOrder(text string, parts []string) {
	tc.Helper()
	rest := text
	for _, part := range parts {
		_, behind, ok := strings.Cut(rest, part)
		if !ok {
			tc.Fatalf("it says\n\t%s\nwant in it, in this order\n\t%s", text, strings.Join(parts, "\n\t"))
		}
		rest = behind
	}
}

// TestOptionalAdditionalKE takes an offer whose additional key exchange may be left out, without it. RFC 9370 §2.2.2
func TestOptionalAdditionalKE(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
		p := ike("aes256gcm16-prfsha384-x25519")
		p[0].Transforms = append(p[0].Transforms, suite.Transform{Type: suite.ADDKE1, ID: 36}, suite.Transform{Type: suite.ADDKE1})
		l.Connections[0].Proposals = p
	})
	tc.up()
	tc.want("the additional key exchange is not in the suite", tc.right.IKESAs()[0].Suite.String() == "IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519")
	tc.end()
}

// TestRekeyWithoutCommonKE finds out at the first rekeying that only one side has forward secrecy: in IKE_AUTH there was
// nothing to disagree on. RFC 7296 §1.2
func TestRekeyWithoutCommonKE(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(_, r *core.Catalog) { r.Connections[0].Children[0].Proposals = esp("aes256gcm16-x25519") })
	tc.up()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("rekeying fails", reason != nil)
	tc.inOrder(reason.Error(), []string{"phase 2 CREATE_CHILD_SA: NO_PROPOSAL_CHOSEN: the peer refused with NO_PROPOSAL_CHOSEN; offered ESP:AES_GCM_16_256/NO_EXT_SEQ; " +
		"compare `esp_proposals` of child \"net\" (swanctl.conf:21) with the peer's: after IKE_AUTH it is mostly the key exchange (perfect forward secrecy), which only one side has, or another; " +
		"`goswan explain site net PROPOSAL` tells what the peer's would need"})
	tc.inOrder(failures(tc.right)[0].Error(), []string{
		"phase 2 CREATE_CHILD_SA: NO_PROPOSAL_CHOSEN: no proposal in common: a key exchange is required here (CURVE_25519), and none is offered; offered ESP:AES_GCM_16_256/NO_EXT_SEQ; " +
			"acceptable ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ; add `aes256gcm16` to `esp_proposals` of child \"net\" (swanctl.conf:21), though it gives up perfect forward secrecy; " +
			"better let the peer offer `aes256gcm16-x25519`",
	})
}

// group is what INVALID_KE_PAYLOAD carries.
func group(id uint16) []byte { return binary.BigEndian.AppendUint16(nil, id) }

// TestInvalidKERefused has a peer ask for a key exchange that it does not get: whether it could be configured decides what
// to change, and where.
func TestInvalidKERefused(t *testing.T) {
	const where = "`proposals` of connection \"site\" (swanctl.conf:6)"
	for _, c := range []struct {
		name string
		data []byte
		left string
	}{
		{"one that could be configured", group(20), "the peer wants the key exchange ECP_384, which is not offered; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; add `ecp384` to a proposal in " + where},
		{"one that is refused", group(1024), "the peer wants the key exchange MODP_NULL, which is not offered; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; " +
			"MODP_NULL is refused: it is no key exchange at all but a load test's dummy; let the peer accept a key exchange of " + where},
		{"one that nobody knows", group(4711), "the peer wants the key exchange UNKNOWN_4_4711, which is not offered; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; " +
			"UNKNOWN_4_4711 is not implemented in this version; let the peer accept a key exchange of " + where},
		{"the one that it got", group(31), "the peer asks for the key exchange CURVE_25519 and refuses it; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; see the peer's log for what is wrong with it"},
		{"none", []byte{1}, "the peer refuses our key exchange and names no other; offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; compare " + where + " with the peer's"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{Loss: 1})
			op := tc.left.Initiate("site", "net", rightAddr)
			request := sim.Told[core.Message](tc.left)[0]
			msg := &wire.Message{
				Header:   header.Header{Initiator: tc.left.IKESAs()[0].SPIi, Major: 2, Exchange: header.IKESAInit, Flags: header.Response},
				Payloads: []wire.Payload{&wire.Notify{NotifyType: wire.InvalidKEPayload, Data: c.data}},
			}
			tc.left.Inject(core.Datagram{Local: request.Local, Remote: request.Remote, Data: msg.AppendTo(nil)})
			tc.w.Run(2 * time.Second)
			reason := tc.done(tc.left, op)
			tc.want("it fails", reason != nil && reason.ByPeer)
			tc.says("left", reason.Error(), "phase 1 IKE_SA_INIT: INVALID_KE_PAYLOAD: "+c.left)
			tc.end()
		})
	}
}

// TestInvalidKEOfRekeying has the same said of a Child SA and of an IKE SA that are rekeyed.
func TestInvalidKEOfRekeying(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, r *core.Catalog) {
		l.Connections[0].Children[0].Proposals, r.Connections[0].Children[0].Proposals = esp("aes256gcm16-x25519"), esp("aes256gcm16-x25519")
	})
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.CreateChildSA || !msg.IsResponse() {
			return false
		}
		msg.Payloads = []wire.Payload{wire.NewInvalidKE(20)}
		return true
	})
	tc.up()
	reason := tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.want("rekeying the Child SA fails", reason != nil)
	tc.says("left", reason.Error(), "phase 2 CREATE_CHILD_SA: INVALID_KE_PAYLOAD: the peer wants the key exchange ECP_384, which is not offered; "+
		"offered ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ; add `ecp384` to a proposal in `esp_proposals` of child \"net\" (swanctl.conf:21)")
	reason = tc.command(tc.left, func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
	tc.want("rekeying the IKE SA fails", reason != nil)
	tc.says("left", reason.Error(), "phase 1 CREATE_CHILD_SA: INVALID_KE_PAYLOAD: the peer wants the key exchange ECP_384, which is not offered; "+
		"offered IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519; add `ecp384` to a proposal in `proposals` of connection \"site\" (swanctl.conf:6)")
}
