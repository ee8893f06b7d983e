package report

import (
	"slices"
	"time"
)

// Run is all that one call of `goswan bench` measured.
type Run struct {
	Bench        string        `json:"bench"`   // what was called: "crypto", "ike", "path" or "tunnel"
	Goswan       string        `json:"goswan"`  // its version
	Command      []string      `json:"command"` // the command line, with the program's name first
	Time         time.Time     `json:"time"`    // of the beginning
	Seconds      float64       `json:"seconds"` // from the beginning to the end
	Machine      Machine       `json:"machine"`
	Peers        []Peer        `json:"peers,omitempty"`
	Rounds       int           `json:"rounds"`
	Measurements []Measurement `json:"measurements"`          // in the order in which they are best read
	Comparisons  []Comparison  `json:"comparisons,omitempty"` // likewise
	Notes        []string      `json:"notes,omitempty"`       // a sentence each: what was left out and why, where a clock comes from
}

// Machine is what the figures depend on. What the system does not tell is empty.
type Machine struct {
	CPU         string   `json:"cpu,omitempty"`   // the model, as the processor calls itself
	Flags       []string `json:"flags,omitempty"` // those features of the processor that goswan or Go's library has code for: "aes", "vaes", …
	LogicalCPUs int      `json:"logical_cpus"`
	MHz         float64  `json:"mhz,omitempty"` // nominal
	GOMAXPROCS  int      `json:"gomaxprocs"`
	OS          string   `json:"os"`   // GOOS
	Arch        string   `json:"arch"` // GOARCH
	Kernel      string   `json:"kernel,omitempty"`
	Governor    string   `json:"governor,omitempty"` // of the processors' frequency
	Go          string   `json:"go"`
	NoASM       bool     `json:"goswan_noasm,omitempty"` // GOSWAN_NOASM was set: no assembly of goswan's own
}

// Peer is another program that was measured beside goswan.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Better tells in which direction a figure improves.
type Better string

// The two directions.
const (
	More Better = "more"
	Less Better = "less"
)

// Figure is a kind of value.
type Figure struct {
	Name   string `json:"name"`
	Unit   string `json:"unit"` // "1" for a ratio or a number
	Better Better `json:"better"`
}

// The figures of the runs within this process. Those of tunnels are package tunnel's.
var (
	Throughput    = Figure{"throughput", "Gbit/s", More} // of inner packets
	PacketRate    = Figure{"packet rate", "Mpackets/s", More}
	PacketTime    = Figure{"time per packet", "ns", Less} // of one core
	CyclesByte    = Figure{"cycles per octet", "cycles", Less}
	Allocations   = Figure{"allocations per packet", "1", Less}
	OperationTime = Figure{"time per operation", "µs", Less} // of a key exchange or a signature, one core
	OperationRate = Figure{"operation rate", "operations/s", More}
	HandshakeTime = Figure{"time per handshake", "µs", Less} // of one role, one core
	HandshakeRate = Figure{"handshake rate", "handshakes/s", More}
	Scaling       = Figure{"scaling", "1", More} // throughput as a multiple of one core's
)

// Key tells measurements apart. Two with the same key, of two runs, measure the same.
type Key struct {
	Figure    Figure `json:"figure"`
	Subject   string `json:"subject"`             // what is measured: "goswan", "openssl", the name of a tunnel
	Suite     string `json:"suite,omitempty"`     // the suite or algorithm in swanctl.conf's words: "aes128gcm16", "x25519"
	Operation string `json:"operation,omitempty"` // "seal", "open", "sign", "initiator", …
	Size      int    `json:"size,omitempty"`      // octets of an inner packet; 0 where they differ or there are none
	Mix       string `json:"mix,omitempty"`       // the name of the mixture where sizes differ: "imix"
	Cores     int    `json:"cores,omitempty"`     // that work at once
	SAs       int    `json:"sas,omitempty"`       // pairs of Child SAs
	Flows     int    `json:"flows,omitempty"`
}

// Measurement is one figure of one subject in every round.
type Measurement struct {
	Key
	From   Figure `json:"from,omitzero"` // the figure of the same key that it was computed from; zero when it was measured itself
	Values Values `json:"values"`        // of the rounds, in order
}

// Recorder fills a run round by round.
type Recorder struct {
	run *Run
	at  map[Key]int
}

// NewRecorder returns a Recorder of a run that has no measurements yet.
func NewRecorder(r *Run) *Recorder { return &Recorder{run: r, at: map[Key]int{}} }

// Record enters a value that was measured in a round, counted from 0. Measurements stay in the order of their first value;
// a second value of the same round replaces the first.
func (r *Recorder) Record(round int, k Key, value float64) { r.record(round, k, Figure{}, value) }

// Derive enters a value that was computed from the value of another figure with the same key.
func (r *Recorder) Derive(round int, k Key, from Figure, value float64) {
	r.record(round, k, from, value)
}

func (r *Recorder) record(round int, k Key, from Figure, value float64) {
	i, ok := r.at[k]
	if !ok {
		i = len(r.run.Measurements)
		r.at[k] = i
		r.run.Measurements = append(r.run.Measurements, Measurement{Key: k, From: from})
	}
	m := &r.run.Measurements[i]
	for len(m.Values) <= round {
		m.Values = append(m.Values, missing)
	}
	m.Values[round] = value
	r.run.Rounds = max(r.run.Rounds, round+1)
}

// Note adds a note, once.
func (r *Run) Note(text string) {
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// Find returns the measurement of a key, and nil where there is none.
func (r *Run) Find(k Key) *Measurement {
	for i := range r.Measurements {
		if r.Measurements[i].Key == k {
			return &r.Measurements[i]
		}
	}
	return nil
}

// Of returns the measurements of one figure.
func (r *Run) Of(f Figure) (all []Measurement) {
	for _, m := range r.Measurements {
		if m.Figure == f {
			all = append(all, m)
		}
	}
	return all
}

// Figures returns the figures that were measured, in the order of their first measurement.
func (r *Run) Figures() (all []Figure) {
	for _, m := range r.Measurements {
		if !slices.Contains(all, m.Figure) {
			all = append(all, m.Figure)
		}
	}
	return all
}
