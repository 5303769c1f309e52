package dnsquery

import (
	"context"
	"strings"
)

// search tries the names that name may stand for, as glibc's res_search does
// (resolv/res_query.c, __res_context_search): a name that does not exist, or
// that a server failed on, does not end the search; silence does, because what
// follows would only be more of it, and a later hit could be another host.
func (l *lookup) search(ctx context.Context, c *Config, name string, want Family) (*Answer, *Failure) {
	var fail *Failure
	for _, n := range candidates(c, name) {
		a, f := l.families(ctx, n, want)
		if f == nil {
			return a, nil
		}
		fail = worse(fail, f)
		if !f.negative() && f.Errno != ServFail {
			break
		}
	}
	if fail == nil {
		fail = failed(NotFound, name, "the search list leaves no name to ask")
	}
	return nil, fail
}

// candidates lists the absolute names to ask for name, in order.
func candidates(c *Config, name string) []string {
	dots := strings.Count(name, ".")
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var names []string
	add := func(n string) {
		for _, have := range names {
			if have == n {
				return
			}
		}
		if validName(n) {
			names = append(names, n)
		}
	}
	if dots >= c.Ndots {
		add(name + ".")
	}
	for _, domain := range c.Search {
		if domain = strings.Trim(domain, "."); domain == "" {
			add(name + ".")
		} else {
			add(name + "." + domain + ".")
		}
	}
	if dots > 0 || len(names) == 0 || !c.NoTLDQuery {
		add(name + ".")
	}
	return names
}
