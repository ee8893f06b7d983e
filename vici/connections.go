package vici

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
)

func getConns(c *call) *Message {
	var names []string
	for _, conn := range c.daemon.Connections() {
		names = append(names, conn.Name)
	}
	return (&Message{}).AddList("conns", names...)
}

func listConns(c *call) *Message {
	ike := c.request.Get("ike")
	for _, conn := range c.daemon.Connections() {
		if ike != "" && ike != conn.Name {
			continue
		}
		m := &Message{}
		addConnection(m.AddSection(conn.Name), conn)
		if !c.stream("list-conn", m) {
			break
		}
	}
	return &Message{}
}

// versionNames and uniqueNames are strongSwan's, of ike_version_names and unique_policy_names.
var (
	versionNames = map[int]string{0: "IKEv1/2", 1: "IKEv1", 2: "IKEv2"}
	uniqueNames  = map[core.Unique]string{
		core.UniqueNever: "UNIQUE_NEVER", core.UniqueNo: "UNIQUE_NO", core.UniqueReplace: "UNIQUE_REPLACE", core.UniqueKeep: "UNIQUE_KEEP",
	}
)

// addConnection adds the fields of a connection. Order: vici_query.c, list_conns.
func addConnection(m *Message, conn *core.Connection) {
	m.AddList("local_addrs", addrs(conn.LocalAddrs)...)
	m.AddList("remote_addrs", addrs(conn.RemoteAddrs)...)
	m.Addf("local_port", "%d", conn.LocalPort)
	m.Addf("remote_port", "%d", conn.RemotePort)
	m.Add("version", versionNames[conn.Version])
	m.Addf("reauth_time", "%d", seconds(conn.ReauthTime))
	m.Addf("rekey_time", "%d", seconds(conn.RekeyTime))
	m.Add("unique", uniqueNames[conn.Unique])
	addSeconds(m, "dpd_delay", conn.DPDDelay)
	addSeconds(m, "dpd_timeout", conn.DPDTimeout)
	addRounds(m, "local", conn.Local)
	addRounds(m, "remote", conn.Remote)
	children := m.AddSection("children")
	for _, child := range conn.Children {
		addChildConfig(children.AddSection(child.Name), child)
	}
}

// addrs are configured addresses; none is %any.
func addrs(all []string) []string {
	if len(all) == 0 {
		return []string{"%any"}
	}
	return all
}

// addSeconds adds what is only sent when it is set.
func addSeconds(m *Message, key string, d time.Duration) {
	if d != 0 {
		m.Addf(key, "%d", seconds(d))
	}
}

// classNames are strongSwan's, of auth_class_names.
var classNames = map[core.AuthMethod]string{
	core.AuthPSK: "pre-shared key", core.AuthPubkey: "public key", core.AuthEAP: "EAP", core.AuthAny: "any",
}

// eapNames are strongSwan's, of eap_type_names; without one it is any method. revocationNames are of cert_validation_names:
// the least that is good enough.
var (
	eapNames = map[eap.Type]string{
		eap.TypeMD5: "EAP_MD5", eap.TypeGTC: "EAP_GTC", eap.TypeTLS: "EAP_TLS", eap.TypeTTLS: "EAP_TTLS", eap.TypePEAP: "EAP_PEAP",
		eap.TypeMSCHAPv2: "EAP_MSCHAPV2",
	}
	revocationNames = map[auth.Revocation]string{auth.RevocationStrict: "GOOD", auth.RevocationIfURI: "SKIPPED"}
)

// addRounds adds the authentication rounds of one side. Order: vici_query.c, build_auth_cfgs; identities stand before class
// because charon puts each rule that there is once in front of those it has.
func addRounds(m *Message, side string, rounds []core.Auth) {
	for i, round := range rounds {
		section := m.AddSection(fmt.Sprintf("%s-%d", side, i+1))
		addEAPIdentities(section, round)
		if !round.ID.IsAny() {
			section.Add("id", round.ID.String())
		}
		if name := eapName(round); name != "" {
			section.Add("eap-type", name)
		}
		if class, ok := classNames[round.Method]; ok {
			section.Add("class", class)
		}
		if name, ok := revocationNames[round.Revocation]; ok {
			section.Add("revocation", name)
		}
		section.AddList("groups", round.Groups...)
		section.AddList("cert_policy", policies(round.Policies)...)
		section.AddList("certs", subjects(round.Certs)...)
		section.AddList("cacerts", subjects(round.CACerts)...)
	}
}

func addEAPIdentities(section *Message, round core.Auth) {
	if !round.EAP.ServerID.IsAny() {
		section.Add("aaa_id", round.EAP.ServerID.String())
	}
	if round.EAP.IDSet {
		section.Add("eap_id", round.EAP.ID.String())
	}
}

