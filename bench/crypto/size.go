package crypto

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goswan/goswan/tun/packet"
)

// Size is the length of the inner packets, or a mixture.
type Size struct {
	Octets int    // 0 for a mixture
	Mix    string // its name, "" for packets of one length
}

// IMIX is the name of the simple Internet mix.
const IMIX = "imix"

// imix is seven packets of 40 octets, four of 576 and one of 1500, in an order that is none.
var imix = []int{40, 576, 40, 40, 576, 40, 1500, 40, 576, 40, 576, 40}

// Sizes are those that are measured when none are asked for: from the smallest to jumbo frames, and beyond.
var Sizes = []Size{{Octets: 64}, {Octets: 256}, {Octets: 512}, {Octets: 1024}, {Octets: 1420}, {Octets: 4096}, {Octets: 9000}, {Octets: 16384}, {Mix: IMIX}}

// maxSize is the longest packet: what the length fields of IP leave to ESP.
const maxSize = packet.MaxPacket - 256

// ParseSize reads a number of octets or the name of a mixture.
func ParseSize(text string) (Size, error) {
	text = strings.TrimSpace(text)
	if text == IMIX {
		return Size{Mix: IMIX}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSize {
		return Size{}, fmt.Errorf("%q is no packet size: 1 to %d octets, or %s", text, maxSize, IMIX)
	}
	return Size{Octets: n}, nil
}

// String is the octets or the name.
func (s Size) String() string {
	if s.Mix != "" {
		return s.Mix
	}
	return strconv.Itoa(s.Octets)
}

// packets are the lengths of the packets that follow each other.
func (s Size) packets() []int {
	if s.Mix == IMIX {
		return imix
	}
	return []int{s.Octets}
}
