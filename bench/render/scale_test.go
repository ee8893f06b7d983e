package render

import (
	"image/color"
	"math"
	"testing"
)

// TestTicks: ticks are round values, in order, within the scale, of which the ends hold all values.
func TestTicks(t *testing.T) {
	for _, log := range []bool{false, true} {
		for _, ends := range [][2]float64{{0, 2.2}, {0, 0}, {0, 1e29}, {-5, 3}, {0, 99}, {1e-20, 2e-20}, {0.5, 30}, {3, 4}, {0.01, 1e6}, {2.1, 2.2}, {7, 7}, {1e-30, 1e30}} {
			if log && ends[0] <= 0 {
				continue
			}
			s, ticks := newScale(axis{log: log}, ends[0], ends[1], 0, 100, 5)
			if len(ticks) < 2 || len(ticks) > 12 {
				t.Errorf("%v (log %v) has ticks %v", ends, log, ticks)
			}
			for i, x := range ticks {
				place := s.at(x.at)
				if !(place >= -0.01 && place <= 100.01) || i > 0 && x.at <= ticks[i-1].at || x.name == "" {
					t.Errorf("%v (log %v): tick %v is at %v", ends, log, x, place)
				}
			}
			if lo, hi := s.at(ends[0]), s.at(ends[1]); !(lo >= -0.01) || !(hi <= 100.01) {
				t.Errorf("%v (log %v) reaches from %v to %v of 0…100", ends, log, lo, hi)
			}
		}
	}
}

func TestShort(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.025: "0.025", 17.34: "17.3", 1420: "1420", 9999.4: "9999", 10700: "10.7k", 2.5e6: "2.5M", 3e9: "3G", 1e15: "1e15", 1e-7: "1e-07", -20: "-20", -30000: "-30k", 100: "100", 1: "1",
	} {
		if got := short(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
	for text, want := range map[string]string{"1234": "1,234", "10200": "10,200", "4500000": "4,500,000", "-123456.5": "-123,456.5", "-123": "-123", "12": "12"} {
		if got := thousands(text); got != want {
			t.Errorf("%s becomes %s, want %s", text, got, want)
		}
	}
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(c color.NRGBA) float64 {
	r, g, b := linear(c)
	return 0.2126*r + 0.7152*g + 0.0722*b
}

func linear(c color.NRGBA) (r, g, b float64) {
	f := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return f(c.R), f(c.G), f(c.B)
}

// TestContrast: texts have a contrast of 4.5:1 to the paper, the marks of series 3:1 (WCAG 2.2, 1.4.3 and 1.4.11), in both schemes.
func TestContrast(t *testing.T) {
	for name, p := range map[string]palette{"light": light, "dark": dark} {
		for i := range p {
			least := 3.
			switch ink(i) {
			case inkPaper, inkGrid: // what is to be seen through
				continue
			case inkText, inkMuted:
				least = 4.5
			}
			a, b := luminance(p[i]), luminance(p[inkPaper])
			if got := (max(a, b) + 0.05) / (min(a, b) + 0.05); got < least {
				t.Errorf("%s: %s has a contrast of %.2f to the paper, want %.1f", name, ink(i).class(), got, least)
			}
		}
	}
}

// TestColoursApart: neighbours in a plot are apart for those who do not see red or green, too. The matrices are those of Viénot,
// Brettel and Mollon (1999), for linear RGB.
func TestColoursApart(t *testing.T) {
	sights := map[string][3][3]float64{
		"all colours":  {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protanopia":   {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
		"deuteranopia": {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
	}
	for name, p := range map[string]palette{"light": light, "dark": dark} {
		for sight, m := range sights {
			for i := inkSeries; i < inkSeries+2; i++ {
				for j := i + 1; j < inkSeries+3; j++ {
					if d := distance(p[i], p[j], m); d < 15 {
						t.Errorf("%s, %s: %s and %s are %.0f apart, want 15", name, sight, i.class(), j.class(), d)
					}
				}
			}
		}
	}
}

// distance is that of CIELAB (CIE 1976).
func distance(a, b color.NRGBA, sight [3][3]float64) float64 {
	l1, a1, b1 := lab(a, sight)
	l2, a2, b2 := lab(b, sight)
	return math.Hypot(math.Hypot(l1-l2, a1-a2), b1-b2)
}

func lab(c color.NRGBA, m [3][3]float64) (l, a, b float64) {
	r, g, bl := linear(c)
	var s [3]float64
	for i := range s {
		s[i] = min(max(m[i][0]*r+m[i][1]*g+m[i][2]*bl, 0), 1)
	}
	f := func(v float64) float64 {
		if v > 216./24389 {
			return math.Cbrt(v)
		}
		return (24389./27*v + 16) / 116
	}
	x := f((0.4124*s[0] + 0.3576*s[1] + 0.1805*s[2]) / 0.9505)
	y := f(0.2126*s[0] + 0.7152*s[1] + 0.0722*s[2])
	z := f((0.0193*s[0] + 0.1192*s[1] + 0.9505*s[2]) / 1.089)
	return 116*y - 16, 500 * (x - y), 200 * (y - z)
}

// TestClass: the words of every table of goswan have a class.
func TestClass(t *testing.T) {
	for words, want := range map[string]string{
		"aes128gcm16": aead, "aes256ccm8": aead, "chacha20poly1305": aead, "camellia128ccm16": aead, "aes128-sha256": apart, "camellia256ctr-aesxcbc": apart,
		"aes128gmac": "integrity alone", "null-sha256": "integrity alone", "3des-sha256": "older algorithms", "aes128-sha1": "older algorithms", "aes128-md5": "older algorithms",
		"x25519": "elliptic curves", "ecp256bp": "elliptic curves", "modp2048s256": "MODP groups", "mlkem768": "post-quantum", "ED25519": "signatures",
		"RSA_EMSA_PSS_SHA2_256 RSA 3072": "signatures", "ECDSA-256 P-256": "signatures", "aes256gcm16-prfsha384-x25519": "elliptic curves", "": others, "rot13": others, "-": others,
	} {
		if got := class(words); got != want {
			t.Errorf("%q is of class %q, want %q", words, got, want)
		}
	}
}

// TestDashes: a pattern goes on from line to line.
func TestDashes(t *testing.T) {
	d := dasher{lengths: []float64{3, 2}}
	var drawn []float64
	for i := range 3 {
		d.segment(xy{float64(4 * i), 0}, xy{float64(4*i + 4), 0}, func(from, to xy) { drawn = append(drawn, from.x, to.x) })
	}
	for i, want := range []float64{0, 3, 5, 8, 10, 12} {
		if i >= len(drawn) || math.Abs(drawn[i]-want) > 1e-9 {
			t.Fatalf("12 pixels of 3 and 2 by turns are drawn at %v", drawn)
		}
	}
}
