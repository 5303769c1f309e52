package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/upcalld/upcalld/nscontext"
)

// Bounds of what a registration says of itself.
const (
	maxName   = 128
	maxLabels = 64
	maxLabel  = 1024 // bytes of key and value together
)

// Register files a captured context under a name, takes it over, and returns
// the registration. The first one also makes sure that no earlier answer of the
// host is left in the kernel's caches, which may wait for upcalls in flight.
// [ErrBadName], [ErrNameTaken], [ErrTooMany], [ErrDead]; the context is closed
// on error too.
func (b *Broker) Register(ctx context.Context, name string, c *nscontext.Context, labels map[string]string) (*Registration, error) {
	r, err := b.register(ctx, name, c, labels)
	if err == nil && b.ctx.Err() != nil {
		err = b.ctx.Err() // Close has begun
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	b.Log.Info("registered", "context", r.ID, "name", r.Name, "pid", r.PID(), "path", r.Path(),
		"namespaces", r.IDs().String())
	b.wg.Go(func() {
		<-c.Dead()
		b.drop(r, "container has ended", true)
	})
	return r, nil
}

func (b *Broker) register(ctx context.Context, name string, c *nscontext.Context, labels map[string]string) (*Registration, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := checkLabels(labels); err != nil {
		return nil, err
	}
	if err := b.checkNamespaces(c.IDs()); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	if err := b.isolator.begin(ctx); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	r := &Registration{Name: name, Labels: labels, Created: b.Now(), ids: c.IDs(), context: c}
	r.alive, r.end = context.WithCancel(b.ctx)
	number := func() (uint64, error) { return b.ledger.enter(entry{r.Name, r.ids, c.NetSerial()}, b.initial) }
	if err := b.registry.add(r, b.Policy.MaxContexts, number); err != nil {
		r.end()
		return nil, err
	}
	// It may have died before it was in the registry to be dropped from.
	if !c.Alive() || !c.Recheck() {
		b.drop(r, "container ended during registration", true)
		return nil, fmt.Errorf("register %s: %w", name, ErrDead)
	}
	return r, nil
}

// Lost returns the names of containers that were registered when an earlier
// broker of this boot ended, and have not been registered since.
func (b *Broker) Lost() []string { return b.ledger.lost() }

// Unregister forgets a context, or one that is lost. Its upcalls in flight are answered with
// [ErrGone]. [ErrNoSuchContext].
func (b *Broker) Unregister(name string) error {
	r, err := b.registry.get(name)
	if err != nil {
		if b.ledger.forgetName(name) > 0 {
			b.Log.Info("forgot a container that was lost in a restart", "name", name)
			return nil
		}
		return err
	}
	b.drop(r, "unregistered", false)
	return nil
}

// drop takes a registration out for good. It is in the ledger as absent before it
// is out of the registry: who asks meanwhile is the one or the other.
func (b *Broker) drop(r *Registration, why string, byItself bool) {
	b.ledger.leave(r.ID, byItself)
	b.release(r, why)
}

// release takes a registration out and gives back all that was held for it, once.
func (b *Broker) release(r *Registration, why string) {
	last, ok := b.registry.remove(r)
	if !ok {
		return
	}
	r.end()
	if last {
		r.network.close()
	}
	if err := r.context.Close(); err != nil {
		b.Log.Warn("closing handles", "context", r.ID, "name", r.Name, "err", err)
	}
	b.Log.Info("dropped", "context", r.ID, "name", r.Name, "why", why)
}

// List returns all registrations, oldest first.
func (b *Broker) List() []*Registration { return b.registry.list() }

// Get returns one registration. [ErrNoSuchContext].
func (b *Broker) Get(name string) (*Registration, error) { return b.registry.get(name) }

// checkNamespaces refuses the host itself: whoever answers for its namespaces
// would answer every upcall of the host's.
func (b *Broker) checkNamespaces(ids nscontext.Set) error {
	switch {
	case !ids.Has(nscontext.Net):
		return fmt.Errorf("%w: it has no network namespace", ErrNotContainer)
	case !ids.Same(b.initial, nscontext.Net):
		return nil
	case !ids.Has(nscontext.Mnt):
		return fmt.Errorf("%w: this is the host's network namespace; give a process of the container", ErrNotContainer)
	case ids.Same(b.initial, nscontext.Mnt):
		return fmt.Errorf("%w: it lives in the host's network and mount namespaces; has it entered its own yet?", ErrNotContainer)
	}
	return nil
}

// checkName admits what orchestrators call containers, and nothing that would
// mislead in a log or a path.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("%w: %d bytes long, not 1 to %d", ErrBadName, len(name), maxName)
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("._-:@/", rune(c))) {
			return fmt.Errorf("%w %q: byte %d is %q; letters, digits and then ._-:@/ are allowed", ErrBadName, name, i, c)
		}
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels, at most %d are allowed", len(labels), maxLabels)
	}
	for k, v := range labels {
		if k == "" || len(k)+len(v) > maxLabel || slices.ContainsFunc([]byte(k+v), func(c byte) bool { return c < ' ' || c == 0x7f }) {
			return fmt.Errorf("label %.40q: empty, too long, or with control characters", k)
		}
	}
	return nil
}
