package vici

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
)

// unnamed is the IKE SA of a responder that does not know its connection yet.
const unnamed = "(unnamed)"

func nameOf(sa core.IKEStatus) string {
	if sa.Conn == "" {
		return unnamed
	}
	return sa.Conn
}

// addIKE adds the fields of an IKE SA, without its Child SAs. Order: vici_query.c, list_ike.
func addIKE(m *Message, sa core.IKEStatus, now time.Time) {
	m.Addf("uniqueid", "%d", sa.UniqueID)
	m.Addf("version", "%d", sa.Version)
	m.Add("state", string(sa.State))
	addEnd(m, "local", sa.Local, sa.LocalID.String())
	addEnd(m, "remote", sa.Remote, sa.RemoteID.String())
	if name := eapIdentity(sa); name != sa.RemoteID.String() && name != "" {
		m.Add("remote-eap-id", name)
	}
	addYes(m, "initiator", sa.Initiator)
	m.Addf("initiator-spi", "%x", sa.SPIi[:])
	m.Addf("responder-spi", "%x", sa.SPIr[:])
	addYes(m, "nat-local", sa.NATLocal)
	addYes(m, "nat-remote", sa.NATRemote)
	addYes(m, "nat-fake", sa.NATFake)
	addYes(m, "nat-any", sa.NATLocal || sa.NATRemote || sa.NATFake)
	addSuite(m, sa.Suite)
	if sa.State == core.IKEEstablished {
		m.Addf("established", "%d", seconds(now.Sub(sa.Established)))
		addUntil(m, "rekey-time", sa.RekeyAt, now)
		addUntil(m, "reauth-time", sa.ReauthAt, now)
	}
	addVIPs(m, "local-vips", sa.Assigned.Addresses)
	addVIPs(m, "remote-vips", sa.RemoteVIPs)
	if len(sa.Tasks) > 0 {
		// One request is under way at a time, so the first task is active and the others wait for it. RFC 7296 §2.3
		if len(sa.Tasks) > 1 {
			m.AddList("tasks-queued", sa.Tasks[1:]...)
		}
		m.AddList("tasks-active", sa.Tasks[0])
	}
}

func addEnd(m *Message, side string, at netip.AddrPort, id string) {
	host := "%any"
	if at.Addr().IsValid() && !at.Addr().IsUnspecified() {
		host = at.Addr().Unmap().String()
	}
	m.Add(side+"-host", host)
	m.Addf(side+"-port", "%d", at.Port())
	m.Add(side+"-id", id)
}

// eapIdentity is whom EAP proved the peer to be, in printable characters: the peer, or an authentication server, has chosen it.
func eapIdentity(sa core.IKEStatus) string {
	return auth.Identity{Type: auth.IDFQDN, Data: sa.RemoteEAPID}.String()
}

// addYes adds what is only sent when it is so.
func addYes(m *Message, key string, yes bool) {
	if yes {
		m.Add(key, "yes")
	}
}

// addVIPs adds virtual addresses, if there are any.
func addVIPs(m *Message, key string, all []netip.Addr) {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	if texts != nil {
		m.AddList(key, texts...)
	}
}

