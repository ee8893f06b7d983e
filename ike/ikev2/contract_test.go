package ikev2_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/crypto/suite"
	"github.com/goswan/goswan/ike/core"
	"github.com/goswan/goswan/ike/eap"
	"github.com/goswan/goswan/ike/sim"
)

// notState are fields that are no state of the machine: the time of the last input, outputs, surroundings, and what a
// repeated response leaves behind.
var notState = map[string]bool{
	"Machine.now": true, "Machine.out": true, "Machine.env": true,
	"answer.ladder": true, "answer.repeats": true, "ikeSA.lastOut": true,
	// Passwords are the configuration's.
	"PeerConfig.Methods": true, "Peer.method": true, "ServerConfig.Methods": true, "Server.method": true, "Server.untried": true,
	"mschapPeer.config": true, "mschapServer.config": true,
}

// state prints all that a machine is, fields that nobody exports included.
func state(m core.Machine) string {
	var b strings.Builder
	seen := map[uintptr]int{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		if v.IsValid() && v.Type() == reflect.TypeFor[suite.Cipher]() {
			return // has scratch memory
		}
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() {
				b.WriteString("nil ")
				return
			}
			if id, again := seen[v.Pointer()]; again {
				fmt.Fprintf(&b, "#%d ", id)
				return
			}
			seen[v.Pointer()] = len(seen)
			walk(v.Elem())
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[core.Connection]() || v.Type() == reflect.TypeFor[core.Child]() {
				fmt.Fprintf(&b, "%v ", v)
				return
			}
			for i := range v.NumField() {
				if name := v.Type().Name() + "." + v.Type().Field(i).Name; !notState[name] {
					b.WriteString(name + "=")
					walk(v.Field(i))
				}
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
			b.WriteString("; ")
		case reflect.Func:
		default:
			fmt.Fprintf(&b, "%v ", v)
		}
	}
	walk(reflect.ValueOf(m))
	return b.String()
}

// recorder keeps what was sent to each node.
func (tc *test) recorder() map[*sim.Node]*[]core.Datagram {
	to := map[*sim.Node]*[]core.Datagram{tc.left: {}, tc.right: {}}
	record := func(from, target *sim.Node) {
		from.Watch = func(o core.Output) {
			if s, ok := o.(core.Send); ok {
				*to[target] = append(*to[target], core.Datagram{Local: s.Remote, Remote: s.Local, Data: slices.Clone(s.Data)})
			}
		}
	}
	record(tc.left, tc.right)
	record(tc.right, tc.left)
	return to
}

// mutate changes a datagram so that it is not what the peer sent any more.
func mutate(r *rand.Rand, d core.Datagram) core.Datagram {
	b := slices.Clone(d.Data)
	for range 1 + r.IntN(3) {
		switch at := r.IntN(len(b)); r.IntN(7) {
		case 0:
			b = b[:at+1]
		case 1:
			b = append(b, byte(r.Uint32()))
		case 2: // another Message ID
			if len(b) >= 24 {
				binary.BigEndian.PutUint32(b[20:], r.Uint32N(8))
			}
		case 3: // other flags
			if len(b) >= 20 {
				b[19] ^= 1 << r.IntN(8)
			}
		case 4: // another exchange
			if len(b) >= 19 {
				b[18] = byte(34 + r.IntN(5))
			}
		case 5: // a length that fits again
			if len(b) >= 28 {
				binary.BigEndian.PutUint32(b[24:], uint32(len(b)))
			}
		default:
			b[at] ^= 1 << r.IntN(8)
		}
	}
	d.Data = b
	return d
}

// TestUnauthenticatedChangesNothing throws mutations of everything that was ever sent at machines in several states.
func TestUnauthenticatedChangesNothing(t *testing.T) {
	for _, stop := range stages {
		t.Run(stop.name, func(t *testing.T) {
			tc := stop.test(t)
			sent := tc.recorder()
			stop.reach(tc)
			r := rand.New(rand.NewPCG(1, 2))
			for _, n := range []*sim.Node{tc.left, tc.right} {
				if len(n.Lineages()) == 0 {
					continue
				}
				l := n.Lineages()[0]
				before := state(l)
				for i := range 2000 {
					original := (*sent[n])[r.IntN(len(*sent[n]))]
					d := mutate(r, original)
					if !slices.Equal(d.Data, original.Data) && (len(d.Data) <= 18 || d.Data[18] != 34) { // IKE_SA_INIT is not authenticated before IKE_AUTH
						l.Receive(tc.w.Now(), d)
						tc.onlyLogs(n, l)
					}
					if i%50 != 49 {
						continue
					}
					if after := state(l); after != before {
						t.Fatalf("%s: one of the last 50 mutated datagrams changes the state: %s", n.Name, difference(before, after))
					}
				}
			}
		})
	}
}

// onlyLogs fails when the machine puts out anything but lines for the log.
func (tc *test) onlyLogs(n *sim.Node, m core.Machine) {
	tc.Helper()
	for o, more := m.Next(); more; o, more = m.Next() {
		if _, log := o.(core.Log); !log {
			tc.Fatalf("%s: a mutated datagram makes it put out %T", n.Name, o)
		}
	}
}

