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
//   - ID						dropped
//     = ID						the last that was given
type ledger struct {
	mu   sync.Mutex // guards what follows
	file *os.File
	last uint64
	lost map[uint64]nscontext.Set // by the id they had
}

// openLedger reads what is there and starts a new file with what of it counts.
func openLedger(path string) (*ledger, error) {
	l := &ledger{lost: make(map[uint64]nscontext.Set)}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.read(text)
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l.file = f
	for id, ids := range l.lost {
		err = errors.Join(err, l.write(id, ids))
	}
	_, last := fmt.Fprintf(f, "= %d\n", l.last)
	if err := errors.Join(err, last, os.Rename(temp, path)); err != nil {
		f.Close()
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return l, nil
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

func (l *ledger) write(id uint64, ids nscontext.Set) error {
	net, mnt := ids[nscontext.Net], ids[nscontext.Mnt]
	_, err := fmt.Fprintf(l.file, "+ %d %d %d %d %d\n", id, net.Dev, net.Ino, mnt.Dev, mnt.Ino)
	return err
}

func (l *ledger) erase(id uint64) error {
	_, err := fmt.Fprintf(l.file, "- %d\n", id)
	return err
}

// enter gives a registration its id and writes it down before it answers for
// anybody. What it answers for from now on is lost no more.
func (l *ledger) enter(ids, host nscontext.Set) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.write(l.last+1, ids); err != nil {
		return 0, fmt.Errorf("ledger: %w", err)
	}
	l.last++
	for old, was := range l.lost {
		if answersFor(ids, was, host) {
			delete(l.lost, old)
			_ = l.erase(old) // else it is lost once more after the next restart
		}
	}
	return l.last, nil
}

// leave writes down that a registration has ended.
func (l *ledger) leave(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.erase(id)
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
