package ikev2_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/header"
	"github.com/goswan/goswan/ike/ikev2/wire"
	"github.com/goswan/goswan/ike/sim"
)

// meddler sits between the two and knows their keys: what it makes of a message is what a malicious or broken peer could
// have sent.
type meddler struct {
	keys map[header.SPI]core.IKEKeys // by the initiator's SPI
	ivs  uint64
	seal func(*wire.Message, suite.Cipher, *meddler) ([]byte, error)
}

// meddle gives every protected message to change; change tells whether it did.
func (tc *test) meddle(change func(*wire.Message) bool) {
	tc.meddleAnd(change, func(msg *wire.Message, c suite.Cipher, m *meddler) ([]byte, error) { return wire.Seal(msg, c, m, nil) })
}

// meddleAnd is meddle with another way to protect what was changed.
func (tc *test) meddleAnd(change func(*wire.Message) bool, seal func(*wire.Message, suite.Cipher, *meddler) ([]byte, error)) {
	m := &meddler{keys: map[header.SPI]core.IKEKeys{}, seal: seal}
	for _, n := range []*sim.Node{tc.left, tc.right} {
		n.Env.KeyLog = true
		n.Watch = func(o core.Output) {
			if k, ok := o.(core.IKEKeys); ok {
				m.keys[k.InitiatorSPI] = k
			}
		}
	}
	tc.w.Faults.Alter = func(d core.Datagram) []byte { return m.alter(d.Data, change) }
}

func (m *meddler) alter(b []byte, change func(*wire.Message) bool) []byte {
	h, err := header.Parse(b)
	k, known := m.keys[h.Initiator]
	if err != nil || !known || h.Exchange == header.IKESAInit {
		return b
	}
	encr, integ := k.ER, k.AR
	if h.FromInitiator() {
		encr, integ = k.EI, k.AI
	}
	c, err := k.Suite.NewCipher(encr, integ)
	if err != nil {
		panic(err)
	}
	msg, err := wire.Open(b, c)
	if err != nil || !change(msg) {
		return b
	}
	sealed, err := m.seal(msg, c, m)
	if err != nil {
		return b
	}
	return sealed
}

// Read gives IVs that the machines do not use.
func (m *meddler) Read(p []byte) (int, error) {
	m.ivs++
	clear(p)
	binary.BigEndian.PutUint64(p[len(p)-8:], 1<<63|m.ivs)
	return len(p), nil
}

// body is a payload's content as octets.
func body(p wire.Payload) []byte {
	m := &wire.Message{Header: header.Header{Major: 2}, Payloads: []wire.Payload{p}}
	return m.AppendTo(nil)[header.Len+4:]
}

// warp changes a message as a broken or malicious peer might: payloads missing, twice, in another order, of other types, or
// with other octets in them.
func warp(r *rand.Rand, msg *wire.Message) bool {
	if r.IntN(3) > 0 {
		return false
	}
	for range 1 + r.IntN(2) {
		n := len(msg.Payloads)
		if n == 0 {
			msg.Payloads = append(msg.Payloads, &wire.Notify{NotifyType: wire.NotifyType(r.IntN(60))})
			continue
		}
		i := r.IntN(n)
		switch r.IntN(9) {
		case 0:
			msg.Payloads = slices.Delete(msg.Payloads, i, i+1)
		case 1:
			msg.Payloads = append(msg.Payloads, msg.Payloads[i])
		case 2:
			j := r.IntN(n)
			msg.Payloads[i], msg.Payloads[j] = msg.Payloads[j], msg.Payloads[i]
		case 3:
			msg.Payloads[i] = &wire.Unknown{T: wire.PayloadType(33 + r.IntN(20)), Critical: r.IntN(2) == 0, Body: body(msg.Payloads[i])}
		case 4:
			msg.Payloads = append(msg.Payloads, &wire.Notify{NotifyType: wire.NotifyType(r.IntN(60))})
		case 5:
			msg.Payloads = append(msg.Payloads, &wire.Delete{Protocol: suite.ESP, SPIs: []uint32{r.Uint32(), r.Uint32()}})
		case 6:
			msg.MessageID += uint32(r.IntN(3)) - 1
		default:
			b := body(msg.Payloads[i])
			for range 1 + r.IntN(3) {
				if len(b) > 0 {
					b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				}
			}
			msg.Payloads[i] = &wire.Unknown{T: msg.Payloads[i].Type(), Body: b}
		}
	}
	return true
}

