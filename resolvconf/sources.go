package resolvconf

import "strings"

// Limits on nsswitch.conf.
const (
	MaxSources      = 16
	MaxSourceName   = 32
	MaxNSSwitchSize = 64 << 10
)

// Status is what a source said; it indexes Source.Actions.
type Status int

// The statuses. A source that is not known here is Unavailable.
const (
	Success     Status = iota
	NotFound           // asked, and there is no such name
	Unavailable        // cannot be asked
	TryAgain           // asked, and there was no answer for now
	statuses
)

var statusNames = [statuses]string{"SUCCESS", "NOTFOUND", "UNAVAIL", "TRYAGAIN"}

// Action is what follows a status.
type Action int

// The actions.
const (
	Continue Action = iota // ask the next source
	Return                 // this is the result
	Merge                  // continue, and add what comes; not done for hosts by glibc
	actions
)

var actionNames = [actions]string{"continue", "return", "merge"}

// Source is one service of the hosts line.
type Source struct {
	Name    string // "files", "dns", or another name: letters, digits, '_', '-'
	Actions [statuses]Action
}

// Known tells whether the source can be asked here. The others count as
// Unavailable, and their action for that decides.
func (s Source) Known() bool { return s.Name == "files" || s.Name == "dns" }

// Sources is the order of a hosts line.
type Sources []Source

// DefaultSources is "files dns", glibc's since 2.34 (nss/nss_database.c).
func DefaultSources() Sources {
	return Sources{newSource("files"), newSource("dns")}
}

func newSource(name string) Source {
	s := Source{Name: name}
	s.Actions[Success] = Return
	return s
}

// ParseNSSwitch finds the hosts line of an nsswitch.conf; the last one wins.
// Without one, or with one that names no source, the result is DefaultSources.
// Where glibc gives up on a malformed line, only the malformed part is ignored.
func ParseNSSwitch(data []byte) (Sources, []Note) {
	var notes notes
	var out Sources
	for n, line := range lines(&notes, data, MaxNSSwitchSize) {
		line, _, _ = strings.Cut(line, "#")
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.Trim(name, space) != "hosts" {
			continue // the other databases' lines are not ours to judge
		}
		if out != nil {
			notes.add(n, "replaces an earlier hosts line")
		}
		p := sourceParser{line: n, notes: &notes}
		if out = p.parse(rest); len(out) == 0 {
			notes.add(n, "the hosts line names no source")
		}
	}
	if len(out) == 0 {
		out = DefaultSources()
	}
	return out, notes
}

// space is C's isspace, less the newline.
const space = " \t\v\f\r"

type sourceParser struct {
	line  int
	out   Sources
	notes *notes
}

func (p *sourceParser) parse(text string) Sources {
	for text = strings.TrimLeft(text, space); text != ""; text = strings.TrimLeft(text, space) {
		if text[0] == '[' {
			inside, rest, closed := strings.Cut(text[1:], "]")
			if !closed {
				p.notes.add(p.line, "a [ without a ]: ignored what follows")
				break
			}
			p.criteria(inside)
			text = rest
			continue
		}
		end := strings.IndexAny(text, space+"[")
		if end < 0 {
			end = len(text)
		}
		if len(p.out) == MaxSources {
			p.notes.add(p.line, "ignored the sources from %s on: there are %d already", quote(text[:end]), MaxSources)
			break
		}
		p.source(text[:end])
		text = text[end:]
	}
	return p.out
}

// source adds one name. A bad name stays as a place of an unknown source, so
// that criteria behind it do not fall to the source before it.
func (p *sourceParser) source(name string) {
	if !sourceNameOK(name) {
		p.notes.add(p.line, "the source %s has no valid name", quote(name))
		name = "invalid"
	}
	s := newSource(name)
	if !s.Known() {
		p.notes.add(p.line, "the source %s is not known and counts as unavailable", quote(name))
	}
	p.out = append(p.out, s)
}

func sourceNameOK(name string) bool {
	for i := range len(name) {
		c := name[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= name[i] && name[i] <= '9' || name[i] == '_' || name[i] == '-') {
			return false
		}
	}
	return name != "" && len(name) <= MaxSourceName
}

// criteria applies the inside of one [...] to the last source.
func (p *sourceParser) criteria(text string) {
	if len(p.out) == 0 {
		p.notes.add(p.line, "ignored [...] before the first source")
		return
	}
	last := &p.out[len(p.out)-1]
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(space, r) }) {
		left, right, ok := strings.Cut(word, "=")
		left, negated := strings.CutPrefix(left, "!")
		status, action := indexFold(statusNames[:], left), indexFold(actionNames[:], right)
		if !ok || status < 0 || action < 0 {
			p.notes.add(p.line, "ignored %s in [...]", quote(word))
			continue
		}
		for s := range last.Actions {
			if (s == status) != negated {
				last.Actions[s] = Action(action)
			}
		}
	}
}

func indexFold(names []string, s string) int {
	for i, name := range names {
		if len(s) == len(name) && strings.EqualFold(name, s) {
			return i
		}
	}
	return -1
}
