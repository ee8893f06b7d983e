package settings

import (
	"slices"
	"strings"
)

// maxExpanded bounds the settings and sections of the tree without references.
const maxExpanded = 1 << 24

// expander puts what sections refer to in their place.
//
// A section is expanded from layers: itself, what it refers to in that order, what those refer to. For a key the first
// layer that has it counts; subsections of one name in several layers are the layers of one expanded subsection.
type expander struct {
	*parser
	root *Section
	// resolving are the references being followed; one that leads back to itself adds nothing.
	resolving map[string]bool
	resolved  map[string][]*Section
	dangling  map[Position]bool
	// ancestors are the layers of each section around the one being expanded.
	ancestors [][]*Section
	budget    int
}

// expand replaces the document's tree by one without references.
func (p *parser) expand() {
	e := &expander{
		parser: p, root: p.doc.Root,
		resolving: map[string]bool{}, resolved: map[string][]*Section{}, dangling: map[Position]bool{},
		budget: min(1<<20+256*p.settings, maxExpanded),
	}
	p.doc.Root = e.section([]*Section{e.root})
	for _, s := range p.doc.Root.sections {
		s.Referenced = p.referenced[s.Name]
	}
}

// section expands a section from its layers, without those that the layers refer to.
func (e *expander) section(layers []*Section) *Section {
	out := New(layers[0].Name, layers[0].At)
	layers = e.flatten(nil, layers)
	again := func(above []*Section) bool { return slices.Equal(above, layers) }
	if len(e.ancestors) > 2*maxDepth || slices.ContainsFunc(e.ancestors, again) {
		e.stop(out.At, "refer to a section that does not contain the one that refers to it", "section %s contains itself by reference", out.Name)
	}
	for _, layer := range layers {
		e.spend(layer, 1+len(layer.values))
	}
	if e.stopped {
		return out
	}
	for _, layer := range layers {
		for _, v := range layer.values {
			if out.findValue(v.Key) < 0 {
				out.put(v)
			}
		}
	}
	e.ancestors = append(e.ancestors, layers)
	e.subsections(out, layers)
	e.ancestors = e.ancestors[:len(e.ancestors)-1]
	out.values = slices.DeleteFunc(out.values, func(v Value) bool { return v.unset })
	out.reindex()
	return out
}

func (e *expander) subsections(out *Section, layers []*Section) {
	seen := map[string]bool{}
	for _, layer := range layers {
		for _, sub := range layer.sections {
			if seen[sub.Name] || e.stopped {
				continue
			}
			seen[sub.Name] = true
			out.sections = append(out.sections, e.section(subsectionsOf(layers, sub.Name)))
		}
	}
}

// spend bounds what references can multiply.
func (e *expander) spend(s *Section, n int) {
	if e.budget -= n; e.budget < 0 {
		e.stop(s.At, "use fewer references to sections that refer on", "the references multiply the settings without bound")
	}
}

// flatten appends sections to layers, each followed by what it refers to, without those that are there already.
func (e *expander) flatten(layers, sections []*Section) []*Section {
	for _, s := range sections {
		if slices.Contains(layers, s) || e.stopped {
			continue
		}
		layers = append(layers, s)
		e.spend(s, len(layers))
		for _, ref := range s.refs {
			layers = e.flatten(layers, e.resolve(ref))
		}
	}
	return layers
}

// resolve finds the sections that a reference means: the one of that path, and those of the same path in what the
// sections on the way refer to.
func (e *expander) resolve(ref reference) []*Section {
	if e.resolving[ref.path] {
		return nil
	}
	found, ok := e.resolved[ref.path]
	if !ok {
		e.resolving[ref.path] = true
		found = []*Section{e.root}
		for name := range strings.SplitSeq(ref.path, ".") {
			found = subsectionsOf(e.flatten(nil, found), name)
		}
		delete(e.resolving, ref.path)
		if len(e.resolving) == 0 {
			e.resolved[ref.path] = found // complete: no reference was cut short on the way
		}
	}
	if len(found) == 0 && len(e.resolving) == 0 && !e.dangling[ref.at] {
		e.dangling[ref.at] = true
		e.fail(ref.at, e.suggest(ref.path), "reference to section %s, which does not exist", ref.path)
	}
	return found
}

// suggest is a hint at what a dangling reference means.
func (e *expander) suggest(path string) string {
	var names []string
	for _, s := range e.root.sections {
		names = append(names, s.Name)
		for _, sub := range s.sections {
			names = append(names, s.Name+"."+sub.Name)
			if sub.Name == path {
				return "write " + s.Name + "." + path + ": a reference begins at the top of the file"
			}
		}
	}
	if near := Nearest(path, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "a reference names the section with its parents, as in `parent.section`"
}

func subsectionsOf(layers []*Section, name string) []*Section {
	var found []*Section
	for _, layer := range layers {
		if sub := layer.Section(name); sub != nil {
			found = append(found, sub)
		}
	}
	return found
}

// reindex makes the maps of a section anew.
func (s *Section) reindex() {
	s.valueAt, s.sectionAt = nil, nil
	if len(s.values) >= indexFrom {
		s.valueAt = make(map[string]int, len(s.values))
		for i := range s.values {
			s.valueAt[s.values[i].Key] = i
		}
	}
	if len(s.sections) >= indexFrom {
		s.sectionAt = make(map[string]int, len(s.sections))
		for i, sub := range s.sections {
			s.sectionAt[sub.Name] = i
		}
	}
}