// TestHostilePeer has the peer send nonsense under the right keys, all along: no panic, no broken contract, every operation
// ends, and nothing is left.
func TestHostilePeer(t *testing.T) {
	seeds(t, 300, func(t *testing.T, seed uint64) {
		tc := seeded(t, seed, sim.Faults{Min: time.Millisecond, Max: 30 * time.Millisecond})
		r := rand.New(rand.NewPCG(seed, 5))
		tc.meddle(func(msg *wire.Message) bool { return warp(r, msg) })
		ops := map[*sim.Node][]uint64{tc.left: {tc.left.Initiate("site", "net", rightAddr)}}
		for range 20 {
			n := []*sim.Node{tc.left, tc.right}[r.IntN(2)]
			if op := tc.anything(r, n); op != 0 {
				ops[n] = append(ops[n], op)
			}
			tc.w.Run(time.Duration(r.IntN(300)) * time.Millisecond)
		}
		tc.w.Run(20 * time.Minute)
		for n, list := range ops {
			for _, op := range list {
				_, done := n.Done[op]
				tc.want(n.Name+": every operation is done", done)
			}
		}
		tc.end()
	})
}

// TestMalformedRequests: what a peer cannot mean is refused, and INVALID_SYNTAX is the end. RFC 7296 §2.21.3, §2.5
func TestMalformedRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Message)
		stays  bool
		want   string // the responder's reason
	}{
		{"two SA payloads", func(m *wire.Message) { m.Payloads = append(m.Payloads, wire.First[*wire.SA](m)) }, false,
			"phase 1 CREATE_CHILD_SA: INVALID_SYNTAX: creation of a Child SA: there is more than one SA payload"},
		{"no traffic selectors", func(m *wire.Message) { m.Payloads = m.Payloads[:3] }, false,
			"phase 1 CREATE_CHILD_SA: INVALID_SYNTAX: creation of a Child SA: the TSr payload is missing"},
		{"a nonce that is too short", func(m *wire.Message) { m.Payloads[1] = &wire.Unknown{T: wire.TypeNonce, Body: make([]byte, 8)} }, false,
			"phase 1 CREATE_CHILD_SA: INVALID_SYNTAX: the peer's request cannot be read: ikev2: No payload has a bad length"},
		{"an unknown critical payload", func(m *wire.Message) { m.Payloads = append(m.Payloads, &wire.Unknown{T: 99, Critical: true}) }, true,
			"phase 1 CREATE_CHILD_SA: UNSUPPORTED_CRITICAL_PAYLOAD"},
		{"an unknown payload that is not critical", func(m *wire.Message) { m.Payloads = append(m.Payloads, &wire.Unknown{T: 99}) }, true, ""},
		{"a reserved SPI", func(m *wire.Message) { wire.First[*wire.SA](m).Proposals[0].SPI = []byte{0, 0, 0, 77} }, true,
			"phase 2 CREATE_CHILD_SA: NO_PROPOSAL_CHOSEN: the peer's SPI 0000004d cannot be used"},
		{"no proposal at all", func(m *wire.Message) { wire.First[*wire.SA](m).Proposals = nil }, true,
			"phase 2 CREATE_CHILD_SA: NO_PROPOSAL_CHOSEN: no proposal in common; offered nothing; acceptable ESP:AES_GCM_16_256/NO_EXT_SEQ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{})
			tc.meddle(func(msg *wire.Message) bool {
				if msg.Exchange != header.CreateChildSA || msg.IsResponse() {
					return false
				}
				c.change(msg)
				return true
			})
			tc.up()
			reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
			tc.want("it fails exactly if it is refused", (reason == nil) == (c.want == ""))
			tc.want("the IKE SA ends exactly by INVALID_SYNTAX", (len(tc.left.IKESAs()) == 1) == c.stays && (len(tc.right.IKESAs()) == 1) == c.stays)
			if got := failures(tc.right); c.want != "" {
				tc.want("the responder says why", len(got) == 1)
				tc.says("right", got[0].Error(), c.want)
			}
			tc.end()
		})
	}
}

