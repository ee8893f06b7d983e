package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// CFGType is what a Configuration payload does with its attributes (RFC 7296 §3.15).
type CFGType uint8

// The CFG types.
const (
	CFGRequest CFGType = 1
	CFGReply   CFGType = 2
	CFGSet     CFGType = 3
	CFGAck     CFGType = 4
)

var cfgNames = map[CFGType][2]string{
	CFGRequest: {"CFG_REQUEST", "RQ"}, CFGReply: {"CFG_REPLY", "RP"}, CFGSet: {"CFG_SET", "S"}, CFGAck: {"CFG_ACK", "A"},
}

// String is the RFC's name, "CFG_REQUEST".
func (t CFGType) String() string {
	if names, ok := cfgNames[t]; ok {
		return names[0]
	}
	return fmt.Sprintf("CFG_(%d)", uint8(t))
}

// CPType is the type of a configuration attribute (RFC 7296 §3.15.1 and IANA), 15 bits.
type CPType uint16

// The configuration attributes. Without an RFC: RFC 7296 §3.15.1.
const (
	InternalIP4Address       CPType = 1
	InternalIP4Netmask       CPType = 2
	InternalIP4DNS           CPType = 3
	InternalIP4NBNS          CPType = 4
	InternalAddressExpiry    CPType = 5 // RFC 4306
	InternalIP4DHCP          CPType = 6
	ApplicationVersion       CPType = 7
	InternalIP6Address       CPType = 8
	InternalIP6DNS           CPType = 10
	InternalIP6NBNS          CPType = 11 // RFC 4306
	InternalIP6DHCP          CPType = 12
	InternalIP4Subnet        CPType = 13
	SupportedAttributes      CPType = 14
	InternalIP6Subnet        CPType = 15
	MIP6HomePrefix           CPType = 16    // RFC 5026
	InternalIP6Link          CPType = 17    // RFC 5739
	InternalIP6Prefix        CPType = 18    // RFC 5739
	HomeAgentAddress         CPType = 19    // 3GPP TS 24.302
	PCSCFIP4Address          CPType = 20    // RFC 7651
	PCSCFIP6Address          CPType = 21    // RFC 7651
	FTTKAT                   CPType = 22    // 3GPP TS 24.302
	ExternalSourceIP4NATInfo CPType = 23    // 3GPP TS 29.139
	TimeoutPeriodForLiveness CPType = 24    // 3GPP TS 24.302
	InternalDNSDomain        CPType = 25    // RFC 8598
	InternalDNSSECTA         CPType = 26    // RFC 8598
	ENCDNSIP4                CPType = 27    // RFC 9464
	ENCDNSIP6                CPType = 28    // RFC 9464
	ENCDNSDigestInfo         CPType = 29    // RFC 9464
	InternalIP4Server        CPType = 23456 // Microsoft
	InternalIP6Server        CPType = 23457 // Microsoft
	UnityBanner              CPType = 28672 // Cisco Unity, which some clients ask for in IKEv2 too
	UnitySavePasswd          CPType = 28673
	UnityDefDomain           CPType = 28674
	UnitySplitDNSName        CPType = 28675
	UnitySplitInclude        CPType = 28676
	UnityNATTPort            CPType = 28677
	UnityLocalLAN            CPType = 28678
	UnityPFS                 CPType = 28679
	UnityFWType              CPType = 28680
	UnityBackupServers       CPType = 28681
	UnityDDNSHostname        CPType = 28682
)

