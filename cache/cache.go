// Package cache keeps answers for a limited time, in a limited space. The
// broker keeps finished upcall answers in it, one cache for each network
// namespace; a helper may keep the record sets it looked up.
package cache

import (
	"container/list"
	"sync"
	"time"
)

// Cache maps keys to values that expire. It holds at most its number of
// entries and bytes; beyond, the entry that was used longest ago goes. All
// methods may be called concurrently; none blocks on anything but a short lock.
type Cache[K comparable, V any] struct {
	maxEntries int
	maxBytes   int64
	now        func() time.Time

	mu      sync.Mutex // guards what follows
	entries map[K]*list.Element
	order   *list.List // of *entry, last used first
	bytes   int64
	stats   Stats
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	size    int64
	expires time.Time
}

// Stats counts since the cache was made. Entries and Bytes are of now.
type Stats struct {
	Hits, Misses, Expired, Evicted uint64
	Entries                        int
	Bytes                          int64
}

// New returns an empty cache. Time comes from now, so that tests can turn it.
func New[K comparable, V any](maxEntries int, maxBytes int64, now func() time.Time) *Cache[K, V] {
	return &Cache[K, V]{
		maxEntries: maxEntries, maxBytes: maxBytes, now: now,
		entries: make(map[K]*list.Element), order: list.New(),
	}
}

// Get returns the value and what is left of its life.
func (c *Cache[K, V]) Get(key K) (value V, left time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el := c.entries[key]
	if el == nil {
		c.stats.Misses++
		return value, 0, false
	}
	e := el.Value.(*entry[K, V])
	if left = e.expires.Sub(c.now()); left <= 0 {
		c.remove(el)
		c.stats.Expired++
		c.stats.Misses++
		return value, 0, false
	}
	c.order.MoveToFront(el)
	c.stats.Hits++
	return e.value, left, true
}

// Put stores the value for ttl; size is what it counts for in bytes. One that
// is larger than the cache, or has no life, is not stored.
func (c *Cache[K, V]) Put(key K, value V, size int64, ttl time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.entries[key]; el != nil {
		c.remove(el)
	}
	if ttl <= 0 || size > c.maxBytes || c.maxEntries < 1 {
		return
	}
	e := &entry[K, V]{key: key, value: value, size: size, expires: c.now().Add(ttl)}
	c.entries[key] = c.order.PushFront(e)
	c.bytes += size
	for len(c.entries) > c.maxEntries || c.bytes > c.maxBytes {
		c.remove(c.order.Back())
		c.stats.Evicted++
	}
}

// Clear forgets everything and returns how many entries that were.
func (c *Cache[K, V]) Clear() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.entries)
	clear(c.entries)
	c.order.Init()
	c.bytes = 0
	return n
}

// Stats returns the counters.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Entries, s.Bytes = len(c.entries), c.bytes
	return s
}

// remove must be called with the lock held.
func (c *Cache[K, V]) remove(el *list.Element) {
	e := c.order.Remove(el).(*entry[K, V])
	delete(c.entries, e.key)
	c.bytes -= e.size
}
