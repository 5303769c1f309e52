package broker

import (
	"testing"
	"time"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/cache"
)

func known(r *Registration, h wire.Hash, seen time.Time) *Registration {
	r.config.known, r.config.hash, r.config.seen = true, h, seen
	return r
}

// Answers are shared where network namespace and configuration are the same,
// and only there.
func TestCacheIsSharedOnlyWhereTheAnswerIsTheSame(t *testing.T) {
	now := time.Unix(1000, 0)
	b := &Broker{Options: Options{Now: func() time.Time { return now }}}
	n := &network{cache: cache.New[cacheKey, answer](10, 1000, b.Now)}
	other := &network{cache: cache.New[cacheKey, answer](10, 1000, b.Now)}
	one, two := wire.Hash{1}, wire.Hash{2}
	q := question{helper: HelperDNS, subject: "foo.bar"}
	n.cache.Put(cacheKey{one, q}, answer{payload: []byte("192.0.2.1")}, 10, time.Minute)
	for name, c := range map[string]struct {
		network *network
		config  wire.Hash
		known   bool
		q       question
		hit     bool
	}{
		"the same":                {n, one, true, q, true},
		"another configuration":   {n, two, true, q, false},
		"another network":         {other, one, true, q, false},
		"configuration not known": {n, one, false, q, false},
		"another name":            {n, one, true, question{helper: HelperDNS, subject: "foo.baz"}, false},
		"other options":           {n, one, true, question{helper: HelperDNS, subject: "foo.bar", options: "ipv6"}, false},
	} {
		r := reg(1, set(2, 20))
		r.network = c.network
		if c.known {
			known(r, c.config, now)
		}
		if a, hit := b.lookUp(r, c.q); hit != c.hit || hit && (!a.hit || a.ttl != time.Minute) {
			t.Errorf("%s: hit %v, %+v", name, hit, a)
		}
	}
}

func TestFlightKey(t *testing.T) {
	q := question{helper: HelperDNS, subject: "foo.bar", options: "list"}
	a, b := reg(1, set(2, 20)), reg(2, set(2, 21))
	now := time.Unix(1000, 0)
	broker := &Broker{Options: Options{Now: func() time.Time { return now }}}
	flightKey := broker.flightKey
	if flightKey(a, q) == flightKey(b, q) {
		t.Error("two contexts of unknown configuration share a question")
	}
	known(a, wire.Hash{1}, now)
	known(b, wire.Hash{1}, now)
	if flightKey(a, q) != flightKey(b, q) {
		t.Error("two contexts of the same configuration ask twice")
	}
	known(b, wire.Hash{1}, now.Add(-configFresh-1))
	if flightKey(a, q) == flightKey(b, q) {
		t.Error("a context whose files may have changed shares a question")
	}
	before := flightKey(a, q)
	if a.config.flush(); flightKey(a, q) == before {
		t.Error("who asks after a flush joins a question from before")
	}
	// Text cannot be moved from one field to the next.
	x := question{helper: HelperDNS, subject: "a\x00b", options: "c"}
	y := question{helper: HelperDNS, subject: "a", options: "b\x00c"}
	if flightKey(a, x) == flightKey(a, y) {
		t.Error("different questions have one key")
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]uint32{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 1 << 62: 1<<31 - 1} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestWithNUL(t *testing.T) {
	b := []byte("::1!")[:3] // with room behind it
	if got := withNUL(b); string(got) != "::1\x00" {
		t.Errorf("%q", got)
	}
	if string(b[:4]) != "::1!" {
		t.Error("the cached answer's buffer was written to")
	}
}
