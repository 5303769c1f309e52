package main

import (
	"time"
)

// guardTime is how long the guard waits for the key's references to settle
// before it looks for waiters. The unlink frees the keyring's reference after an
// RCU grace period: up to 22 ms were seen, more on a busy host, so that without
// a waiter in sight it goes on waiting until guardLimit.
const (
	guardTime  = 30 * time.Millisecond
	guardLimit = 400 * time.Millisecond
	guardPause = 10 * time.Millisecond
)

// ownUsage is the number of references to an isolated key nobody else waits
// for: the requester's and the auth key's.
const ownUsage = 2

// guard notices others that wait on the key: those that found it in the shared
// keyring before it was taken out. They would be given this requester's answer,
// whatever their namespace.
//
// It watches the key's usage count while the question is being asked, which
// costs nothing. Only if that does not settle are the stacks of all tasks
// looked at: whoever waits for a key, and in which network namespace.
type guard struct {
	since   time.Time // of the unlink; zero: not needed
	clear   bool      // nobody else holds the key
	waiters int
}

func (g *guard) begin() { g.since = time.Now() }

// saw takes note of the key's usage count. A count of 0 is a key we cannot see
// and settles nothing.
func (g *guard) saw(usage int) {
	if g.since.IsZero() {
		return
	}
	if usage == ownUsage {
		g.clear = true
	}
	g.waiters = max(usage-ownUsage, 0)
}

// pending says whether there is still something to watch.
func (g *guard) pending() bool {
	return !g.since.IsZero() && !g.clear && time.Since(g.since) < guardTime
}

// look reads the count once more.
func (u *upcall) look() {
	if f, err := findUpcall(u.key, u.auth); err == nil {
		u.guard.saw(f.Usage)
	}
}

// foreign says whether somebody from another network namespace may be waiting
// on the key. It waits until guardTime after the unlink for the references to
// settle, and only if they have not walks over the host's tasks, again and again
// for guardLimit.
func (g *guard) foreign(u *upcall) bool {
	if g.since.IsZero() || testSwitch("guard") {
		return false
	}
	for until := time.Now().Add(guardLimit); ; {
		if !g.clear {
			u.look()
		}
		switch {
		case g.clear:
			g.waiters = 0
			return false
		case g.pending():
			time.Sleep(time.Millisecond)
			continue
		}
		// Waiters of the requester's own namespace may have its answer. All must
		// be accounted for, and none may be from elsewhere.
		w := lookAround(u.found.Thread, guardLimit)
		switch {
		case !w.complete || w.foreign > 0:
			return true
		case g.waiters > 0 && w.own >= g.waiters:
			return false
		case time.Now().After(until):
			return true
		}
		time.Sleep(guardPause)
	}
}
