package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
)

// DefaultStrongswanConf is strongswan.conf where STRONGSWAN_CONF does not name another.
const DefaultStrongswanConf = "/etc/strongswan.conf"

// DefaultSocket is where charon has its vici socket on Debian, so that swanctl finds ours without an option.
const DefaultSocket = "unix:///run/charon.vici"

// Charon is what strongswan.conf says that has a meaning in goswan. DefaultCharon has the defaults.
type Charon struct {
	core.Settings

	Port, PortNATT uint16 // port, port_nat_t: 500 and 4500; 0 lets the system choose

	// CookieThreshold, CookieThresholdIP and BlockThreshold count half-open IKE SAs; math.MaxInt is none, as for
	// 0 in the file, or with dos_protection = no.
	CookieThreshold, CookieThresholdIP, BlockThreshold int
	// HalfOpenLimit (init_limit_half_open) and IKESALimit (ikesa_limit) refuse more than so many; 0 is no limit given.
	HalfOpenLimit, IKESALimit int
	InitiatorOnly             bool // ignore IKE_SA_INIT requests (initiator_only)

	ReuseIKESA   bool // a Child SA is put into an IKE SA that is there (reuse_ikesa)
	ReplayWindow int  // of children that do not set their own (replay_window)

	InstallRoutes bool // install_routes
	// InstallVirtualIP puts the addresses that a peer assigns on the host (install_virtual_ip), on the link VirtualIPLink
	// (install_virtual_ip_on) or, when it is "", on the TUN device.
	InstallVirtualIP bool
	VirtualIPLink    string
	// ResolvConf is where name servers are written when there is no systemd-resolved (plugins.resolve.file).
	ResolvConf       string
	RoutingTable     int // routing_table: 220
	RoutingTablePrio int // routing_table_prio: 220

	Logs []LogFile
	// VICI is the URI of the control socket: unix:///path or tcp://host:port (plugins.vici.socket).
	VICI string
	// Socket is the URI that swanctl, and so our own command line, speaks to (swanctl.socket); VICI if not set.
	Socket string
	// TUN is the name of the TUN device (goswan.tun); "" is the default.
	TUN string
	// RADIUS is plugins.eap-radius.
	RADIUS RADIUS

	denialProtection bool
	tlsPlugins       [tlsPluginCount]tlsPlugin
	minTLSAt         settings.Position // where version_min stands
}

// LogFile is a section of filelog.
type LogFile struct {
	Name, Path string // Path may be stdout or stderr
	// Default and Levels, by subsystem ("ike", "cfg", …), are from -1, silent, to 4.
	Default int
	Levels  map[string]int

	Append bool

	TimeFormat    string // of strftime(3); "" is no time
	TimePrecision string // "", "ms" or "us"
	Source        core.Position
}

// DefaultCharon has the defaults of strongSwan 6, but for the replay window.
func DefaultCharon() *Charon {
	return &Charon{
		Settings: core.DefaultSettings(),
		Port:     500, PortNATT: 4500,
		CookieThreshold: 30, CookieThresholdIP: 3, BlockThreshold: 5,
		ReuseIKESA: true, ReplayWindow: DefaultReplayWindow,
		InstallVirtualIP: true, ResolvConf: "/etc/resolv.conf",
		InstallRoutes: true, RoutingTable: 220, RoutingTablePrio: 220,
		VICI: DefaultSocket, RADIUS: defaultRADIUS(), denialProtection: true,
	}
}

// programs are the sections that are read, each over those before it. charon-systemd's over charon's is what Debian's
// charon-systemd does; goswan's own are read by nobody else.
var programs = []string{"charon", "charon-systemd", "goswan"}

// LoadStrongswan reads strongswan.conf: path, or the file that STRONGSWAN_CONF names, or DefaultStrongswanConf, which
// need not be there. The settings that have no meaning in goswan are named in one warning.
func LoadStrongswan(path string) (*Charon, []Warning, error) {
	named := true
	if path == "" {
		path = os.Getenv("STRONGSWAN_CONF")
	}
	if path == "" {
		path, named = DefaultStrongswanConf, false
	}
	doc, err := settings.ParseFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		c := DefaultCharon()
		return c.finish(), nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return readStrongswan(doc)
}

