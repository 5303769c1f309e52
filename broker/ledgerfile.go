package broker

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/upcalld/upcalld/nscontext"
)

// openLedger reads what is there and starts a new file with what of it counts.
func openLedger(path string, now func() time.Time) (*ledger, error) {
	l := &ledger{path: path, now: now, live: make(map[uint64]entry), absent: make(map[uint64]absence)}
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

func (l *ledger) read(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var sign string
		var id uint64
		var e entry
		net, mnt := &e.ids[nscontext.Net], &e.ids[nscontext.Mnt]
		n, _ := fmt.Sscanf(lines.Text(), "%s %d %d %d %d %d %d %s", &sign, &id, &net.Dev, &net.Ino, &e.serial, &mnt.Dev, &mnt.Ino, &e.name)
		switch {
		case sign == "+" && n == 8:
			l.absent[id] = absence{e, ErrLost, l.now().Add(lostFor)}
		case sign == "-" && n == 2:
			delete(l.absent, id)
		case sign == "=" && n == 2:
		default:
			continue
		}
		l.last = max(l.last, id)
	}
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
	for id, a := range l.absent {
		if a.errno == ErrLost {
			w.WriteString(line(id, a.entry))
		}
	}
	for id, e := range l.live {
		w.WriteString(line(id, e))
	}
	if err := errors.Join(w.Flush(), os.Rename(temp, l.path)); err != nil {
		f.Close()
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.lines, l.damaged = f, 1+len(l.absent)+len(l.live), false
	return nil
}

func line(id uint64, e entry) string {
	net, mnt := e.ids[nscontext.Net], e.ids[nscontext.Mnt]
	return fmt.Sprintf("+ %d %d %d %d %d %d %s\n", id, net.Dev, net.Ino, e.serial, mnt.Dev, mnt.Ino, e.name)
}

// add appends a line, and tidies up when three of four lines are of the past, or
// the last one could not be written whole.
func (l *ledger) add(text string) error {
	if l.damaged || l.lines > 1024+4*(len(l.absent)+len(l.live)) {
		if err := l.rewrite(); err != nil {
			return err
		}
	}
	l.lines++
	if _, err := l.file.WriteString(text); err != nil {
		l.damaged = true
		return err
	}
	return nil
}

func (l *ledger) close() error { return l.file.Close() }
