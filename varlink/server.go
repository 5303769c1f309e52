package varlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("varlink: server closed")

// Handler answers one call: by call.Reply, by returning an *Error, or by
// returning nil, which sends {} where nothing was sent yet. Any other error is
// logged and answered with InternalError, without its text. ctx ends with
// the server and, for a call with more, when the caller goes away or sends
// anything else.
type Handler func(ctx context.Context, call *Call) error

// Server serves interfaces on Unix stream sockets. The fields are set before
// Serve and not changed after; the methods may be called from any goroutine.
type Server struct {
	Vendor, Product, Version, URL string // for org.varlink.service.GetInfo

	// Authorize, if set, is asked before every call, org.varlink.service
	// included. An *Error is the reply; any other error is PermissionDenied.
	Authorize func(peer Peer, method string) error

	MaxConns int           // connections at a time; if zero, DefaultConns
	Timeout  time.Duration // for the rest of a begun message, and for a peer to take a reply; if zero, DefaultTimeout
	Log      *slog.Logger  // if nil, slog.Default()

	mu         sync.Mutex // guards all below
	interfaces map[string]*served
	listeners  map[*net.UnixListener]struct{}
	conns      map[*conn]struct{}
	closed     bool
	ctx        context.Context // of all calls; made with the first listener
	cancel     context.CancelFunc
	wg         sync.WaitGroup // one per connection
}

// Serve accepts connections on l until Shutdown, closes l, and returns
// ErrServerClosed; any other error is the listener's. Several listeners may be
// served at a time.
func (s *Server) Serve(l *net.UnixListener) error {
	if !s.begin(l) {
		l.Close()
		return ErrServerClosed
	}
	defer s.end(l)
	for {
		c, err := l.AcceptUnix()
		switch {
		case err == nil:
			s.accept(c)
		case s.isClosed():
			return ErrServerClosed
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
			s.logger().Warn("varlink: accept", "err", err)
			s.pause(100 * time.Millisecond) // the waiting peer would make this a busy loop
		case errors.Is(err, unix.ECONNABORTED):
		default:
			return fmt.Errorf("varlink: accept: %w", err)
		}
	}
}

// Shutdown stops accepting, closes connections between calls at once and lets
// running calls finish until ctx ends. Then it cancels their context, closes
// their connections and returns ctx's error; streams end only that way or by
// their handler. A Server cannot be served again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close()
	finished := make(chan struct{})
	go func() { s.wg.Wait(); close(finished) }()
	select {
	case <-finished:
		s.cutOff()
		return nil
	case <-ctx.Done():
		s.cutOff()
		return ctx.Err()
	}
}

func (s *Server) begin(l *net.UnixListener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.listeners = make(map[*net.UnixListener]struct{})
		s.conns = make(map[*conn]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) end(l *net.UnixListener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.conns {
		c.closeIfIdle()
	}
}

func (s *Server) cutOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	for c := range s.conns {
		c.uc.Close()
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) pause(d time.Duration) {
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *Server) logger() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return DefaultTimeout
}

func (s *Server) maxConns() int {
	if s.MaxConns > 0 {
		return s.MaxConns
	}
	return DefaultConns
}
