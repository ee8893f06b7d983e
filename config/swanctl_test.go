//go:build unix

package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goswan/goswan/config/settings"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/tun/tuntest/need"
)

// The judge of the format is strongSwan's own swanctl: it reads a file and sends what it read over vici. A recorder
// stands in for charon, says yes to everything and keeps the messages.

// message is a vici request: its command and its content as a tree.
type message struct {
	command string
	content *settings.Section
}

// recorder is a vici server that keeps what it is asked.
type recorder struct {
	mu       sync.Mutex // protects the fields below
	messages []message
	failed   error
}

// The packet and element types of vici.
const (
	cmdRequest, cmdResponse                                               = 0, 1
	sectionStart, sectionEnd, keyValue, listStart, listItem, listItemsEnd = 1, 2, 3, 4, 5, 6
)

func (r *recorder) serve(c net.Conn) error {
	defer c.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		packet := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, packet); err != nil {
			return err
		}
		if len(packet) < 2 || packet[0] != cmdRequest || len(packet) < 2+int(packet[1]) {
			return fmt.Errorf("a packet that is no request: %x", packet)
		}
		name, body := string(packet[2:2+packet[1]]), packet[2+packet[1]:]
		content := settings.New("", settings.Position{})
		if _, err := decode(content, body); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.mu.Lock()
		r.messages = append(r.messages, message{name, content})
		r.mu.Unlock()
		reply := []byte{cmdResponse, keyValue, 7}
		reply = append(append(reply, "success"...), 0, 3)
		reply = append(reply, "yes"...)
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...)); err != nil {
			return err
		}
	}
}

// decode reads elements up to the end of the section.
func decode(into *settings.Section, b []byte) ([]byte, error) {
	var none settings.Position
	list := ""
	take := func(n int) (string, bool) { // a text behind a length of n octets
		if len(b) < n {
			return "", false
		}
		size := int(b[0])
		if n == 2 {
			size = int(binary.BigEndian.Uint16(b))
		}
		if len(b) < n+size {
			return "", false
		}
		text := string(b[n : n+size])
		b = b[n+size:]
		return text, true
	}
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		name, value, ok := "", "", true
		switch kind {
		case sectionStart, keyValue, listStart:
			name, ok = take(1)
		}
		if kind == keyValue || kind == listItem {
			var more bool
			value, more = take(2)
			ok = ok && more
		}
		if !ok {
			return nil, errors.New("a truncated element")
		}
		switch kind {
		case sectionStart:
			var err error
			if b, err = decode(into.Ensure(name, none), b); err != nil {
				return nil, err
			}
		case sectionEnd:
			return b, nil
		case keyValue:
			into.Set(name, value, none)
		case listStart:
			list = name
			into.SetList(list, nil, none)
		case listItem:
			into.Add(list, value, none)
		case listItemsEnd:
		default:
			return nil, fmt.Errorf("an element of type %d", kind)
		}
	}
	return nil, nil
}

// swanctl has the real swanctl read a file and returns what it sends, or the error that it prints.
func swanctl(t *testing.T, file string) ([]message, error) {
	t.Helper()
	program, err := exec.LookPath("swanctl")
	if err != nil {
		need.Lacking(t, "swanctl is not installed, so strongSwan does not judge the format (apt-get install strongswan-swanctl)")
	}
	dir, err := os.MkdirTemp("/tmp", "goswan-swanctl-") // short: the path of a socket has at most 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "vici")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	settingsFile := filepath.Join(dir, "strongswan.conf")
	if err := os.WriteFile(settingsFile, []byte("swanctl {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				if err := r.serve(c); err != nil {
					r.mu.Lock()
					r.failed = err
					r.mu.Unlock()
				}
			})
		}
	})
	cmd := exec.CommandContext(t.Context(), program, "--load-all", "--noprompt", "--file", file, "--uri", "unix://"+path)
	cmd.Env = append(os.Environ(), "SWANCTL_DIR="+dir, "STRONGSWAN_CONF="+settingsFile)
	out, err := cmd.CombinedOutput()
	_ = listener.Close()
	served.Wait()
	if r.failed != nil {
		t.Fatalf("the recorder failed: %v\n%s", r.failed, out)
	}
	if err != nil {
		return r.messages, fmt.Errorf("%w\n%s", err, out)
	}
	return r.messages, nil
}

