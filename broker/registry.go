package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/upcalld/upcalld/nscontext"
)

// Sentinels of registration.
var (
	ErrNoSuchContext = errors.New("no such context")
	ErrNameTaken     = errors.New("name is taken")
	ErrBadName       = errors.New("bad name")
	ErrTooMany       = errors.New("too many contexts")
	ErrDead          = errors.New("container has ended")
	ErrNotContainer  = errors.New("not a container")
)

// Registration is one registered container. What is exported never changes.
type Registration struct {
	ID      uint64 // counted up from 1 in each boot, never used again
	Name    string
	Labels  map[string]string
	Created time.Time

	ids     nscontext.Set
	context *nscontext.Context
	network *network
	flying  atomic.Int32 // upcalls being answered
	alive   context.Context
	end     context.CancelFunc
	config  configState
	upcalls atomic.Uint64
}

// IDs returns the identities of its namespaces.
func (r *Registration) IDs() nscontext.Set { return r.ids }

// PID is the process it was registered by, 0 if by a path.
func (r *Registration) PID() int { return r.context.PID() }

// Path is the namespace file it was registered by, "" if by a process.
func (r *Registration) Path() string { return r.context.Path() }

// Upcalls counts the upcalls it was elected for.
func (r *Registration) Upcalls() uint64 { return r.upcalls.Load() }

// Cached counts the answers kept for its network namespace.
func (r *Registration) Cached() int { return r.network.cache.Stats().Entries }

// take claims one of limit places for an upcall; the caller gives it back with
// release. It never waits.
func (r *Registration) take(limit int) bool {
	if int(r.flying.Add(1)) > limit {
		r.flying.Add(-1)
		return false
	}
	return true
}

func (r *Registration) release() { r.flying.Add(-1) }

// registry holds the registrations, by name and by network namespace.
type registry struct {
	newNetwork func(nscontext.ID) *network

	mu     sync.RWMutex // guards what follows
	byName map[string]*Registration
	byNet  map[nscontext.ID][]*Registration // oldest first
}

func newRegistry(newNetwork func(nscontext.ID) *network) *registry {
	return &registry{
		newNetwork: newNetwork,
		byName:     make(map[string]*Registration),
		byNet:      make(map[nscontext.ID][]*Registration),
	}
}

// add files r under its name and network namespace, has it numbered, and joins
// it to what is kept for that namespace.
func (g *registry) add(r *Registration, limit int, number func() (uint64, error)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.byName[r.Name]; old != nil {
		return fmt.Errorf("register %s: %w by context %d", r.Name, ErrNameTaken, old.ID)
	}
	if len(g.byName) >= limit {
		return fmt.Errorf("register %s: %w: the limit is %d", r.Name, ErrTooMany, limit)
	}
	var err error
	if r.ID, err = number(); err != nil {
		return fmt.Errorf("register %s: %w", r.Name, err)
	}
	id := r.IDs()[nscontext.Net]
	if peers := g.byNet[id]; len(peers) > 0 {
		r.network = peers[0].network
	} else {
		r.network = g.newNetwork(id)
	}
	g.byName[r.Name] = r
	g.byNet[id] = append(g.byNet[id], r)
	return nil
}

// remove takes r out; last tells that its network namespace has no other.
// It reports false if r was not there.
func (g *registry) remove(r *Registration) (last, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byName[r.Name] != r {
		return false, false
	}
	delete(g.byName, r.Name)
	id := r.IDs()[nscontext.Net]
	// A new slice: candidates hands the old one out.
	peers := slices.DeleteFunc(slices.Clone(g.byNet[id]), func(p *Registration) bool { return p == r })
	if len(peers) == 0 {
		delete(g.byNet, id)
		return true, true
	}
	g.byNet[id] = peers
	return false, true
}

func (g *registry) get(name string) (*Registration, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	r := g.byName[name]
	if r == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoSuchContext, name)
	}
	return r, nil
}

// candidates returns those in a network namespace, oldest first. The slice is
// not changed afterwards.
func (g *registry) candidates(net nscontext.ID) []*Registration {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.byNet[net]
}

// list returns all, by id.
func (g *registry) list() []*Registration {
	g.mu.RLock()
	all := slices.Collect(maps.Values(g.byName))
	g.mu.RUnlock()
	slices.SortFunc(all, func(a, b *Registration) int { return int(int64(a.ID) - int64(b.ID)) })
	return all
}
