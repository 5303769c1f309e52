package broker

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// Resolved is an answer outside of any upcall.
type Resolved struct {
	Text  string // as the helper gave it
	Errno unix.Errno
	TTL   time.Duration
	Hit   bool
	Note  string
}

// Resolve answers a name as an upcall of the context would be answered, from
// the same cache, and without any key. Options are those of a dns_resolver
// key's callout: "", "ipv4", "ipv6", "list". [ErrNoSuchContext].
func (b *Broker) Resolve(ctx context.Context, name, subject, options string) (Resolved, error) {
	r, err := b.registry.get(name)
	if err != nil {
		return Resolved{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	a := b.answer(ctx, r, question{helper: HelperDNS, subject: subject, options: options})
	return Resolved{Text: string(a.payload), Errno: a.errno, TTL: a.ttl, Hit: a.hit, Note: a.note}, nil
}

// Flush forgets the cached answers of a context, or of all if name is "", and
// those in the kernel's shared rings, which are everybody's. It returns how
// many answers the broker had. [ErrNoSuchContext].
func (b *Broker) Flush(name string) (int, error) {
	all := b.registry.list()
	if name != "" {
		r, err := b.registry.get(name)
		if err != nil {
			return 0, err
		}
		all = []*Registration{r}
	}
	n := 0
	for _, r := range all {
		r.config.flush()
		n += r.network.cache.Clear()
	}
	return n, b.isolator.clear()
}