func readStrongswan(doc *settings.Document) (*Charon, []Warning, error) {
	r := &charonReader{
		decoder: decoder{warnings: doc.Warnings, belongs: belongs},
		charon:  DefaultCharon(),
		radius:  radiusReader{RADIUS: defaultRADIUS(), alone: radiusServer{RADIUSServer: RADIUSServer{AcctPort: radiusAcctPort}}},
	}
	if s := doc.Root.Section("libtls"); s != nil {
		r.section(tlsSettings, s, at{"libtls", s.At})
	}
	for _, name := range programs {
		if s := doc.Root.Section(name); s != nil {
			r.section(charonSettings, s, at{name, s.At})
		}
	}
	r.checkTLS()
	r.charon.RADIUS = r.radius.finish(&r.decoder)
	if s := doc.Root.Section("swanctl"); s != nil {
		if v, ok := s.Value("socket"); ok {
			r.report(at{"swanctl.socket", v.At}, socket(func(c *Charon) *string { return &c.Socket })(r.charon, v))
		}
	}
	r.sumUp()
	warnings, err := r.result()
	if err != nil {
		r.charon.RADIUS.Wipe()
		return nil, warnings, err
	}
	return r.charon.finish(), warnings, nil
}

// finish fills in what follows from other settings.
func (c *Charon) finish() *Charon {
	if c.Socket == "" {
		c.Socket = c.VICI
	}
	for _, n := range []*int{&c.CookieThreshold, &c.CookieThresholdIP, &c.BlockThreshold} {
		if *n == 0 || !c.denialProtection {
			*n = math.MaxInt
		}
	}
	c.finishEAP()
	return c
}

// charonReader reads the sections of strongswan.conf. Unlike swanctl.conf they may have anything, since every program
// and plugin of strongSwan keeps its settings there.
type charonReader struct {
	decoder
	charon  *Charon
	radius  radiusReader
	ignored []settings.Value // with the path as key
}

