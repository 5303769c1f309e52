package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quiet is a log that containers can write to, through what they ask, and so is
// bounded: so many lines a second of each message, and then a count of those
// that were held back.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex // guards lines
	lines map[string]*quietLine
}

type quietLine struct {
	second     int64
	written    int
	suppressed int
}

const quietPerSecond = 5

func newQuiet(log *slog.Logger, now func() time.Time) *quiet {
	return &quiet{log: log, now: now, lines: make(map[string]*quietLine)}
}

// write logs msg; there must be a fixed number of different ones.
func (q *quiet) write(level slog.Level, msg string, args ...any) {
	suppressed, ok := q.admit(msg)
	if !ok {
		return
	}
	if suppressed > 0 {
		args = append(args, "suppressed", suppressed)
	}
	q.log.Log(context.Background(), level, msg, args...)
}

func (q *quiet) admit(msg string) (suppressed int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[msg]
	if l == nil {
		l = &quietLine{}
		q.lines[msg] = l
	}
	if s := q.now().Unix(); s != l.second {
		l.second, l.written = s, 0
	}
	if l.written >= quietPerSecond {
		l.suppressed++
		return 0, false
	}
	l.written++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}

// text cuts what a container wrote to a length fit for a log. The handlers
// escape it.
func text(b []byte) string {
	const most = 128
	if len(b) > most {
		return string(b[:most]) + "..."
	}
	return string(b)
}