// TestResponderBeyondOffer refuses what a responder must not choose, and makes it forget its half.
func TestResponderBeyondOffer(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Message)
		want   string
	}{
		{"selectors beyond the offer", func(m *wire.Message) { wire.First[*wire.TSr](m).Selectors[0].End = rightAddr }, "phase 2 IKE_AUTH: TS_UNACCEPTABLE: the peer chose traffic selectors beyond the offer; offered 10.1.0.0/24 === 10.2.0.0..198.51.100.2; acceptable 10.1.0.0/24 === 10.2.0.0/24"},
		{"another proposal", func(m *wire.Message) { wire.First[*wire.SA](m).Proposals[0].Transforms[0].KeyBits = 128 }, "phase 2 IKE_AUTH: NO_PROPOSAL_CHOSEN: the peer chose what was not offered; offered ESP:AES_GCM_16_128/NO_EXT_SEQ; acceptable ESP:AES_GCM_16_256/NO_EXT_SEQ"},
		{"two proposals", func(m *wire.Message) {
			p := wire.First[*wire.SA](m)
			p.Proposals = append(p.Proposals, p.Proposals[0])
		}, "phase 2 IKE_AUTH: INVALID_SYNTAX: the peer answered with 2 proposals instead of one"},
		{"a reserved SPI", func(m *wire.Message) { wire.First[*wire.SA](m).Proposals[0].SPI = make([]byte, 4) }, "phase 2 IKE_AUTH: INVALID_SYNTAX: the peer's SPI 00000000 cannot be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{})
			tc.meddle(func(msg *wire.Message) bool {
				if msg.Exchange != header.IKEAuth || !msg.IsResponse() {
					return false
				}
				c.change(msg)
				return true
			})
			op := tc.left.Initiate("site", "net", rightAddr)
			tc.w.Run(time.Second)
			tc.says("left", tc.done(tc.left, op).Error(), c.want)
			tc.want("the IKE SA stays", len(tc.left.IKESAs()) == 1)
			tc.want("and the responder has forgotten its half", len(tc.right.Children()) == 0 && len(tc.right.Path.In) == 0)
			tc.end()
		})
	}
}

// TestSinglePair has the responder want one pair of addresses only. RFC 7296 §2.9
func TestSinglePair(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.CreateChildSA || !msg.IsResponse() || msg.MessageID != 2 {
			return false
		}
		msg.Payloads = []wire.Payload{&wire.Notify{NotifyType: wire.SinglePairRequired}}
		return true
	})
	tc.up()
	tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command {
		return core.Initiate{Op: op, Child: tc.config(1), Packet: core.Flow{Local: selector("10.91.0.0/24").TS.WithAddr(selector("10.91.0.3").TS.Start), Remote: selector("10.92.0.4").TS}}
	})
	tc.w.Run(time.Second)
	var asked []string
	for _, m := range sim.Told[core.Message](tc.left) {
		if m.Exchange == "CREATE_CHILD_SA" && m.Outbound {
			asked = append(asked, m.Detail[len(m.Detail)-2]+" "+m.Detail[len(m.Detail)-1])
		}
	}
	tc.want("the second request has the packet's pair alone: "+strings.Join(asked, ", "), len(asked) == 2 && asked[1] == "TSi 10.91.0.3/32 TSr 10.92.0.4/32")
}

