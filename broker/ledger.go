package broker

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/nscontext"
)

// ledger remembers which ids were given in this boot, and which containers are
// absent: registered once, not any more, and yet perhaps alive. Those must not be
// answered by the stock handler from the host's network.
//
//   - Lost ones were registered when an earlier broker ended, and have not been
//     since. They get ErrLost for lostFor, or until they are registered again.
//   - Ended ones lost the process they were registered by a moment ago; others in
//     their namespace may still run or be on their way. They get ErrGone for
//     endedFor.
//
// Nothing holds an absent container's namespaces, so their inodes may be used
// again for a namespace that nobody registers. Where the kernel numbers
// namespaces that is seen; and both come to an end.
//
// It is a file in the runtime directory, one line for each event, in the order
// they happened; a line that does not parse is passed over. "+" is a registration,
// with its id, the device, inode and serial of its network namespace, the device
// and inode of its mount namespace, and its name; "-" and an id, that it was
// dropped; "=" and an id, the last that was given. It is written anew when most of its lines are of the past.
type ledger struct {
	path string
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	file    *os.File
	lines   int  // in the file
	damaged bool // the last line may be cut short
	frozen  bool // the broker ends
	last    uint64
	live    map[uint64]entry
	absent  map[uint64]absence // by the id they had
}

// entry is a registration as the ledger knows it.
type entry struct {
	name   string
	ids    nscontext.Set
	serial nscontext.Serial // of the network namespace; 0 unknown
}

// absence is what a container gets that is registered no more.
type absence struct {
	entry
	errno unix.Errno
	until time.Time
}

const (
	lostFor  = time.Hour
	endedFor = time.Minute
)

// enter gives a registration its id and writes it down before it answers for
// anybody. What it answers for from now on is absent no more, and neither is one
// of its name, which it has replaced.
func (l *ledger) enter(e entry, host nscontext.Set) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.last + 1
	if err := l.add(line(id, e)); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	l.last, l.live[id] = id, e
	for old, a := range l.absent {
		if answersFor(e.ids, a.ids, host) || a.name == e.name {
			l.forget(old)
		}
	}
	return id, nil
}

// leave writes down that a registration has ended, once: by itself, or because
// somebody said so, who then knows that nobody is there any more.
func (l *ledger) leave(id uint64, byItself bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.live[id]
	if !ok || l.frozen {
		return
	}
	l.forget(id)
	if byItself {
		l.absent[id] = absence{e, ErrGone, l.now().Add(endedFor)}
	}
}

// freeze keeps what is registered now for the next broker: that one ends does not
// count from here.
func (l *ledger) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.frozen = true
}

// forget must be called with the lock held. A line that cannot be written only
// makes the container lost after the next restart.
func (l *ledger) forget(id uint64) {
	delete(l.absent, id)
	delete(l.live, id)
	_ = l.add(fmt.Sprintf("- %d\n", id))
}

// forgetName forgets the lost containers of a name and says how many there were.
func (l *ledger) forgetName(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for id, a := range l.absent {
		if a.name == name && a.errno == ErrLost {
			l.forget(id)
			n++
		}
	}
	return n
}

// lost returns the names of the lost containers, sorted.
func (l *ledger) lost() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire()
	names := make(map[string]bool)
	for _, a := range l.absent {
		if a.errno == ErrLost {
			names[a.name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(names), strings.Compare)
}

// isAbsent says whether a requester may belong to a container that is
// registered no more, and what it gets then. The host itself never does. serial
// finds the serial of the requester's network namespace.
func (l *ledger) isAbsent(requester, host nscontext.Set, serial func() nscontext.Serial) (unix.Errno, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.absent) == 0 || requester.Same(host, nscontext.Net, nscontext.Mnt) {
		return 0, false
	}
	l.expire()
	for _, a := range l.absent {
		if answersFor(a.ids, requester, host) && (a.serial == 0 || a.serial == serial()) {
			return a.errno, true
		}
	}
	return 0, false
}

// expire must be called with the lock held.
func (l *ledger) expire() {
	now := l.now()
	for id, a := range l.absent {
		if now.After(a.until) {
			l.forget(id)
		}
	}
}

// answersFor says whether a context with these namespaces could be elected for
// the requester; see elect.
func answersFor(ids, requester, host nscontext.Set) bool {
	return ids.Same(requester, nscontext.Net, nscontext.Mnt) ||
		ids.Same(requester, nscontext.Net) && !ids.Same(host, nscontext.Net)
}