// cpNames has IANA's name and the short one in charon's log; where charon has none, ours in its manner.
var cpNames = map[CPType][2]string{
	InternalIP4Address:       {"INTERNAL_IP4_ADDRESS", "ADDR"},
	InternalIP4Netmask:       {"INTERNAL_IP4_NETMASK", "MASK"},
	InternalIP4DNS:           {"INTERNAL_IP4_DNS", "DNS"},
	InternalIP4NBNS:          {"INTERNAL_IP4_NBNS", "NBNS"},
	InternalAddressExpiry:    {"INTERNAL_ADDRESS_EXPIRY", "EXP"},
	InternalIP4DHCP:          {"INTERNAL_IP4_DHCP", "DHCP"},
	ApplicationVersion:       {"APPLICATION_VERSION", "VER"},
	InternalIP6Address:       {"INTERNAL_IP6_ADDRESS", "ADDR6"},
	InternalIP6DNS:           {"INTERNAL_IP6_DNS", "DNS6"},
	InternalIP6NBNS:          {"INTERNAL_IP6_NBNS", "NBNS6"},
	InternalIP6DHCP:          {"INTERNAL_IP6_DHCP", "DHCP6"},
	InternalIP4Subnet:        {"INTERNAL_IP4_SUBNET", "SUBNET"},
	SupportedAttributes:      {"SUPPORTED_ATTRIBUTES", "SUP"},
	InternalIP6Subnet:        {"INTERNAL_IP6_SUBNET", "SUBNET6"},
	MIP6HomePrefix:           {"MIP6_HOME_PREFIX", "MIP6HPFX"},
	InternalIP6Link:          {"INTERNAL_IP6_LINK", "LINK6"},
	InternalIP6Prefix:        {"INTERNAL_IP6_PREFIX", "PFX6"},
	HomeAgentAddress:         {"HOME_AGENT_ADDRESS", "HOA"},
	PCSCFIP4Address:          {"P_CSCF_IP4_ADDRESS", "PCSCF4"},
	PCSCFIP6Address:          {"P_CSCF_IP6_ADDRESS", "PCSCF6"},
	FTTKAT:                   {"FTT_KAT", "FTTKAT"},
	ExternalSourceIP4NATInfo: {"EXTERNAL_SOURCE_IP4_NAT_INFO", "EXTSRC4"},
	TimeoutPeriodForLiveness: {"TIMEOUT_PERIOD_FOR_LIVENESS_CHECK", "DPD"},
	InternalDNSDomain:        {"INTERNAL_DNS_DOMAIN", "DOMAIN"},
	InternalDNSSECTA:         {"INTERNAL_DNSSEC_TA", "TA"},
	ENCDNSIP4:                {"ENCDNS_IP4", "ENCDNS"},
	ENCDNSIP6:                {"ENCDNS_IP6", "ENCDNS6"},
	ENCDNSDigestInfo:         {"ENCDNS_DIGEST_INFO", "ENCDNS_DIGEST"},
	InternalIP4Server:        {"INTERNAL_IP4_SERVER", "SRV"},
	InternalIP6Server:        {"INTERNAL_IP6_SERVER", "SRV6"},
	UnityBanner:              {"UNITY_BANNER", "U_BANNER"},
	UnitySavePasswd:          {"UNITY_SAVE_PASSWD", "U_SAVEPWD"},
	UnityDefDomain:           {"UNITY_DEF_DOMAIN", "U_DEFDOM"},
	UnitySplitDNSName:        {"UNITY_SPLITDNS_NAME", "U_SPLITDNS"},
	UnitySplitInclude:        {"UNITY_SPLIT_INCLUDE", "U_SPLITINC"},
	UnityNATTPort:            {"UNITY_NATT_PORT", "U_NATTPORT"},
	UnityLocalLAN:            {"UNITY_LOCAL_LAN", "U_LOCALLAN"},
	UnityPFS:                 {"UNITY_PFS", "U_PFS"},
	UnityFWType:              {"UNITY_FW_TYPE", "U_FWTYPE"},
	UnityBackupServers:       {"UNITY_BACKUP_SERVERS", "U_BKPSRV"},
	UnityDDNSHostname:        {"UNITY_DDNS_HOSTNAME", "U_DDNSHOST"},
}

// String is IANA's name, "INTERNAL_IP4_ADDRESS", or the number in parentheses.
func (t CPType) String() string {
	if names, ok := cpNames[t]; ok {
		return names[0]
	}
	return fmt.Sprintf("(%d)", uint16(t))
}

// Short is the name in charon's log, "ADDR", or the number in parentheses.
func (t CPType) Short() string {
	if names, ok := cpNames[t]; ok {
		return names[1]
	}
	return fmt.Sprintf("(%d)", uint16(t))
}

// CP is the Configuration payload (RFC 7296 §3.15).
type CP struct {
	CFGType    CFGType
	Attributes []CPAttribute
}

// CPAttribute is one configuration attribute. In a request, an empty value asks for any.
type CPAttribute struct {
	Type  CPType
	Value []byte
}

// Type is TypeCP.
func (*CP) Type() PayloadType { return TypeCP }