// TestTemporaryFailure is refused for minutes: it waits between its tries, and then gives up on the IKE SA. RFC 7296 §2.25
func TestTemporaryFailure(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	refused := 0
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.CreateChildSA || !msg.IsResponse() {
			return false
		}
		refused++
		msg.Payloads = []wire.Payload{&wire.Notify{NotifyType: wire.TemporaryFailure}}
		return true
	})
	tc.up()
	op := tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
	tc.w.Run(2 * time.Minute)
	tc.want("it tries every 5 to 10 s", refused >= 12 && refused <= 24 && len(tc.left.IKESAs()) == 1)
	tc.w.Run(2 * time.Minute)
	tc.says("left", tc.done(tc.left, op).Error(), "phase 1 CREATE_CHILD_SA: TEMPORARY_FAILURE: the peer refused with TEMPORARY_FAILURE for 3m")
	tc.want("the IKE SA is deleted", len(tc.left.IKESAs()) == 0 && len(tc.right.IKESAs()) == 0)
	tc.end()
}

// TestTemporaryFailureBeforeTheEnd is refused, because the peer waits for a response itself, when little time is left: it does not
// wait longer than the SA lives.
func TestTemporaryFailureBeforeTheEnd(t *testing.T) {
	tc := newTest(t, sim.Faults{}, func(l, _ *core.Catalog) {
		l.Connections[0].RekeyTime, l.Connections[0].OverTime = 12*time.Second, 4*time.Second
	})
	tc.right.Env.Settings.RetransmitTimeout = time.Second
	lost, refused := 0, 0
	tc.w.Faults.Drop = func(d core.Datagram) bool {
		h, err := header.Parse(d.Data)
		fromLeft := err == nil && h.Exchange == header.CreateChildSA && h.IsResponse() && d.Local.Addr() == leftAddr
		if fromLeft && lost == 0 {
			lost++
			return true
		}
		return false
	}
	tc.left.Watch = func(o core.Output) {
		if m, ok := o.(core.Message); ok && strings.Contains(m.Payloads, "N(TEMP_FAIL)") {
			refused++
		}
	}
	tc.up()
	tc.w.Run(10900 * time.Millisecond)
	tc.right.Command(tc.right.Lineage("site"), func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
	tc.w.Run(10 * time.Second)
	tc.want("the rekeying of the IKE SA was refused", refused > 0)
	tc.want("it came again in time", len(sim.Told[core.IKERekeyed](tc.left)) == 1 && len(sim.Told[core.IKEDown](tc.left)) == 0)
}

// FuzzDatagram gives any octets to a responder and to both ends of an established IKE SA: they must not panic, and established
// ones must not change. That is why one run of each serves all of them.
func FuzzDatagram(f *testing.F) {
	for _, b := range sentByEstablishing() {
		f.Add(b)
	}
	quiet, _, alone := twoNodes()
	w, left, right := twoNodes()
	left.Initiate("site", "net", rightAddr)
	w.Run(time.Second)
	addr := map[*sim.Node]netip.AddrPort{left: netip.AddrPortFrom(leftAddr, 500), right: netip.AddrPortFrom(rightAddr, 500)}
	f.Fuzz(func(t *testing.T, b []byte) {
		alone.Inject(core.Datagram{Local: addr[right], Remote: addr[left], Data: b})
		quiet.Run(time.Minute)
		if len(alone.Lineages()) != 0 {
			t.Fatal("a stranger's octets leave something behind")
		}
		for node, peer := range map[*sim.Node]*sim.Node{left: right, right: left} {
			l := node.Lineages()[0]
			before := state(l)
			l.Receive(w.Now(), core.Datagram{Local: addr[node], Remote: addr[peer], Data: b})
			if state(l) != before {
				t.Fatal("octets that nobody protected change an IKE SA")
			}
		}
	})
}

// twoNodes are both ends of "site", in a network of their own.
func twoNodes() (w *sim.World, left, right *sim.Node) {
	w = sim.New(1, sim.Faults{Min: time.Millisecond})
	left = w.Node("left", leftAddr, catalog("left.example", "right.example", "10.1.0.0/24", "10.2.0.0/24"))
	right = w.Node("right", rightAddr, catalog("right.example", "left.example", "10.2.0.0/24", "10.1.0.0/24"))
	return w, left, right
}

// sentByEstablishing are the messages of one run.
func sentByEstablishing() (sent [][]byte) {
	w, left, right := twoNodes()
	for _, n := range []*sim.Node{left, right} {
		n.Arrived = func(d core.Datagram) { sent = append(sent, d.Data) }
	}
	left.Initiate("site", "net", rightAddr)
	w.Run(time.Second)
	return sent
}

// TestUnreadableAnswers has a responder answer what cannot be read, or that it could not read us: both end the IKE SA.
func TestUnreadableAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Message)
		want   string
	}{
		{"a malformed response", func(m *wire.Message) {
			m.Payloads = append(m.Payloads, &wire.Unknown{T: wire.TypeSA, Body: []byte{1, 2, 3}})
		}, "phase 1 CREATE_CHILD_SA: INVALID_SYNTAX: the response cannot be read: ikev2: SA payload"},
		{"INVALID_SYNTAX", func(m *wire.Message) { m.Payloads = []wire.Payload{&wire.Notify{NotifyType: wire.InvalidSyntax}} }, "phase 1 CREATE_CHILD_SA: INVALID_SYNTAX: the peer refused with INVALID_SYNTAX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tc := newTest(t, sim.Faults{})
			tc.meddle(func(msg *wire.Message) bool {
				if msg.Exchange != header.CreateChildSA || !msg.IsResponse() {
					return false
				}
				c.change(msg)
				return true
			})
			tc.up()
			reason := tc.command(tc.left, func(op uint64) core.Command { return core.Initiate{Op: op, Child: tc.config(1)} })
			tc.want("the operation fails", reason != nil)
			tc.says("left", reason.Error(), c.want)
			tc.want("and the IKE SA ends", len(tc.left.IKESAs()) == 0 && len(sim.Told[core.IKEDown](tc.left)) == 1)
			tc.end()
		})
	}
}

