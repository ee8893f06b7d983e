package render

import (
	"slices"
	"strings"
)

// The classes of suites and algorithms, in the order in which they are shown.
var classes = []string{
	aead, apart, "integrity alone", "older algorithms", "elliptic curves", "MODP groups", "post-quantum", "signatures", others,
}

const (
	aead   = "combined mode"
	apart  = "encryption and integrity apart"
	others = "others"
)

// older are the words of algorithms that nobody should choose today: they come last, though they may be fast.
var older = []string{"3des", "des", "blowfish", "cast", "idea", "md5", "sha1"}

// class tells the words of swanctl.conf apart: "aes128gcm16" is of another class than "aes128-sha256" and "modp2048". The words
// alone say it, since a run may come from a version that has other algorithms.
func class(words string) string {
	parts := strings.Split(strings.ToLower(words), "-")
	first, last := parts[0], parts[len(parts)-1]
	switch {
	case begins(last, "modp"):
		return "MODP groups"
	case begins(last, "mlkem", "ntru", "frodo", "bike", "hqc"):
		return "post-quantum"
	case begins(last, "ecp", "x25519", "x448", "curve", "gost256", "gost512"):
		return "elliptic curves"
	case begins(first, "rsa", "ecdsa", "ed25519", "ed448", "mldsa", "slhdsa", "dsa"):
		return "signatures"
	case begins(first, "null") || strings.Contains(first, "gmac"):
		return "integrity alone"
	case slices.ContainsFunc(parts, func(w string) bool { return begins(w, older...) }):
		return "older algorithms"
	case begins(first, "chacha20poly1305") || strings.Contains(first, "gcm") || strings.Contains(first, "ccm"):
		return aead
	case len(parts) > 1 && begins(first, "aes", "camellia", "serpent", "twofish", "chacha", "aria", "sm4"):
		return apart
	}
	return others
}

func begins(word string, with ...string) bool {
	return slices.ContainsFunc(with, func(w string) bool { return strings.HasPrefix(word, w) })
}

// byClass divides suites, which stay in their order, into classes. Those of classes that have none are left out.
func byClass(suites []string) (names []string, in map[string][]string) {
	in = map[string][]string{}
	for _, s := range suites {
		in[class(s)] = append(in[class(s)], s)
	}
	for _, c := range classes {
		if in[c] != nil {
			names = append(names, c)
		}
	}
	return names, in
}

// familiar are the suites that most gateways use, and one of each kind beside them: they are looked for first.
var familiar = []string{
	"aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128-sha256", "aes256-sha256", "aes128ccm16", "aes256ccm16",
	"camellia256ccm16", "aes128-aesxcbc", "aes128ctr-sha256", "camellia128-sha256", "aes128-sha1", "3des-sha256", "null-sha256",
}

// choose picks at most so many suites: the familiar ones first, then the others in their order.
func choose(suites []string, most int) (chosen []string) {
	rank := func(s string) int {
		if i := slices.Index(familiar, s); i >= 0 {
			return i
		}
		return len(familiar)
	}
	chosen = slices.Clone(suites)
	slices.SortStableFunc(chosen, func(a, b string) int { return rank(a) - rank(b) })
	return chosen[:min(len(chosen), most)]
}

// commonHead is what all suites begin with up to a hyphen, "" where that is nothing or all.
func commonHead(suites []string) string {
	if len(suites) < 2 {
		return ""
	}
	head := suites[0]
	for _, s := range suites[1:] {
		for !strings.HasPrefix(s, head) {
			head = head[:len(head)-1]
		}
	}
	return head[:strings.LastIndex(head, "-")+1]
}
