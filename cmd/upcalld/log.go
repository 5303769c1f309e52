package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// logQueue is how many lines may wait for whoever reads them.
const logQueue = 1024

// logWriter writes lines in the background: an upcall must not wait for a reader
// of the log, who may himself wait for a mount. Lines that find the queue full
// are dropped, and counted in the next one.
type logWriter struct {
	lines   chan []byte
	dropped atomic.Uint64
	quit    chan struct{}
	done    chan struct{}
}

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{lines: make(chan []byte, logQueue), quit: make(chan struct{}), done: make(chan struct{})}
	go l.run(w)
	return l
}

func (l *logWriter) run(w io.Writer) {
	defer close(l.done)
	for {
		select {
		case line := <-l.lines:
			l.put(w, line)
		case <-l.quit:
			for { // what is there already
				select {
				case line := <-l.lines:
					l.put(w, line)
				default:
					return
				}
			}
		}
	}
}

func (l *logWriter) put(w io.Writer, line []byte) {
	if n := l.dropped.Swap(0); n > 0 {
		fmt.Fprintf(w, "level=WARN msg=\"log lines were dropped\" lines=%d\n", n)
	}
	_, _ = w.Write(line)
}

// Write takes one line; slog's handlers write each with one call. It never waits.
func (l *logWriter) Write(line []byte) (int, error) {
	select {
	case l.lines <- append([]byte(nil), line...):
	default:
		l.dropped.Add(1)
	}
	return len(line), nil
}

// close gives what waits a moment to be written. What is written afterwards, by a
// helper that ends late, is lost.
func (l *logWriter) close() {
	close(l.quit)
	select {
	case <-l.done:
	case <-time.After(time.Second):
	}
}

func newLog(level string, w io.Writer) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: l}
	if os.Getenv("JOURNAL_STREAM") != "" {
		// The journal has the time already.
		o.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}