// TestSwanctlReadsTheSame has that strongSwan's swanctl reads from a file what we read, name for name and value for
// value, and that what it would send us over vici maps to the same connections and secrets.
func TestSwanctlReadsTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files to read: %v", err)
	}
	lab, err := filepath.Glob("../testdata/lab/*/*/swanctl.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range slices.Concat(files, lab) {
		t.Run(file, func(t *testing.T) {
			messages, err := swanctl(t, file)
			if err != nil {
				t.Fatalf("swanctl refuses what should be right: %v", err)
			}
			doc, err := settings.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			compareTrees(t, doc.Root.Section("connections"), messages)
			catalog, _, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			compareCatalogs(t, catalog, messages)
		})
	}
}

// compareTrees compares the sections of connections with those of the load-conn messages.
func compareTrees(t *testing.T, ours *settings.Section, messages []message) {
	t.Helper()
	theirs := settings.New("connections", settings.Position{})
	for _, m := range messages {
		if m.command != "load-conn" {
			continue
		}
		for _, s := range m.content.Sections() {
			into := theirs.Ensure(s.Name, settings.Position{})
			*into = *s
		}
	}
	if ours == nil {
		ours = settings.New("connections", settings.Position{})
	}
	got, want := dump(ours, ""), dump(theirs, "")
	if got != want {
		t.Errorf("we read\n%s\nswanctl reads\n%s", got, want)
	}
}

// dump is a tree as text. Lists and texts with commas are the same.
func dump(s *settings.Section, indent string) string {
	var b strings.Builder
	for _, v := range s.Values() {
		text := v.Text
		if v.IsList || slices.Contains(listKeys, v.Key) {
			text = strings.Join(v.Items(), ", ")
		}
		fmt.Fprintf(&b, "%s%s = %q\n", indent, v.Key, text)
	}
	for _, sub := range s.Sections() {
		fmt.Fprintf(&b, "%s%s {\n%s%s}\n", indent, sub.Name, dump(sub, indent+"  "), indent)
	}
	return b.String()
}

// listKeys are those that swanctl sends as lists.
var listKeys = []string{"local_addrs", "remote_addrs", "proposals", "esp_proposals", "ah_proposals", "local_ts", "remote_ts", "vips", "pools", "groups", "cert_policy"}

// compareCatalogs compares what the file maps to with what the messages map to.
func compareCatalogs(t *testing.T, catalog *core.Catalog, messages []message) {
	t.Helper()
	var conns, secrets int
	for _, m := range messages {
		switch m.command {
		case "load-conn":
			s := m.content.Sections()[0]
			got, _, err := Connection(s.Name, s)
			if err != nil {
				t.Fatalf("load-conn %s: %v", s.Name, err)
			}
			want := withoutPlaces(catalog.Connection(s.Name))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("connection %s comes over vici as\n%+v\nand from the file as\n%+v", s.Name, got, want)
			}
			conns++
		case "load-shared":
			got, _, err := Shared(m.content)
			if err != nil {
				t.Fatalf("load-shared: %v", err)
			}
			i := slices.IndexFunc(catalog.Secrets, func(s *core.Secret) bool { return s.Name == got.Name })
			if i < 0 || !got.Key.Equal(catalog.Secrets[i].Key) || got.Kind != catalog.Secrets[i].Kind || !slices.Equal(got.Owners, catalog.Secrets[i].Owners) {
				t.Errorf("secret %s for %v is not what the file has", got.Name, got.Owners)
			}
			secrets++
		}
	}
	if conns != len(catalog.Connections) || secrets != len(catalog.Secrets) {
		t.Errorf("swanctl sends %d connections and %d secrets, the file has %d and %d", conns, secrets, len(catalog.Connections), len(catalog.Secrets))
	}
}

// withoutPlaces removes the places, which do not come over vici.
func withoutPlaces(c *core.Connection) *core.Connection {
	copied := *c
	copied.Source, copied.ProposalsSource = core.Position{}, core.Position{}
	for _, rounds := range []*[]core.Auth{&copied.Local, &copied.Remote} {
		*rounds = slices.Clone(*rounds)
		for i := range *rounds {
			(*rounds)[i].Source, (*rounds)[i].IDSource = core.Position{}, core.Position{}
		}
	}
	copied.Children = nil
	for _, child := range c.Children {
		other := *child
		other.Source, other.ProposalsSource, other.LocalTSSource, other.RemoteTSSource = core.Position{}, core.Position{}, core.Position{}, core.Position{}
		copied.Children = append(copied.Children, &other)
	}
	return &copied
}