// String is "CPRQ(ADDR DNS)", as charon logs it.
func (p *CP) String() string {
	if len(p.Attributes) == 0 {
		return TypeCP.String()
	}
	names := make([]string, len(p.Attributes))
	for i, a := range p.Attributes {
		names[i] = a.Type.Short()
	}
	return "CP" + cfgNames[p.CFGType][1] + "(" + listed(names, " ") + ")"
}

// Detail is a line for each attribute: "CP CFG_REPLY INTERNAL_IP4_ADDRESS 10.3.0.1".
func (p *CP) Detail() []string {
	name := "CP " + p.CFGType.String()
	if len(p.Attributes) == 0 {
		return []string{name}
	}
	var lines []string
	for i, a := range p.Attributes {
		if i == maxListed {
			return append(lines, fmt.Sprintf("%s %d more attributes", name, len(p.Attributes)-i))
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %s %s", name, a.Type, a.text()), " "))
	}
	return lines
}

// text is the value for the eye; "" when empty.
func (a CPAttribute) text() string {
	n := len(a.Value)
	if n == 0 {
		return ""
	}
	switch a.Type {
	case InternalIP4Address, InternalIP4DNS, InternalIP4NBNS, InternalIP4DHCP, InternalIP4Netmask, InternalIP4Server, PCSCFIP4Address,
		InternalIP6DNS, InternalIP6NBNS, InternalIP6DHCP, InternalIP6Server, PCSCFIP6Address:
		if addr, ok := netip.AddrFromSlice(a.Value); ok {
			return addr.String()
		}
	case InternalIP6Address, InternalIP6Subnet, InternalIP4Subnet:
		if prefix, ok := a.Prefix(); ok {
			return prefix.String()
		}
	case ApplicationVersion, InternalDNSDomain, UnityBanner, UnityDefDomain, UnitySplitDNSName:
		return fmt.Sprintf("%q", clip(string(a.Value)))
	}
	return fmt.Sprintf("%d octets", n)
}

// Prefix is the value of INTERNAL_IP6_ADDRESS and INTERNAL_IP6_SUBNET (address and prefix length) and of
// INTERNAL_IP4_SUBNET (address and netmask), RFC 7296 §3.15.1. The address keeps its host bits.
func (a CPAttribute) Prefix() (netip.Prefix, bool) {
	switch {
	case len(a.Value) == 17 && (a.Type == InternalIP6Address || a.Type == InternalIP6Subnet) && a.Value[16] <= 128:
		return netip.PrefixFrom(netip.AddrFrom16([16]byte(a.Value[:16])), int(a.Value[16])), true
	case len(a.Value) == 8 && a.Type == InternalIP4Subnet:
		mask := binary.BigEndian.Uint32(a.Value[4:])
		bits := 0
		for ; mask&0x80000000 != 0; mask <<= 1 {
			bits++
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(a.Value[:4])), bits), mask == 0
	}
	return netip.Prefix{}, false
}

func (p *CP) check() error {
	if len(p.Attributes) > MaxCPAttributes {
		return fmt.Errorf("%d attributes", len(p.Attributes))
	}
	for _, a := range p.Attributes {
		if len(a.Value) > MaxMessage {
			return fmt.Errorf("%s of %d octets", a.Type, len(a.Value))
		}
	}
	return nil
}

func (p *CP) appendBody(b []byte) []byte {
	b = append(b, uint8(p.CFGType), 0, 0, 0)
	for _, a := range p.Attributes {
		b = binary.BigEndian.AppendUint16(b, uint16(a.Type)&0x7fff)
		b = binary.BigEndian.AppendUint16(b, uint16(len(a.Value)))
		b = append(b, a.Value...)
	}
	return b
}

func (p *CP) decode(d *decoder) {
	p.CFGType = CFGType(d.uint8())
	d.skip(3)
	for d.remaining() > 0 {
		if len(p.Attributes) == MaxCPAttributes {
			d.fail(TooMany, "more than %d attributes", MaxCPAttributes)
			return
		}
		// "Reserved (1 bit) - This bit MUST be set to zero and MUST be ignored on receipt."  RFC 7296 §3.15.1
		t := CPType(d.uint16() & 0x7fff)
		p.Attributes = append(p.Attributes, CPAttribute{Type: t, Value: d.take(int(d.uint16()))})
	}
}
