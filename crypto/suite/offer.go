package suite

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goswan/goswan/crypto/encr"
	"github.com/goswan/goswan/crypto/integ"
	"github.com/goswan/goswan/crypto/ke"
	"github.com/goswan/goswan/crypto/prf"
)

// maxOffer is the longest text that ParseOffer reads, in octets: what fits into a message prints shorter.
const maxOffer = 1 << 16

// ParseOffer reads what somebody else offers, also if it could not be configured here: refused and unimplemented
// transforms are in what it returns, and a proposal may lack what it needs. It understands keywords as Parse does, and the
// proposals of a log line as strongSwan and goswan write it,
//
//	received proposals: IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_1024, IKE:AES_GCM_16_256/PRF_HMAC_SHA2_256/ECP_256
//
// whole, in part, or only the algorithms of one proposal. p is the protocol of what names none. The error is a *ParseError.
func ParseOffer(p Protocol, text string) ([]Proposal, error) {
	if len(text) > maxOffer {
		return nil, &ParseError{Protocol: p, Reason: fmt.Sprintf("is longer than %d octets", maxOffer)}
	}
	if line, ok := logged(text); ok {
		return parseLogged(p, line)
	}
	return parseList(p, text, parseWords)
}

// parseWords reads the keywords of one proposal.
func parseWords(p Protocol, text string) (Proposal, error) {
	out := Proposal{Protocol: p}
	if text == "" {
		return out, &ParseError{p, text, "", "is empty", "default"}
	}
	for word := range strings.SplitSeq(text, "-") {
		word = strings.TrimSpace(word)
		t, ok := lookup(word)
		if !ok {
			return out, &ParseError{p, text, word, "is no keyword", nearestWord(word, func(Transform) bool { return true })}
		}
		out.Transforms = append(out.Transforms, t)
	}
	return implied(out).sorted(), nil
}

// implied adds what the writer of keywords would send as well, and leaves out what he would not.
func implied(p Proposal) Proposal {
	switch {
	case p.Protocol != IKE:
		p = p.Without(PRF)
		if len(p.Of(ESN)) == 0 {
			p.Transforms = append(p.Transforms, Transform{Type: ESN, ID: noESN})
		}
	case len(p.Of(PRF)) == 0:
		p.Transforms = append(p.Without(ESN).Transforms, derivedPRFs(p)...)
	default:
		p = p.Without(ESN)
	}
	if p.Protocol == AH {
		return p.Without(ENCR)
	}
	if all := p.Of(ENCR); len(all) > 0 && allAEAD(all) {
		return p.Without(INTEG)
	}
	return p
}

// protocolTag is where a proposal begins in a log line.
var protocolTag = regexp.MustCompile(`\b(IKE|ESP|AH):[A-Z0-9(]`)

// logged finds the proposals in a log line. What comes behind a semicolon is of a reason, and not offered any more.
func logged(text string) (string, bool) {
	at := protocolTag.FindStringIndex(text)
	switch {
	case at != nil:
		text, _, _ = strings.Cut(text[at[0]:], ";")
		return text, true
	case strings.Contains(text, "/"), strings.Contains(text, "_") && strings.ToUpper(text) == text:
		return strings.TrimSpace(text), true
	}
	return "", false
}

// parseLogged reads the proposals of a log line.
func parseLogged(p Protocol, line string) ([]Proposal, error) {
	var out []Proposal
	for part := range strings.SplitSeq(line, ",") {
		// Behind a blank stand words of the line, or of Proposal.String.
		part, _, _ = strings.Cut(strings.TrimSpace(part), " ")
		part = strings.TrimRight(part, `."'`)
		if part == "" || strings.Contains(part, "…") { // cut off by whoever wrote it
			continue
		}
		proposal, err := parseLoggedOne(p, part)
		if err != nil {
			return nil, err
		}
		out = append(out, proposal)
	}
	if len(out) == 0 {
		return nil, &ParseError{p, line, "", "has no proposal in it", ""}
	}
	return out, nil
}

func parseLoggedOne(p Protocol, text string) (Proposal, error) {
	names := text
	if tag, rest, ok := strings.Cut(text, ":"); ok {
		i := slices.IndexFunc([]Protocol{IKE, AH, ESP}, func(p Protocol) bool { return p.String() == tag })
		if i < 0 {
			return Proposal{}, &ParseError{p, text, tag, "is no protocol that has proposals", ""}
		}
		p, names = []Protocol{IKE, AH, ESP}[i], rest
	}
	out := Proposal{Protocol: p}
	for name := range strings.SplitSeq(names, "/") {
		t, ok := lookupLogged(name)
		if !ok {
			return out, &ParseError{p, text, name, "is no algorithm that goswan or strongSwan logs", ""}
		}
		out.Transforms = append(out.Transforms, t)
	}
	return out.sorted(), nil
}

// lookupLogged finds the transform of a name in a log line: what Transform.String returns, also with the prefix of the
// IANA registry, or with a hyphen before the key length as swanctl --list-sas prints it.
func lookupLogged(name string) (Transform, bool) {
	if kind, method, ok := cutAdditional(strings.ToLower(name[:min(4, len(name))])); ok && method == "" {
		t, ok := lookupName(name[4:])
		return Transform{Type: kind, ID: t.ID}, ok && (t.Type == KE || t == Transform{Type: INTEG, ID: none})
	}
	if t, ok := lookupUnknown(name); ok {
		return t, true
	}
	if t, ok := lookupName(name); ok {
		return t, true
	}
	cut := strings.LastIndexAny(name, "_-")
	if cut < 0 {
		return Transform{}, false
	}
	bits, err := strconv.ParseUint(name[cut+1:], 10, 16)
	t, ok := lookupName(name[:cut])
	t.KeyBits = uint16(bits)
	return t, ok && err == nil && t.Type == ENCR
}

// lookupName finds the transform of a name without a key length.
func lookupName(name string) (Transform, bool) {
	switch name {
	case "KE_NONE", "MODP_NONE":
		return Transform{Type: KE, ID: none}, true
	case "NONE":
		return Transform{Type: INTEG, ID: none}, true
	case "NO_EXT_SEQ":
		return Transform{Type: ESN, ID: noESN}, true
	case "EXT_SEQ":
		return Transform{Type: ESN, ID: useESN}, true
	}
	for _, r := range encr.Transforms {
		if r.Log == name || r.Name == name {
			return Transform{Type: ENCR, ID: r.ID}, true
		}
	}
	for _, r := range integ.Transforms {
		if r.Log == name || r.Name == name {
			return Transform{Type: INTEG, ID: r.ID}, true
		}
	}
	for _, r := range prf.Transforms {
		if r.Name == name {
			return Transform{Type: PRF, ID: r.ID}, true
		}
	}
	for _, r := range ke.Transforms {
		if r.Name == name {
			return Transform{Type: KE, ID: r.ID}, true
		}
	}
	return Transform{}, false
}

// lookupUnknown reads "UNKNOWN_4_4711" and "UNKNOWN_1_999_128": type, Transform ID, key length.
func lookupUnknown(name string) (Transform, bool) {
	rest, ok := strings.CutPrefix(name, "UNKNOWN_")
	if !ok {
		return Transform{}, false
	}
	var numbers [3]uint64
	fields := strings.Split(rest, "_")
	if len(fields) < 2 || len(fields) > 3 {
		return Transform{}, false
	}
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, []int{8, 16, 16}[i])
		if err != nil {
			return Transform{}, false
		}
		numbers[i] = n
	}
	return Transform{TransformType(numbers[0]), uint16(numbers[1]), uint16(numbers[2])}, true
}