// TestWantsEAP has an initiator without AUTH, which is how it asks for EAP. RFC 7296 §2.16
func TestWantsEAP(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.IKEAuth || msg.IsResponse() {
			return false
		}
		msg.Payloads = slices.DeleteFunc(msg.Payloads, func(p wire.Payload) bool { return p.Type() == wire.TypeAUTH })
		return true
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Minute)
	tc.want("the initiator learns AUTHENTICATION_FAILED and no more", tc.done(tc.left, op).Kind == core.AuthenticationFailed)
	tc.says("right", failures(tc.right)[0].Error(), `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the peer "left.example" wants to authenticate by EAP, connection "site" requires a pre-shared key`)
	tc.end()
}

// TestWrongResponder has the responder's AUTH altered: the initiator tells it so, in an exchange of its own. RFC 7296 §2.21.2
func TestWrongResponder(t *testing.T) {
	tc := newTest(t, sim.Faults{})
	tc.meddle(func(msg *wire.Message) bool {
		if msg.Exchange != header.IKEAuth || !msg.IsResponse() {
			return false
		}
		wire.First[*wire.AUTH](msg).Data[0] ^= 1
		return true
	})
	op := tc.left.Initiate("site", "net", rightAddr)
	tc.w.Run(time.Second)
	tc.says("left", tc.done(tc.left, op).Error(), `phase 1 IKE_AUTH: AUTHENTICATION_FAILED: the AUTH of "right.example" for "left.example" (myself) does not fit pre-shared key "ike-site" (swanctl.conf:40)`)
	tc.want("the responder is told", last(tc.left, 2) == "▶ INFORMATIONAL request 2 [ N(AUTH_FAILED) ]\n◀ INFORMATIONAL response 2 [ ]")
	tc.want("and nothing is left of it", len(tc.right.IKESAs()) == 0 && len(tc.right.Path.In) == 0 && len(tc.left.IKESAs()) == 0)
	tc.end()
}
