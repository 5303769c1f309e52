package broker

import (
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/upcalld/upcalld/cache"
	"github.com/upcalld/upcalld/nscontext"
)

// network is what is kept for one network namespace as long as a context in it
// is registered: finished answers, questions under way, helpers.
type network struct {
	id      nscontext.ID
	cache   *cache.Cache[cacheKey, answer]
	flights singleflight.Group
	start   *helperStarter
	broker  *Broker

	mu      sync.Mutex // guards what follows
	helpers map[string]*helper
	closed  bool
}

func (b *Broker) newNetwork(id nscontext.ID) *network {
	return &network{
		id: id, broker: b, start: b.helpers,
		cache:   cache.New[cacheKey, answer](b.Policy.CacheEntries, b.Policy.CacheBytes, b.Now),
		helpers: make(map[string]*helper),
	}
}

// helper returns the helper of that kind; it is started when first asked.
func (n *network) helper(kind string) *helper {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.helpers[kind]
	if h == nil {
		h = &helper{kind: kind, network: n, closed: n.closed}
		if !n.closed {
			n.helpers[kind] = h
		}
	}
	return h
}

// close forgets the answers and ends the helpers. Questions under way fail.
func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	helpers := n.helpers
	n.helpers = nil
	n.mu.Unlock()
	n.cache.Clear()
	for _, h := range helpers {
		h.close()
	}
}
