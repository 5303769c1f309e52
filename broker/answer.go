package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// question is what a context asks of a helper.
type question struct{ helper, subject, options string }

// answer is a payload as text, or an errno.
type answer struct {
	payload []byte
	errno   unix.Errno
	ttl     time.Duration
	note    string
	hit     bool
}

// cacheKey: a question means the same to two contexts of one network namespace
// only if they are configured the same.
type cacheKey struct {
	config wire.Hash
	question
}

// maxTTL and maxNegativeTTL bound what a helper says: it may be compromised, and
// must not outlive itself.
const (
	maxTTL         = 24 * time.Hour
	maxNegativeTTL = 5 * time.Minute
)

// answer returns the answer of r's own network and files. It returns when ctx
// ends or the container does, whatever the helper is at.
func (b *Broker) answer(ctx context.Context, r *Registration, q question) answer {
	if a, ok := b.lookUp(r, q); ok {
		b.counters.Hits.Add(1)
		return a
	}
	b.counters.Misses.Add(1)
	flight := r.network.flights.DoChan(b.flightKey(r, q), func() (any, error) {
		return b.ask(r, q), nil
	})
	select {
	case res := <-flight:
		return res.Val.(answer)
	case <-r.alive.Done():
		return answer{errno: ErrGone, ttl: time.Second, note: "the container ended"}
	case <-ctx.Done():
		return answer{errno: ErrTimeout, ttl: time.Second, note: "no answer before the deadline"}
	}
}

// lookUp answers from the cache. If the files have not been looked at for a
// while that is set going, for the next time: a hit does not wait for a
// container's file system.
func (b *Broker) lookUp(r *Registration, q question) (answer, bool) {
	c := &r.config
	c.mu.Lock()
	known, hash, seen := c.known, c.hash, c.seen
	c.mu.Unlock()
	if !known || b.Now().Sub(seen) > configStale {
		return answer{}, false
	}
	a, left, ok := r.network.cache.Get(cacheKey{hash, q})
	if !ok {
		return answer{}, false
	}
	a.ttl, a.hit = left, true
	if b.Now().Sub(seen) > configFresh {
		b.checkConfig(r, q.helper)
	}
	return a, true
}

// flightKey joins askers whose answer must be the same: the same context's, and
// those whose configuration is known to be the same.
func (b *Broker) flightKey(r *Registration, q question) string {
	c := &r.config
	c.mu.Lock()
	defer c.mu.Unlock()
	who := fmt.Sprintf("context %d %d", r.ID, c.flushed)
	if c.known && b.Now().Sub(c.seen) <= configFresh {
		who = fmt.Sprintf("%x %d", c.hash, c.flushed)
	}
	return fmt.Sprintf("%s\x00%s\x00%d\x00%s\x00%s", who, q.helper, len(q.subject), q.subject, q.options)
}

// ask puts the question to the helper and keeps what it says. If it is long ago
// that the files were looked at, they are first: the answer may be here.
func (b *Broker) ask(r *Registration, q question) answer {
	if b.lookAgain(r, q.helper) {
		if a, ok := b.lookUp(r, q); ok {
			return a
		}
	}
	began, flushed := b.Now(), r.config.flushes()
	reply, err := b.askHelper(r, q, wire.AskAnswer)
	if err != nil {
		return failure(err)
	}
	a := answer{payload: reply.Payload, errno: unix.Errno(reply.Errno), note: string(reply.Note)}
	a.ttl = bounded(time.Duration(reply.TTL)*time.Second, a.errno)
	if refusal(reply) {
		return a // of this moment: not for the cache
	}
	if r.config.learn(reply.Config, began, flushed) {
		size := int64(len(a.payload)+len(a.note)+len(q.subject)+len(q.options)) + 256
		r.network.cache.Put(cacheKey{reply.Config, q}, a, size, a.ttl)
	}
	return a
}

func bounded(ttl time.Duration, errno unix.Errno) time.Duration {
	if errno != 0 {
		return min(ttl, maxNegativeTTL)
	}
	return min(ttl, maxTTL)
}

// askTime bounds one question to a helper, whoever waits for it.
const askTime = 10*time.Second - 2*margin

// askHelper needs r to be alive; a closed context is ErrGone.
func (b *Broker) askHelper(r *Registration, q question, ask wire.Ask) (wire.Reply, error) {
	ctx, cancel := context.WithTimeout(b.ctx, askTime)
	defer cancel()
	return r.network.helper(q.helper).ask(ctx, r.context, wire.Question{
		Ask: ask, Etc: []byte(r.context.Etc()), Subject: []byte(q.subject), Options: []byte(q.options),
	})
}

// failure turns a helper's failure into what the requester gets.
func failure(err error) answer {
	a := answer{errno: ErrHelper, ttl: time.Second, note: err.Error()}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		a.errno = ErrTimeout
	case errors.Is(err, errContextGone):
		a.errno = ErrGone
	case errors.Is(err, errQuestion):
		a.errno = ErrBadRequest
	}
	return a
}