// eapName is the method of a round by EAP, "" for others and for any.
func eapName(round core.Auth) string {
	switch {
	case round.Method != core.AuthEAP:
		return ""
	case round.EAP.RADIUS:
		return "EAP_RADIUS"
	}
	return eapNames[round.EAP.Method]
}

func policies(all []x509.OID) (texts []string) {
	for _, oid := range all {
		texts = append(texts, oid.String())
	}
	return texts
}

func subjects(all []*auth.Certificate) (names []string) {
	for _, c := range all {
		names = append(names, c.Name())
	}
	return names
}

// addChildConfig adds the fields of a configured child. Order: vici_query.c, list_conns.
func addChildConfig(m *Message, child *core.Child) {
	m.Add("mode", child.Mode.String())
	m.Addf("rekey_time", "%d", seconds(child.RekeyTime))
	m.Addf("rekey_bytes", "%d", child.RekeyBytes)
	m.Addf("rekey_packets", "%d", child.RekeyPackets)
	m.Add("dpd_action", actionName(child.DPDAction))
	m.Add("close_action", actionName(child.CloseAction))
	m.AddList("local-ts", configured(child.LocalTS)...)
	m.AddList("remote-ts", configured(child.RemoteTS)...)
	if child.Interface != "" {
		m.Add("interface", child.Interface)
	}
	if child.Priority != 0 {
		m.Addf("priority", "%d", child.Priority)
	}
}

// actionName is strongSwan's, of action_names.
func actionName(a core.Action) string {
	var names []string
	if a&core.ActionTrap != 0 {
		names = append(names, "trap")
	}
	if a&core.ActionStart != 0 {
		names = append(names, "start")
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " | ")
}

func listPolicies(c *call) *Message {
	ike, child := c.request.Get("ike"), c.request.Get("child")
	for _, p := range c.daemon.Policies() {
		kind := map[core.Mode]string{core.ModePass: "pass", core.ModeDrop: "drop"}[p.Mode]
		if kind == "" {
			kind = "trap"
		}
		// As in strongSwan what counts is that the key is there.
		if _, wanted := c.request.Lookup(kind); !wanted || ike != "" && ike != p.Conn || child != "" && child != p.Child {
			continue
		}
		m := &Message{}
		addPolicy(m.AddSection(p.Conn+"/"+p.Child), p, kind == "trap")
		if !c.stream("list-policy", m) {
			break
		}
	}
	return &Message{}
}

// addPolicy adds the fields of a policy. Order: vici_query.c, raise_policy and raise_policy_cfg.
func addPolicy(m *Message, p Policy, trap bool) {
	m.Add("child", p.Child)
	if trap {
		m.Addf("reqid", "%d", p.Reqid)
	}
	m.Add("ike", p.Conn)
	m.Add("mode", p.Mode.String())
	m.AddList("local-ts", configured(p.LocalTS)...)
	m.AddList("remote-ts", configured(p.RemoteTS)...)
}

func loadConn(c *call) *Message {
	return c.loadSections(c.daemon.LoadConnection)
}

// loadSections gives each section of the request to load, as a configuration file has it.
func (c *call) loadSections(load func(*settings.Section) error) *Message {
	for _, e := range c.request.Elements() {
		if e.Kind != Section {
			return failure("%s: %q is not a section", c.name, e.Name)
		}
		s := settings.New(e.Name, settings.Position{})
		if err := fillSettings(s, e.Sub); err != nil {
			return failure("%s: %v", e.Name, err)
		}
		if err := load(s); err != nil {
			return failure("%v", err)
		}
	}
	return success()
}

// fillSettings puts a message's elements into a section of settings.
func fillSettings(s *settings.Section, m *Message) error {
	for _, e := range m.Elements() {
		if e.Kind == Section {
			if s.Section(e.Name) != nil {
				return fmt.Errorf("section %q is there twice", e.Name)
			}
			if err := fillSettings(s.Ensure(e.Name, settings.Position{}), e.Sub); err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			continue
		}
		if _, twice := s.Value(e.Name); twice {
			// "Key names must be unique in the current section"
			return fmt.Errorf("%q is there twice", e.Name)
		}
		if e.Kind == KeyValue {
			s.Set(e.Name, string(e.Value), settings.Position{})
		} else {
			s.SetList(e.Name, (&Message{elements: []Element{e}}).List(e.Name), settings.Position{})
		}
	}
	return nil
}

func unloadConn(c *call) *Message {
	name := c.request.Get("name")
	if name == "" {
		return failure("unload: missing connection name")
	}
	for _, conn := range c.daemon.Connections() {
		if conn.Name == name {
			return outcome(c.daemon.UnloadConnection(name))
		}
	}
	return failure("unload: connection '%s' not found", name)
}