func addUntil(m *Message, key string, at, now time.Time) {
	if !at.IsZero() {
		m.Addf(key, "%d", seconds(at.Sub(now)))
	}
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// suiteKeys are the keys of the transform types, in order.
var suiteKeys = []struct {
	kind      suite.TransformType
	name, key string
}{
	{suite.ENCR, "encr-alg", "encr-keysize"},
	{suite.INTEG, "integ-alg", "integ-keysize"},
	{suite.PRF, "prf-alg", ""},
	{suite.KE, "dh-group", ""},
}

// addSuite adds the transforms of a chosen proposal. Order: vici_query.c, list_ike and list_child_ipsec.
func addSuite(m *Message, p suite.Proposal) {
	for _, row := range suiteKeys {
		t, ok := transformOf(p, row.kind)
		if !ok {
			continue
		}
		bits := t.KeyBits
		t.KeyBits = 0
		m.Add(row.name, t.String())
		if row.key != "" && bits != 0 {
			m.Addf(row.key, "%d", bits)
		}
	}
	for kind := suite.ADDKE1; kind <= suite.ADDKE7; kind++ {
		if t, ok := transformOf(p, kind); ok {
			m.Add(fmt.Sprintf("ake%d", kind-suite.ADDKE1+1), suite.Transform{Type: suite.KE, ID: t.ID}.String())
		}
	}
	// Value 1 of transform type 5 is Extended Sequence Numbers. RFC 7296 §3.3.2
	if t, ok := transformOf(p, suite.ESN); ok && t.ID == 1 {
		m.Add("esn", "1")
	}
}

// transformOf is the proposal's transform of that type; ID 0 of a key exchange or an integrity algorithm is NONE.
func transformOf(p suite.Proposal, kind suite.TransformType) (suite.Transform, bool) {
	for _, t := range p.Transforms {
		if t.Type == kind {
			return t, t.ID != 0
		}
	}
	return suite.Transform{}, false
}

// addChild adds the section of a Child SA.
func addChild(m *Message, sa core.IKEStatus, child core.ChildStatus, now time.Time) {
	fillChild(m.AddSection(fmt.Sprintf("%s-%d", child.Name, child.UniqueID)), sa, child, now)
}

// fillChild adds the fields of a Child SA. Order: vici_query.c, list_child, list_child_ipsec and list_child_stats.
func fillChild(m *Message, sa core.IKEStatus, child core.ChildStatus, now time.Time) {
	m.Add("name", child.Name)
	m.Addf("uniqueid", "%d", child.UniqueID)
	m.Addf("reqid", "%d", child.Reqid)
	m.Add("state", string(child.State))
	m.Add("mode", child.Mode.String())
	if child.State != core.ChildCreated && child.State != core.ChildInstalling {
		m.Add("protocol", child.Suite.Protocol.String())
		// ESP travels in UDP, whether or not there is a NAT.
		m.Add("encap", "yes")
		m.Addf("spi-in", "%08x", uint32(child.SPIIn))
		m.Addf("spi-out", "%08x", uint32(child.SPIOut))
		addSuite(m, child.Suite)
		addUse(m, child, now)
	}
	m.AddList("local-ts", selectors(child.LocalTS)...)
	m.AddList("remote-ts", selectors(child.RemoteTS)...)
}

func addUse(m *Message, child core.ChildStatus, now time.Time) {
	m.Addf("bytes-in", "%d", child.In.Bytes)
	m.Addf("packets-in", "%d", child.In.Packets)
	addSince(m, "use-in", child.In.LastUse, now)
	m.Addf("bytes-out", "%d", child.Out.Bytes)
	m.Addf("packets-out", "%d", child.Out.Packets)
	addSince(m, "use-out", child.Out.LastUse, now)
	addUntil(m, "rekey-time", child.RekeyAt, now)
	addUntil(m, "life-time", child.ExpireAt, now)
	m.Addf("install-time", "%d", seconds(now.Sub(child.Installed)))
}

func addSince(m *Message, key string, at, now time.Time) {
	if !at.IsZero() {
		m.Addf(key, "%d", max(0, seconds(now.Sub(at))))
	}
}

// maxListSA is when the Child SAs of one IKE SA are sent in several list-sa events.
const maxListSA = MaxPacket / 2

// listSAs streams the IKE SAs that the request asks for.
func listSAs(c *call) *Message {
	ike, child := c.request.Get("ike"), c.request.Get("child")
	ikeID, childID := c.number("ike-id", 0), c.number("child-id", 0)
	now := c.now()
	for _, sa := range c.daemon.IKESAs() {
		if ike != "" && ike != sa.Conn || ikeID != 0 && ikeID != int64(sa.UniqueID) {
			continue
		}
		children := sa.Children[:0:0]
		for _, status := range sa.Children {
			if (child == "" || child == status.Name) && (childID == 0 || childID == int64(status.UniqueID)) {
				children = append(children, status)
			}
		}
		if !c.streamSA(sa, children, now) {
			break
		}
	}
	return &Message{}
}

// streamSA sends one IKE SA, in several events if its Child SAs do not fit into one.
func (c *call) streamSA(sa core.IKEStatus, children []core.ChildStatus, now time.Time) bool {
	for {
		m := &Message{}
		body := m.AddSection(nameOf(sa))
		addIKE(body, sa, now)
		section := body.AddSection("child-sas")
		size := 0
		for len(children) > 0 && size < maxListSA {
			addChild(section, sa, children[0], now)
			size += len(section.elements[len(section.elements)-1].Sub.String())
			children = children[1:]
		}
		if !c.stream("list-sa", m) {
			return false
		}
		if len(children) == 0 {
			return true
		}
	}
}