// TestReplaysChangeNothing repeats everything that was ever sent to established machines: at most the last response is
// repeated.
func TestReplaysChangeNothing(t *testing.T) {
	for _, stop := range stages[1:] {
		t.Run(stop.name, func(t *testing.T) {
			tc := stop.test(t)
			arrived := map[*sim.Node][]core.Datagram{}
			tc.left.Arrived = func(d core.Datagram) { arrived[tc.left] = append(arrived[tc.left], d) }
			tc.right.Arrived = func(d core.Datagram) { arrived[tc.right] = append(arrived[tc.right], d) }
			stop.reach(tc)
			for _, n := range []*sim.Node{tc.left, tc.right} {
				l := n.Lineages()[0]
				before := state(l)
				for _, d := range arrived[n] {
					l.Receive(tc.w.Now(), d)
					for o, more := l.Next(); more; o, more = l.Next() {
						switch o := o.(type) {
						case core.Log, core.Send:
						case core.Message:
							tc.want("only the last response is sent, again", o.Outbound && o.Response && o.Retransmit > 0)
						default:
							t.Fatalf("%s: a replay makes it put out %T", n.Name, o)
						}
					}
					if after := state(l); after != before {
						t.Fatalf("%s: a replay changes the state: %s", n.Name, difference(before, after))
					}
				}
			}
		})
	}
}

func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	from := max(0, i-60)
	return fmt.Sprintf("…%s… became …%s…", a[from:min(len(a), i+60)], b[from:min(len(b), i+60)])
}

// stage is a state that a pair of machines can be in.
type stage struct {
	name  string
	reach func(*test)
	eap   bool // the left proves itself by EAP-MSCHAPv2
}

// test makes a pair for the stage.
func (s stage) test(t *testing.T) *test {
	t.Helper()
	if s.eap {
		return newTest(t, sim.Faults{}, newPKI(t).byEAP(eap.TypeMSCHAPv2))
	}
	return newTest(t, sim.Faults{})
}

// after has the left initiate, and stops some time later; a message takes 10 ms.
func after(d time.Duration) func(*test) {
	return func(tc *test) {
		tc.left.Initiate("site", "net", rightAddr)
		tc.w.Run(d)
	}
}

// stages are states that a pair of machines can be in.
var stages = []stage{
	{name: "IKE_AUTH is under way", reach: after(25 * time.Millisecond)},
	{name: "established", reach: func(tc *test) { tc.up() }},
	{name: "a Child SA is being rekeyed by both", reach: func(tc *test) {
		tc.up()
		for _, n := range []*sim.Node{tc.left, tc.right} {
			n.Command(n.Lineage("site"), func(op uint64) core.Command { return core.Rekey{Op: op, Child: "net"} })
		}
		tc.w.Run(15 * time.Millisecond)
	}},
	{name: "the IKE SA is being rekeyed by both", reach: func(tc *test) {
		tc.up()
		for _, n := range []*sim.Node{tc.left, tc.right} {
			n.Command(n.Lineage("site"), func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
		}
		tc.w.Run(15 * time.Millisecond)
	}},
	{name: "the IKE SA was rekeyed", reach: func(tc *test) {
		tc.up()
		tc.left.Command(tc.left.Lineage("site"), func(op uint64) core.Command { return core.Rekey{Op: op, IKE: true} })
		tc.w.Run(time.Second)
	}},
	{name: "EAP has begun", reach: after(45 * time.Millisecond), eap: true},
	{name: "EAP is under way", reach: after(75 * time.Millisecond), eap: true},
	{name: "EAP has succeeded", reach: after(95 * time.Millisecond), eap: true},
	{name: "established by EAP", reach: func(tc *test) { tc.up() }, eap: true},
}

// TestSecretsAreWiped looks for every key of a lineage after its end.
func TestSecretsAreWiped(t *testing.T) {
	for _, stop := range stages {
		t.Run(stop.name, func(t *testing.T) {
			tc := stop.test(t)
			stop.reach(tc)
			keys := map[*sim.Node][]secret.Bytes{}
			for _, n := range []*sim.Node{tc.left, tc.right} {
				if len(n.Lineages()) > 0 {
					keys[n] = secretsOf(reflect.ValueOf(n.Lineages()[0].Machine), map[uintptr]bool{})
					tc.want(n.Name+" has keys", len(keys[n]) > 0)
				}
			}
			tc.end()
			for n, list := range keys {
				for _, k := range list {
					if slices.ContainsFunc(k, func(b byte) bool { return b != 0 }) {
						t.Fatalf("%s: a key of %d octets is left after the end", n.Name, len(k))
					}
				}
			}
		})
	}
}

// secretsOf finds all key material of a machine, configuration left out.
func secretsOf(v reflect.Value, seen map[uintptr]bool) (found []secret.Bytes) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] || v.Type() == reflect.TypeFor[*core.Connection]() {
			return nil
		}
		seen[v.Pointer()] = true
		return secretsOf(v.Elem(), seen)
	case reflect.Interface:
		return secretsOf(v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			if !notState[v.Type().Name()+"."+v.Type().Field(i).Name] {
				found = append(found, secretsOf(v.Field(i), seen)...)
			}
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[secret.Bytes]() {
			if v.Len() > 0 {
				return []secret.Bytes{secret.Bytes(v.Bytes())}
			}
			return nil
		}
		for i := range v.Len() {
			found = append(found, secretsOf(v.Index(i), seen)...)
		}
	}
	return found
}