// charonSettings are the settings that have a meaning here, by their path below charon.
var charonSettings = slices.Concat([]key[Charon]{
	{"retransmit_tries", number(func(c *Charon) *int { return &c.RetransmitTries }, 0, 1000)},
	{"retransmit_timeout", seconds(func(c *Charon) *time.Duration { return &c.RetransmitTimeout }, leastTimeout)},
	{"retransmit_base", retransmitBase(func(c *Charon) *float64 { return &c.RetransmitBase })},
	{"retransmit_jitter", number(func(c *Charon) *int { return &c.RetransmitJitter }, 0, 20)},
	{"retransmit_limit", seconds(func(c *Charon) *time.Duration { return &c.RetransmitLimit }, 0)},
	{"keep_alive", seconds(func(c *Charon) *time.Duration { return &c.KeepAlive }, 0)},
	{"half_open_timeout", seconds(func(c *Charon) *time.Duration { return &c.HalfOpenTimeout }, time.Second)},
	{"fragment_size", readFragmentSize},
	{"delete_rekeyed_delay", seconds(func(c *Charon) *time.Duration { return &c.DeleteRekeyedDelay }, 0)},
	{"close_ike_on_child_failure", boolean(func(c *Charon) *bool { return &c.CloseIKEOnChildFailure })},
	{"hash_and_url", boolean(func(c *Charon) *bool { return &c.HashAndURL })},
	{"signature_authentication", boolean(func(c *Charon) *bool { return &c.Signatures })},
	{"make_before_break", boolean(func(c *Charon) *bool { return &c.MakeBeforeBreak })},
	{"port", number(func(c *Charon) *uint16 { return &c.Port }, 0, 65535)},
	{"port_nat_t", number(func(c *Charon) *uint16 { return &c.PortNATT }, 0, 65535)},
	{"cookie_threshold", number(func(c *Charon) *int { return &c.CookieThreshold }, 0, 1<<31-1)},
	{"cookie_threshold_ip", number(func(c *Charon) *int { return &c.CookieThresholdIP }, 0, 1<<31-1)},
	{"block_threshold", number(func(c *Charon) *int { return &c.BlockThreshold }, 0, 1<<31-1)},
	{"dos_protection", boolean(func(c *Charon) *bool { return &c.denialProtection })},
	{"init_limit_half_open", number(func(c *Charon) *int { return &c.HalfOpenLimit }, 0, 1<<31-1)},
	{"ikesa_limit", number(func(c *Charon) *int { return &c.IKESALimit }, 0, 1<<31-1)},
	{"initiator_only", boolean(func(c *Charon) *bool { return &c.InitiatorOnly })},
	{"reuse_ikesa", boolean(func(c *Charon) *bool { return &c.ReuseIKESA })},
	{"replay_window", number(func(c *Charon) *int { return &c.ReplayWindow }, 0, maxReplayWindow)},
	{"install_routes", boolean(func(c *Charon) *bool { return &c.InstallRoutes })},
	{"install_virtual_ip", boolean(func(c *Charon) *bool { return &c.InstallVirtualIP })},
	{"install_virtual_ip_on", readLink(func(c *Charon) *string { return &c.VirtualIPLink })},
	{"plugins.resolve.file", text(func(c *Charon) *string { return &c.ResolvConf })},
	{"routing_table", number(func(c *Charon) *int { return &c.RoutingTable }, 0, math.MaxUint32)},
	{"routing_table_prio", number(func(c *Charon) *int { return &c.RoutingTablePrio }, 0, math.MaxInt32)},
	{"tun", readLink(func(c *Charon) *string { return &c.TUN })},
	{"plugins.vici.socket", socket(func(c *Charon) *string { return &c.VICI })},
	// Our data path always lets a selector cover the peer's own address.
	{"plugins.kernel-libipsec.allow_peer_ts", func(_ *Charon, v settings.Value) error { _, err := parseBool(v); return err }},
	{"rsa_pss", boolean(func(c *Charon) *bool { return &c.RSAPSS })},
}, eapSettings, below("tls.", tlsSettings))

// section reads the settings of a section and of those in it, by their path below the program's.
func (r *charonReader) section(rows []key[Charon], s *settings.Section, where at) {
	_, below, _ := strings.Cut(where.path+".", ".")
	for _, v := range s.Values() {
		name := below + v.Key
		i := slices.IndexFunc(rows, func(k key[Charon]) bool { return k.name == name })
		if i < 0 {
			r.unused(rows, name, where.key(v))
			continue
		}
		r.report(where.key(v), rows[i].read(r.charon, v))
	}
	for _, sub := range s.Sections() {
		inside := where.section(sub)
		switch below + sub.Name {
		case "filelog":
			for _, file := range sub.Sections() {
				r.logFile(file, inside.section(file))
			}
		case "plugins.eap-radius":
			r.readRADIUS(sub, inside)
		default:
			r.misplaced(below+sub.Name, inside)
			r.section(rows, sub, inside)
		}
	}
}

// misplaced warns of a section that is not where eap-radius is looked for, and has its name: that no RADIUS server is asked is
// seen late.
func (r *charonReader) misplaced(path string, where at) {
	last := path[strings.LastIndexByte(path, '.')+1:]
	if strings.EqualFold(strings.ReplaceAll(last, "_", "-"), "eap-radius") {
		r.report(where, warning("write charon { plugins { eap-radius { … } } }", "is not read"))
	}
}

// unused notes a setting without a meaning, or warns of one that is most likely a typing error.
func (r *charonReader) unused(rows []key[Charon], name string, where at) {
	if name == "load" || name == "load_modular" || strings.HasPrefix(name, "plugins.") && strings.HasSuffix(name, ".load") {
		return // goswan has no plugins to load
	}
	var names []string
	for _, k := range rows {
		names = append(names, k.name)
	}
	if near := settings.Nearest(name, names); near != "" && !slices.Contains(strongswanNames, name) {
		r.report(where, warning("did you mean "+near+"?", "no such setting"))
		return
	}
	r.ignored = append(r.ignored, settings.Value{Key: where.path, At: where.pos})
}

