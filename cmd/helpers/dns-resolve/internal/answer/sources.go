package answer

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/netconf"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/subject"
	"github.com/upcalld/upcalld/dnsquery"
	"github.com/upcalld/upcalld/resolvconf"
)

// found is a name's addresses, as they came.
type found struct {
	addrs []netip.Addr // never empty
	ttl   uint32
	note  string
}

// noAnswer is a failure that no name server had a part in.
type noAnswer struct {
	errno syscall.Errno
	what  string
}

func (e *noAnswer) Error() string { return e.what }
func (e *noAnswer) Unwrap() error { return e.errno }

// find asks the sources in the order, and with the actions, of nsswitch.conf.
func (a *Answerer) find(ctx context.Context, root *os.File, c *netconf.Config, q subject.Query) (found, error) {
	if q.Literal.IsValid() {
		return literal(q)
	}
	var got found
	var note string
	var err error = &noAnswer{dnsquery.NotFound, "no source knows the name"}
	for _, source := range c.Sources {
		f, e := a.ask(ctx, source.Name, root, c, q)
		note = join(note, f.note)
		if len(f.addrs) > 0 && len(got.addrs) == 0 {
			got = f
		}
		if e != nil && !errors.Is(e, errNotHere) {
			err = e
		}
		if source.Actions[status(f, e)] == resolvconf.Return {
			break
		}
	}
	got.note = note
	if len(got.addrs) == 0 {
		return got, err
	}
	return got, nil
}

// errNotHere: the source cannot be asked, or has no such name, and has nothing
// to say about why.
var errNotHere = &noAnswer{dnsquery.NotFound, "not in this source"}

// ask asks one source.
func (a *Answerer) ask(ctx context.Context, source string, root *os.File, c *netconf.Config, q subject.Query) (found, error) {
	switch source {
	case "files":
		return a.hosts(ctx, root, c, q)
	case "dns":
		return lookup(ctx, c, q)
	}
	return found{}, errUnknown
}

var errUnknown = fmt.Errorf("unknown source: %w", errNotHere)

// status says in nsswitch.conf's terms how a source did.
func status(f found, err error) resolvconf.Status {
	switch {
	case len(f.addrs) > 0:
		return resolvconf.Success
	case err == errUnknown, errors.Is(err, errUnusable), errors.Is(err, dnsquery.Unreachable):
		return resolvconf.Unavailable
	case errors.Is(err, dnsquery.NotFound), errors.Is(err, dnsquery.NoAddress):
		return resolvconf.NotFound
	}
	return resolvconf.TryAgain
}

func literal(q subject.Query) (found, error) {
	family := dnsquery.IPv6
	if q.Literal.Is4() {
		family = dnsquery.IPv4
	}
	if q.Want&family == 0 {
		return found{}, &noAnswer{dnsquery.NoAddress, "an address of another family"}
	}
	return found{addrs: []netip.Addr{q.Literal}, ttl: literalTTL}, nil
}

// hosts looks into the hosts file. One that cannot be read has no names.
func (a *Answerer) hosts(ctx context.Context, root *os.File, c *netconf.Config, q subject.Query) (found, error) {
	ctx, cancel := readTime(ctx)
	defer cancel()
	addrs, err := a.conf.Hosts(ctx, root, c, q.Name, q.Want)
	switch {
	case err != nil:
		return found{note: err.Error()}, errNotHere
	case len(addrs) == 0:
		return found{}, errNotHere
	}
	return found{addrs: addrs, ttl: hostsTTL}, nil
}

// errUnusable: resolv.conf exists and cannot be read.
var errUnusable = errors.New("resolv.conf is not used")

// lookup asks the name servers.
func lookup(ctx context.Context, c *netconf.Config, q subject.Query) (found, error) {
	if c.Unusable != nil {
		return found{}, fmt.Errorf("%w: %w", errUnusable, c.Unusable)
	}
	want := q.Want
	if c.NoAAAA {
		want &^= dnsquery.IPv6
	}
	if want == 0 {
		return found{}, &noAnswer{dnsquery.NoAddress, "resolv.conf forbids AAAA questions"}
	}
	ans, fail := dnsquery.Lookup(ctx, &c.DNS, q.Name, want)
	if fail != nil {
		return found{}, fail
	}
	f := found{addrs: ans.Addrs, ttl: ans.TTL}
	if ans.Missing != nil {
		f.note = "one address family is missing: " + ans.Missing.Error()
	}
	return f, nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
