package varlink

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// conn is one connection. All but closeIfIdle belongs to its own goroutine.
type conn struct {
	s    *Server
	uc   *net.UnixConn
	r    *bufio.Reader
	peer Peer

	mu      sync.Mutex // guards the two below
	busy    bool       // a call is running
	closing bool       // no further call may begin
}

func (c *conn) closeIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	if !c.busy {
		c.uc.Close()
	}
}

// begin marks a call as running, unless the server is closing.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = !c.closing
	return c.busy
}

// finish marks it as over and says whether another may follow.
func (c *conn) finish() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	return !c.closing
}

// run serves one call after another until the peer leaves or misbehaves.
func (c *conn) run() {
	defer c.s.remove(c)
	defer c.uc.Close()
	for {
		frame, err := nextFrame(c.uc, c.r, c.s.timeout())
		if err == nil {
			err = c.serve(frame)
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed):
			c.s.logger().Info("varlink: connection ended", "pid", c.peer.PID, "uid", c.peer.UID, "err", err)
		}
		return
	}
}

// serve answers one message. An error ends the connection: after a message
// that is no call, or half a reply, nobody knows where the next one starts.
func (c *conn) serve(frame []byte) error {
	m, err := parseCall(frame)
	if err != nil {
		return err
	}
	if !c.begin() {
		return net.ErrClosed
	}
	call := &Call{Method: m.Method, Peer: c.peer, More: m.More && !m.Oneway, Oneway: m.Oneway, parameters: m.Parameters, send: c.send}
	err = c.answer(call, m.Upgrade)
	if !c.finish() && err == nil {
		return net.ErrClosed
	}
	return err
}

func parseCall(frame []byte) (m callMessage, err error) {
	if err := checkJSON(frame); err != nil {
		return m, err
	}
	if err := decodeParameters(frame, &m); err != nil {
		return m, fmt.Errorf("varlink: call: %w", err)
	}
	return m, nil
}

// answer runs the handler and sees to it that exactly one final reply goes out.
func (c *conn) answer(call *Call, upgrade bool) error {
	err := c.handle(call, upgrade)
	if err == nil {
		err = call.failed
	}
	if err == nil && call.done {
		return nil
	}
	if err == nil {
		return call.Reply(nil)
	}
	var e *Error
	if !errors.As(err, &e) {
		c.s.logger().Error("varlink: call failed", "method", call.Method, "pid", c.peer.PID, "uid", c.peer.UID, "err", err)
		e = NewError(InternalError, "The server failed to answer; its log says why.", nil)
	}
	if call.done {
		return nil
	}
	return call.fail(e)
}

func (c *conn) handle(call *Call, upgrade bool) error {
	if upgrade {
		return InvalidParameter("upgrade", "This server does not leave the Varlink protocol.")
	}
	h, err := c.s.lookup(call.Method)
	if err != nil {
		return err
	}
	if err := c.s.authorize(call); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.s.ctx)
	defer cancel()
	if call.More {
		defer c.watch(cancel)()
	}
	return guarded(ctx, h, call)
}

func (s *Server) authorize(call *Call) error {
	if s.Authorize == nil {
		return nil
	}
	err := s.Authorize(call.Peer, call.Method)
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	s.logger().Warn("varlink: permission denied", "method", call.Method, "pid", call.Peer.PID, "uid", call.Peer.UID, "err", err)
	return NewError(PermissionDenied, "You may not call this method.", nil)
}

// guarded turns a panic of the handler into an error with its stack.
func guarded(ctx context.Context, h Handler, call *Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return h(ctx, call)
}

// watch calls gone when the peer leaves or sends while a stream runs, for
// otherwise a handler waiting for the next event would outlive its caller. The
// returned function stops it and leaves what came in for the next call.
func (c *conn) watch(gone func()) (stop func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.r.Peek(1) // data, an end and the deadline below all end the wait
		gone()
	}()
	return func() {
		_ = c.uc.SetReadDeadline(time.Unix(1, 0))
		<-ended
		_ = c.uc.SetReadDeadline(time.Time{})
	}
}

// send writes one message within the time a peer has to take it. After half a
// message nothing may follow, so the connection is closed then.
func (c *conn) send(m replyMessage) error {
	data, err := encode(m)
	if err != nil {
		return err
	}
	if err := c.uc.SetWriteDeadline(time.Now().Add(c.s.timeout())); err != nil {
		return err
	}
	if _, err := c.uc.Write(data); err != nil {
		c.uc.Close()
		return fmt.Errorf("varlink: reply: %w", err)
	}
	return nil
}