// maxNamed is how many settings without a meaning the warning names.
const maxNamed = 40

// sumUp makes one warning of the settings without a meaning.
func (r *charonReader) sumUp() {
	if len(r.ignored) == 0 {
		return
	}
	var names []string
	for _, v := range r.ignored[:min(len(r.ignored), maxNamed)] {
		names = append(names, v.Key)
	}
	if more := len(r.ignored) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	r.warnings = append(r.warnings, &Problem{At: r.ignored[0].At, What: "settings without a meaning in goswan: " + strings.Join(names, ", ")})
}

// parseSeconds reads a time: seconds with decimals, or with s, m, h or d behind.
func parseSeconds(v settings.Value) (time.Duration, error) {
	if n, err := strconv.ParseFloat(v.Text, 64); err == nil && n >= 0 && n <= maxSpan.Seconds() {
		return time.Duration(n * float64(time.Second)), nil
	}
	return parseSpan(v)
}

// seconds is a setting with a time of at least least.
func seconds[T any](field func(*T) *time.Duration, least time.Duration) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		got, err := parseSeconds(v)
		if err == nil && got < least {
			err = bad(fmt.Sprintf("write at least %v", least), "%q is too short", v.Text)
		}
		if err == nil {
			*field(into) = got
		}
		return err
	}
}

// leastTimeout is the shortest time that a first transmission can be waited for.
const leastTimeout = 10 * time.Millisecond

// retransmitBase is a setting with the factor between one retransmission and the next.
func retransmitBase[T any](field func(*T) *float64) func(*T, settings.Value) error {
	return func(into *T, v settings.Value) error {
		base, err := strconv.ParseFloat(v.Text, 64)
		if err != nil || !(base >= 1 && base <= 100) {
			return bad("write the factor between one retransmission and the next, as in 1.8", "%q is not a number from 1 to 100", v.Text)
		}
		*field(into) = base
		return nil
	}
}

// leastFragment is what leaves some room behind the headers of every suite.
const leastFragment = 256

func readFragmentSize(c *Charon, v settings.Value) error {
	n, err := parseNumber(v.Text)
	if err != nil || n > math.MaxUint16 || n != 0 && n < leastFragment {
		return bad(fmt.Sprintf("write the octets of an IP datagram, %d to %d, or 0 for what every path takes", leastFragment, math.MaxUint16),
			"%q is not a size that %s can have", v.Text, v.Key)
	}
	c.FragmentSize = int(n)
	return nil
}

// readLink is a setting with the name of an interface.
func readLink(field func(*Charon) *string) func(*Charon, settings.Value) error {
	return func(c *Charon, v settings.Value) error {
		if v.Text == "" || len(v.Text) > 15 || strings.ContainsAny(v.Text, "/ :\t") {
			return bad("write up to 15 letters and digits, as in ipsec0", "%q is not the name of an interface", v.Text)
		}
		*field(c) = v.Text
		return nil
	}
}

// socket is a setting with the URI of a control socket.
func socket(field func(*Charon) *string) func(*Charon, settings.Value) error {
	return func(c *Charon, v settings.Value) error {
		if err := CheckSocket(v.Text); err != nil {
			return err
		}
		*field(c) = v.Text
		return nil
	}
}

// maxSocketPath is what the address of a unix socket has room for.
const maxSocketPath = 107

// CheckSocket tells what is wrong with the URI of a control socket.
func CheckSocket(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme != "unix" && u.Scheme != "tcp" || u.Host+u.Path == "":
		return bad("write unix:///run/charon.vici or tcp://127.0.0.1:4502", "%q is not the URI of a control socket", uri)
	case u.Scheme == "unix" && len(u.Host+u.Path) > maxSocketPath:
		return bad("choose a shorter path", "the path of a unix socket has at most %d octets", maxSocketPath)
	}
	return nil
}
