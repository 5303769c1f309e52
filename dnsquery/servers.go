package dnsquery

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	defaultTimeout  = 5 * time.Second
	defaultAttempts = 2
)

// servers asks name servers in turn. It lives for one lookup and may be used
// concurrently.
type servers struct {
	addrs    []netip.AddrPort
	timeout  time.Duration
	attempts int
	tcp      bool

	mu     sync.Mutex
	silent []int // guarded by mu: tries each server has let pass in this lookup
}

func newServers(c *Config) *servers {
	s := &servers{addrs: c.Servers, timeout: c.Timeout, attempts: c.Attempts, tcp: c.UseTCP}
	s.addrs = slices.Clone(s.addrs[:min(len(s.addrs), MaxServers)])
	if n := len(s.addrs); c.Rotate && n > 1 {
		first := rand.IntN(n)
		s.addrs = append(s.addrs[first:], s.addrs[:first]...)
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if s.attempts <= 0 {
		s.attempts = defaultAttempts
	}
	s.silent = make([]int, len(s.addrs))
	return s
}

// ask returns the first usable answer to q. A server that said something is
// not asked again; one that was silent, or spoke nonsense only, is.
func (s *servers) ask(ctx context.Context, q question) (*digest, *Failure) {
	fail := failed(Unreachable, q.name, "no name server is configured")
	if len(s.addrs) > 0 {
		fail = nil
	}
	turn := s.order()
	for round := 0; round < s.attempts && len(turn) > 0; round++ {
		var again []int
		for i, n := range turn {
			tries := len(turn)*(s.attempts-round) - i
			d, f := s.try(ctx, n, q, tries)
			if f == nil {
				return d, nil
			}
			fail = worse(fail, f)
			if f.Errno == TimedOut || f.Errno == Malformed {
				again = append(again, n)
			}
		}
		if ctx.Err() != nil {
			break
		}
		turn = again
	}
	return nil, fail
}

// try asks server n, and takes no more of the time left than leaves the tries
// still to come as much each: a dead first server must not eat it all.
func (s *servers) try(ctx context.Context, n int, q question, tries int) (*digest, *Failure) {
	wait := s.timeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)/time.Duration(tries))
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	d, f := exchange(ctx, s.addrs[n], q, s.tcp)
	if f != nil && f.Errno == TimedOut {
		s.mu.Lock()
		s.silent[n]++
		s.mu.Unlock()
	}
	return d, f
}

// order lists the servers, those that were silent before behind the others, so
// that a dead server costs its timeout once and not once per search domain.
func (s *servers) order() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn := make([]int, len(s.addrs))
	for i := range turn {
		turn[i] = i
	}
	slices.SortStableFunc(turn, func(a, b int) int { return s.silent[a] - s.silent[b] })
	return turn
}
