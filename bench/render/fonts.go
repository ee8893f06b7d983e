package render

import (
	"math"
	"sort"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
)

// parsed are the two fonts of pictures, which the page's texts are measured with too.
var parsed = sync.OnceValue(func() (fonts [2]*sfnt.Font) {
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic("render: a font of golang.org/x/image does not parse: " + err.Error())
		}
		fonts[i] = f
	}
	return fonts
})

// faces are the fonts in the sizes that were asked for. One goroutine uses them.
type faces struct {
	scale float64 // pixels of a CSS pixel
	wider float64 // how much wider the fonts may be that the text is shown with
	made  map[textStyle]font.Face
}

func newFaces(scale, wider float64) *faces {
	return &faces{scale: scale, wider: wider, made: map[textStyle]font.Face{}}
}

func (f *faces) face(t textStyle) font.Face {
	t.muted = false
	face, ok := f.made[t]
	if !ok {
		which := 0
		if t.bold {
			which = 1
		}
		var err error
		face, err = opentype.NewFace(parsed()[which], &opentype.FaceOptions{Size: t.size * f.scale, DPI: 72})
		if err != nil {
			panic("render: no face of a font: " + err.Error())
		}
		f.made[t] = face
	}
	return face
}

// width is how wide a text is, in CSS pixels.
func (f *faces) width(t textStyle, s string) float64 {
	wider := f.wider
	if t.bold {
		wider *= math.Sqrt(wider) // a bold font is wider still
	}
	return float64(font.MeasureString(f.face(t), s)) / 64 / f.scale * wider
}

// maxWords bounds what is looked at of a text that is drawn.
const maxWords = 300

// fit cuts a text to a width, with … at its end when something is missing.
func (f *faces) fit(t textStyle, s string, width float64) string {
	runes := []rune(clean(s))
	cut := len(runes) > maxWords
	runes = runes[:min(len(runes), maxWords)]
	if !cut && f.width(t, string(runes)) <= width {
		return string(runes)
	}
	n := sort.Search(len(runes), func(n int) bool { return f.width(t, string(runes[:n])+"…") > width })
	if n == 0 {
		return ""
	}
	return string(runes[:n-1]) + "…"
}

// wrap breaks a text into at most so many lines of a width.
func (f *faces) wrap(t textStyle, s string, width float64, most int) (lines []string) {
	line := ""
	words := strings.Fields(string([]rune(s)[:min(len([]rune(s)), maxWords)]))
	for i, word := range words {
		longer := strings.TrimSpace(line + " " + word)
		if f.width(t, longer) <= width {
			line = longer
			continue
		}
		if len(lines) == most-1 {
			line = strings.TrimSpace(line + " " + strings.Join(words[i:], " "))
			break
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = word
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = f.fit(t, lines[i], width)
	}
	return lines
}
