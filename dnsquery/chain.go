package dnsquery

import (
	"context"
	"fmt"
	"net/netip"
)

// set is the outcome of one question: addresses with their TTL, or a failure.
// A cache of record sets would keep these, by name and type.
type set struct {
	addrs []netip.Addr
	ttl   uint32
	fail  *Failure
}

// chain asks for one record set and follows CNAMEs that an answer leaves open.
func (l *lookup) chain(ctx context.Context, name string, qtype uint16) set {
	p := newPath(name)
	for {
		q := question{name: p.last(), qtype: qtype}
		d, fail := l.servers.ask(ctx, q)
		if fail != nil {
			return set{fail: fail}
		}
		if err := p.extend(d.path); err != nil {
			return set{fail: failed(Loop, name, err.Error())}
		}
		p.ttl = min(p.ttl, d.ttl)
		switch {
		case len(d.addrs) > 0:
			return set{addrs: d.addrs, ttl: p.ttl}
		case d.open():
			continue
		case d.nxdomain:
			return set{fail: &Failure{NotFound, min(p.ttl, d.negTTL), name, "does not exist"}}
		}
		return set{fail: &Failure{NoAddress, min(p.ttl, d.negTTL), name, "has no address of the wanted family"}}
	}
}

// path is the chain of names from the one asked to the one with addresses.
type path struct {
	names []string // canonical, without duplicates
	ttl   uint32   // the least of the CNAMEs so far
}

func newPath(name string) *path { return &path{names: []string{canonical(name)}, ttl: MaxTTL} }

func (p *path) last() string { return p.names[len(p.names)-1] }

// extend adds canonical names, and fails on one that is there already or on
// the MaxChain-th CNAME.
func (p *path) extend(names []string) error {
	for _, n := range names {
		for _, have := range p.names {
			if have == n {
				return fmt.Errorf("CNAME loop over %q", n)
			}
		}
		if len(p.names) > MaxChain {
			return fmt.Errorf("more than %d CNAMEs", MaxChain)
		}
		p.names = append(p.names, n)
	}
	return nil
}
