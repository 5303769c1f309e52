package broker

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/upcalld/upcalld/nscontext"
)

// ledger remembers for the rest of the boot which ids were given, and which
// containers were registered when an earlier broker of this boot ended. Those
// are lost until they are registered again: they get an errno meanwhile, not
// the stock handler's answer from the host's network.
//
// It is a file in the runtime directory, one line for each event, in the order
// they happened; a line that does not parse is passed over:
//
//   - ID NET-DEVICE NET-INODE MNT-DEVICE MNT-INODE	registered
//   - ID	dropped
//     = ID	the last that was given
//
// It is written anew when most of its lines are of the past.
type ledger struct {
	path string

	mu    sync.Mutex // guards what follows
	file  *os.File
	lines int // in the file
	last  uint64
	lost  map[uint64]nscontext.Set // by the id they had
	live  map[uint64]nscontext.Set
}

// openLedger reads what is there and starts a new file with what of it counts.
func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path, lost: make(map[uint64]nscontext.Set), live: make(map[uint64]nscontext.Set)}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.read(text)
	if err := l.rewrite(); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
}

// rewrite replaces the file by one of what counts, or leaves it as it was.
func (l *ledger) rewrite() error {
	temp := l.path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "= %d\n", l.last)
	for _, those := range []map[uint64]nscontext.Set{l.lost, l.live} {
		for id, ids := range those {
			fmt.Fprint(w, registeredLine(id, ids))
		}
	}
	if err := errors.Join(w.Flush(), os.Rename(temp, l.path)); err != nil {
		f.Close()
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.lines = f, 1+len(l.lost)+len(l.live)
	return nil
}

// add appends a line, and tidies up when three of four lines are of the past.
func (l *ledger) add(line string) error {
	if _, err := l.file.WriteString(line); err != nil {
		return err
	}
	if l.lines++; l.lines > 1024+4*(len(l.lost)+len(l.live)) {
		return l.rewrite()
	}
	return nil
}

func (l *ledger) read(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var sign string
		var id uint64
		var net, mnt nscontext.ID
		n, _ := fmt.Sscanf(lines.Text(), "%s %d %d %d %d %d", &sign, &id, &net.Dev, &net.Ino, &mnt.Dev, &mnt.Ino)
		switch {
		case sign == "+" && n == 6:
			var ids nscontext.Set
			ids[nscontext.Net], ids[nscontext.Mnt] = net, mnt
			l.lost[id] = ids
		case sign == "-" && n == 2:
			delete(l.lost, id)
		case sign == "=" && n == 2:
		default:
			continue
		}
		l.last = max(l.last, id)
	}
}

func registeredLine(id uint64, ids nscontext.Set) string {
	net, mnt := ids[nscontext.Net], ids[nscontext.Mnt]
	return fmt.Sprintf("+ %d %d %d %d %d\n", id, net.Dev, net.Ino, mnt.Dev, mnt.Ino)
}

// enter gives a registration its id and writes it down before it answers for
// anybody. What it answers for from now on is lost no more.
func (l *ledger) enter(ids, host nscontext.Set) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := l.last + 1
	if err := l.add(registeredLine(id, ids)); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	l.last, l.live[id] = id, ids
	for old, was := range l.lost {
		if answersFor(ids, was, host) {
			l.forget(old)
		}
	}
	return id, nil
}

// leave writes down that a registration has ended.
func (l *ledger) leave(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(id)
}

// forget must be called with the lock held. A line that cannot be written only
// makes the container lost after the next restart.
func (l *ledger) forget(id uint64) {
	delete(l.lost, id)
	delete(l.live, id)
	_ = l.add(fmt.Sprintf("- %d\n", id))
}

// isLost says whether a requester belongs to a container that was registered
// before a restart.
func (l *ledger) isLost(requester, host nscontext.Set) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ids := range l.lost {
		if answersFor(ids, requester, host) {
			return true
		}
	}
	return false
}

// answersFor says whether a context with these namespaces could be elected for
// the requester; see elect.
func answersFor(ids, requester, host nscontext.Set) bool {
	return ids.Same(requester, nscontext.Net, nscontext.Mnt) ||
		ids.Same(requester, nscontext.Net) && !ids.Same(host, nscontext.Net)
}

func (l *ledger) close() error { return l.file.Close() }