// TestSwanctlRefusesTheSame has that what we call a mistake of the format is one to strongSwan's swanctl.
func TestSwanctlRefusesTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"not closed":       "connections {\n a {\n }\n",
		"closed twice":     "connections {\n a {\n }\n}\n}\n",
		"no sign":          "connections {\n a {\n version 2\n }\n}\n",
		"name alone":       "connections {\n a\n}\n",
		"dot":              "connections {\n a {\n b.c = d\n }\n}\n",
		"quoted name":      "connections {\n a {\n \"b\" = d\n }\n}\n",
		"no end of string": "connections {\n a {\n b = \"d\n }\n}\n",
		"no reference":     "connections {\n a : {\n }\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := settings.Parse("x", []byte(text), nil); err == nil {
				t.Errorf("we accept\n%s", text)
			}
			file := filepath.Join(t.TempDir(), "swanctl.conf")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			// It says so, goes on with an empty configuration, and reports success.
			messages, err := swanctl(t, file)
			if slices.ContainsFunc(messages, func(m message) bool { return m.command == "load-conn" }) {
				t.Errorf("swanctl accepts\n%s", text)
			}
			if !slices.ContainsFunc(messages, func(m message) bool { return m.command == "get-conns" }) {
				t.Errorf("swanctl did not come to load connections: %v", err)
			}
		})
	}
}

// soup are pieces that a configuration is made of, good and bad.
var soup = []string{
	"a", "b", "c-d", "include", "=", "=", "=", "{", "{", "}", "}", "}", "\n", "\n", "\n", " ", " ", "\t", "\r\n", "#", "# x\n", ":", " : ", "t", "t, u", "t.s",
	",", ".", "\"", "\"x y\"", "\"\\\"\"", "\\", "\\n", "\\\n", "1 2", "x;y", "%any", "a = b\n", "b = c d\n", "s {\n", "s : t {\n", "a =\n", "}\n", "n { a = \"q\" }\n",
	"s {\n a = b } }", "w : u, t {\n", "\"\"", "include = i\n",
}

// TestSwanctlAgreesOnSoup compares the two parsers on texts put together at random, from seeds.
func TestSwanctlAgreesOnSoup(t *testing.T) {
	seeds := 60
	if n, err := strconv.Atoi(os.Getenv("GOSWAN_SOUP")); err == nil {
		seeds = n
	}
	file := filepath.Join(t.TempDir(), "swanctl.conf")
	accepted := 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		var b strings.Builder
		b.WriteString("t {\n a = 0\n s {\n x = y\n }\n}\nu {\n b = 1\n}\nconnections {\n known {\n }\n")
		for range rng.IntN(20) {
			b.WriteString(soup[rng.IntN(len(soup))])
		}
		b.WriteString("\n}\n")
		text := b.String()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, err := settings.ParseFile(file)
		messages, _ := swanctl(t, file)
		theirs := slices.ContainsFunc(messages, func(m message) bool { return m.command == "load-conn" })
		if err != nil && (strings.Contains(err.Error(), "which does not exist") || strings.Contains(err.Error(), "include without a file")) {
			continue // strongSwan takes a reference to nothing for nothing, and an include of nothing too
		}
		if (err == nil) != theirs {
			t.Errorf("seed %d: we say %v, swanctl accepts: %v\n%s", seed, err, theirs, text)
		}
		if err == nil && theirs {
			accepted++
			compareTrees(t, withoutSettings(doc.Root.Section("connections")), messages)
		}
		if t.Failed() {
			t.Fatalf("seed %d:\n%s", seed, text)
		}
	}
	if accepted == 0 {
		t.Error("not one text was accepted: the soup tests nothing")
	}
}

// withoutSettings is the section with its subsections alone: swanctl sends nothing else of connections.
func withoutSettings(s *settings.Section) *settings.Section {
	out := settings.New(s.Name, s.At)
	for _, sub := range s.Sections() {
		*out.Ensure(sub.Name, sub.At) = *sub
	}
	return out
}
