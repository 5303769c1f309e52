// Package serve answers the broker's questions on a Unix socket.
//
//	listener (from the activator) -> connections -> questions, each with one
//	root handle -> Handler, several at a time -> replies, in any order
//
// The files: serve.go the server's life, conn.go one connection, inherit.go
// the listeners that were inherited.
//
// The process may end at any time without losing a question: it first refuses
// new ones (shutdown(2) for reading: the peer's next send fails with EPIPE),
// then answers those that are there already. Connections that were not yet
// accepted stay with the activator, who holds the listening socket too.
package serve

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/upcalld/upcalld/broker/wire"
)

// Limits on what the peers can make of us.
const (
	MaxInFlight = 256 // questions answered at a time; more get EBUSY
	MaxConns    = 16  // connections at a time; more wait in the backlog
	finishTime  = 2 * time.Second
)

// Handler answers one question. root is the handle that came with it, and is
// closed when Handler returns. ctx ends when the time for the answer is over.
// The reply's ID is filled in by the caller. It is called concurrently.
type Handler func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply

// Server serves until it has been idle for Idle, or is told to stop. Use it
// once.
type Server struct {
	Handler Handler
	Idle    time.Duration // without a question; if zero for ever

	mu        sync.Mutex // guards what follows
	conns     map[*conn]bool
	listeners []*net.UnixListener
	stopping  bool
	busy      int // questions in flight

	slots  chan struct{} // one per connection
	events chan struct{} // a question began or ended
	work   sync.WaitGroup
}

// Run serves on the listeners, which it closes. It returns nil when it has
// been idle, or after ctx has ended and what was in flight is answered or two
// seconds have passed.
func (s *Server) Run(ctx context.Context, listeners []*net.UnixListener) error {
	s.conns = make(map[*conn]bool)
	s.slots = make(chan struct{}, MaxConns)
	s.events = make(chan struct{}, 1)
	s.listeners = listeners
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		s.work.Go(func() { failed <- s.accept(base, l) })
	}
	err := s.wait(ctx, failed)
	s.stop()
	s.finish(cancel)
	return err
}

// wait returns when it is time to stop.
func (s *Server) wait(ctx context.Context, failed <-chan error) error {
	idle := time.NewTimer(s.Idle)
	defer idle.Stop()
	for {
		var expired <-chan time.Time
		if s.Idle > 0 && s.inFlight() == 0 {
			expired = idle.C
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-expired:
			return nil
		case <-s.events:
			idle.Reset(s.Idle)
		}
	}
}

// stop refuses new connections and new questions.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	for _, l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		_ = c.CloseRead()
	}
}

// finish waits for the answers under way, but not for long.
func (s *Server) finish(cancel context.CancelFunc) {
	done := make(chan struct{})
	go func() { s.work.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(finishTime):
	}
	cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// accept takes connections until the listener is closed.
func (s *Server) accept(ctx context.Context, l *net.UnixListener) error {
	for {
		s.slots <- struct{}{}
		u, err := l.AcceptUnix()
		if err != nil {
			<-s.slots
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		c := &conn{UnixConn: u, server: s}
		s.add(c)
		s.work.Go(func() {
			c.serve(ctx)
			s.remove(c)
			<-s.slots
		})
	}
}

func (s *Server) add(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
	if s.stopping {
		_ = c.CloseRead() // what it has sent already is still answered
	}
}

func (s *Server) remove(c *conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// begin counts a question, or says that there are too many.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy >= MaxInFlight {
		return false
	}
	s.busy++
	s.notify()
	return true
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.notify()
}

func (s *Server) inFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

func (s *Server) notify() {
	select {
	case s.events <- struct{}{}:
	default:
	}
}
