package resolvconf

import (
	"fmt"
	"strings"
	"time"
)

// String is the canonical resolv.conf of that meaning: equal texts mean the
// same, and parsing it gives r again.
func (r Resolv) String() string {
	var b strings.Builder
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(r.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.Search, " "))
	}
	fmt.Fprintf(&b, "options ndots:%d timeout:%d attempts:%d", r.NDots, r.Timeout/time.Second, r.Attempts)
	for _, f := range flags {
		if *f.of(&r) {
			b.WriteString(" " + f.name)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// String is the canonical hosts line: every source with all four actions.
func (s Sources) String() string {
	var b strings.Builder
	b.WriteString("hosts:")
	for _, source := range s {
		fmt.Fprintf(&b, " %s [", source.Name)
		for status, action := range source.Actions {
			if status > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(statusNames[status] + "=" + actionNames[action])
		}
		b.WriteByte(']')
	}
	b.WriteByte('\n')
	return b.String()
}
