package render

import (
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// node is an element or a text of the page. All that comes from a run becomes part of it by text, or as the value of an
// attribute; html.Render escapes both.
type node struct{ *html.Node }

// element makes an element with attributes, each a name and a value.
func element(name string, attributes ...string) node {
	n := node{&html.Node{Type: html.ElementNode, Data: name}}
	for i := 0; i+1 < len(attributes); i += 2 {
		n.set(attributes[i], attributes[i+1])
	}
	return n
}

// set sets an attribute.
func (n node) set(name, value string) {
	n.Attr = append(n.Attr, html.Attribute{Key: name, Val: clean(value)})
}

// with appends children, and returns the element.
func (n node) with(children ...node) node {
	for _, c := range children {
		n.AppendChild(c.Node)
	}
	return n
}

// text makes a text.
func text(s string) node { return node{&html.Node{Type: html.TextNode, Data: clean(s)}} }

// clean replaces what cannot be printed, in XML as little as on a screen: control characters, those that turn the direction of
// the text around them, and octets that are no UTF-8.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
