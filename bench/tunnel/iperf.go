//go:build linux

package tunnel

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// transfer is what arrived at the receiver of one run of iperf3.
type transfer struct {
	octets  float64 // of payload
	seconds float64
}

// gbits is the speed in Gbit/s.
func (r transfer) gbits() float64 { return r.octets * 8 / r.seconds / 1e9 }

// gigabytes is the payload in units of 10⁹ octets.
func (r transfer) gigabytes() float64 { return r.octets / 1e9 }

// datagrams is how many datagrams of that payload arrived.
func (r transfer) datagrams(size int) float64 { return r.octets / float64(size) }

// iperfReport is the part that matters of what `iperf3 --json` prints.
type iperfReport struct {
	End struct {
		Received *struct {
			Bytes   float64 `json:"bytes"`
			Seconds float64 `json:"seconds"`
		} `json:"sum_received"`
	} `json:"end"`
	Error string `json:"error"`
}

// parseIperf reads what the client of iperf3 3.12 or newer printed. A report in which nothing arrived is an error: no
// figure can be made of it.
func parseIperf(text []byte) (transfer, error) {
	var report iperfReport
	if err := json.Unmarshal(text, &report); err != nil {
		return transfer{}, fmt.Errorf("iperf3: its report: %w", err)
	}
	if report.Error != "" {
		return transfer{}, errors.New("iperf3: " + report.Error)
	}
	received := report.End.Received
	if received == nil {
		return transfer{}, errors.New("iperf3: its report has no end.sum_received")
	}
	if received.Bytes <= 0 || received.Seconds <= 0 {
		return transfer{}, fmt.Errorf("iperf3: %g octets arrived in %g seconds", received.Bytes, received.Seconds)
	}
	return transfer{octets: received.Bytes, seconds: received.Seconds}, nil
}

var pingTime = regexp.MustCompile(`(?m)^\d+ bytes from .* time=([0-9.]+) ms$`)

// parsePing reads the round-trip times that ping printed.
func parsePing(text []byte) (times []time.Duration, err error) {
	for _, m := range pingTime.FindAllSubmatch(text, -1) {
		ms, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("ping: %w", err)
		}
		times = append(times, time.Duration(ms*float64(time.Millisecond)))
	}
	if times == nil {
		return nil, errors.New("ping: no request was answered")
	}
	return times, nil
}
