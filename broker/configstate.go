package broker

import (
	"sync"
	"time"

	"github.com/upcalld/upcalld/broker/wire"
)

// configState is what is known of a registration's configuration.
type configState struct {
	mu       sync.Mutex // guards what follows
	known    bool
	hash     wire.Hash
	seen     time.Time // when the look at the files began that found hash
	flushed  uint64    // counts Flush: what was asked before is not kept
	checking bool
}

// configFresh is how long the configuration is believed without a look;
// configStale, how long an answer is given that only then sets a look going. Who
// has not asked for longer waits for the look.
const (
	configFresh = 2 * time.Second
	configStale = 30 * time.Second
)

// lookAgain reads the files where that was done once, but long ago.
func (b *Broker) lookAgain(r *Registration, helper string) bool {
	c := &r.config
	c.mu.Lock()
	stale := c.known && b.Now().Sub(c.seen) > configStale
	c.mu.Unlock()
	return stale && b.readConfig(r, helper)
}

// readConfig has a helper look at the files.
func (b *Broker) readConfig(r *Registration, helper string) bool {
	began, flushed := b.Now(), r.config.flushes()
	reply, err := b.askHelper(r, question{helper: helper}, wire.AskConfig)
	return err == nil && reply.Errno == 0 && r.config.learn(reply.Config, began, flushed)
}

// learn takes note of what a look found that began at a moment, unless a later
// look has found something since. It reports false if Flush came in between.
func (c *configState) learn(hash wire.Hash, began time.Time, flushed uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if flushed != c.flushed {
		return false
	}
	if !c.known || !began.Before(c.seen) {
		c.known, c.hash, c.seen = true, hash, began
	}
	return true
}

func (c *configState) flushes() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushed
}

// flush makes everything asked so far a thing of the past.
func (c *configState) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = false
	c.flushed++
}

// checkConfig has the files looked at, in the background, once at a time.
func (b *Broker) checkConfig(r *Registration, helper string) {
	c := &r.config
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checking || b.ctx.Err() != nil {
		return
	}
	c.checking = true
	b.wg.Go(func() {
		ok := b.readConfig(r, helper)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.checking = false
		if !ok {
			c.known = false // ask before answering next time
		}
	})
}
