package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/nscontext"
	"golang.org/x/sys/unix"
)

// How a helper can fail. errHelperEnded is worth a second try.
var (
	errHelperEnded = errors.New("helper ended before it answered")
	errHelperStuck = errors.New("helper did not answer in the time it was given")
	errHelperLimit = errors.New("helper was started too often in a short time")
	errWrongPlace  = errors.New("helper answers in another network namespace")
	errContextGone = errors.New("context is gone")
	errQuestion    = errors.New("question is too long")
)

// helperDir is where helpers' sockets are, below the runtime directory.
const helperDir = "helpers"

// helper is the one process of its kind in a network namespace, or the promise
// to start it.
type helper struct {
	kind    string
	network *network

	mu       sync.Mutex // guards what follows, also while the process starts
	current  *conversation
	listener *net.UnixListener
	starts   []time.Time
	misled   bool // systemd's socket led to another namespace: it is not asked again
	closed   bool
}

// ask puts a question to the helper, starting it first if it does not run. A
// helper that ends in mid-question is started again once.
func (h *helper) ask(ctx context.Context, c *nscontext.Context, q wire.Question) (wire.Reply, error) {
	root, err := dupRoot(c)
	if err != nil {
		return wire.Reply{}, err
	}
	defer root.Close()
	for range 2 {
		var talk *conversation
		if talk, err = h.conversation(c); err != nil {
			return wire.Reply{}, err
		}
		var reply wire.Reply
		reply, err = talk.ask(ctx, q, root)
		switch {
		case err == nil:
			if err = h.inPlace(reply); err != nil {
				h.mislead(talk, err)
			}
			return reply, err
		case errors.Is(err, errHelperEnded):
			continue
		case errors.Is(err, errHelperStuck):
			talk.end(err)
		}
		return wire.Reply{}, err
	}
	return wire.Reply{}, fmt.Errorf("%s: twice: %w", h.kind, err)
}

// inPlace believes a reply only if it comes from the right network namespace: a
// socket of systemd's may have been configured for another. A refusal says
// nothing of the network, and may leave it out.
func (h *helper) inPlace(r wire.Reply) error {
	if refusal(r) {
		return nil
	}
	if got := (nscontext.ID{Dev: r.NSDev, Ino: r.NSIno}); got != h.network.id {
		return fmt.Errorf("%s: %w: %v, not %v", h.kind, errWrongPlace, got, h.network.id)
	}
	return nil
}

// mislead ends a conversation with a helper in the wrong place.
func (h *helper) mislead(talk *conversation, why error) {
	h.mu.Lock()
	h.misled = true
	h.mu.Unlock()
	talk.end(why)
}

// refusal says whether the helper has declined the question rather than
// answered it: it had no look at the configuration.
func refusal(r wire.Reply) bool { return r.Errno != 0 && r.Config == (wire.Hash{}) }

// conversation returns the connection to a helper that lives.
func (h *helper) conversation(c *nscontext.Context) (*conversation, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errContextGone
	}
	if h.current != nil && h.current.open() {
		return h.current, nil
	}
	if talk := h.activated(c); talk != nil {
		h.current = talk
		return talk, nil
	}
	talk, err := h.launch(c)
	if errors.Is(err, nscontext.ErrClosed) {
		err = errContextGone
	}
	if err != nil {
		return nil, err
	}
	h.current = talk
	return talk, nil
}

// restartWindow and restarts bound how often a helper is started: one that
// crashes on everything must not cost the host a fork for each upcall.
const (
	restartWindow = 10 * time.Second
	restarts      = 10
)

// launch opens the socket if need be, starts the process, and connects to it.
func (h *helper) launch(c *nscontext.Context) (*conversation, error) {
	now := h.network.start.now()
	for len(h.starts) > 0 && now.Sub(h.starts[0]) > restartWindow {
		h.starts = h.starts[1:]
	}
	if len(h.starts) >= restarts {
		return nil, fmt.Errorf("%s: %w", h.kind, errHelperLimit)
	}
	if h.listener == nil {
		l, err := h.listen()
		if err != nil {
			return nil, err
		}
		h.listener = l
	}
	h.starts = append(h.starts, now)
	p, err := h.network.start.launch(c, h.kind, h.listener)
	if err != nil {
		return nil, err
	}
	h.network.broker.counters.Helpers.Add(1)
	conn, err := net.DialUnix("unixpacket", nil, h.listener.Addr().(*net.UnixAddr))
	if err != nil {
		p.kill()
		return nil, fmt.Errorf("%s: %w", h.kind, err)
	}
	return newConversation(conn, p), nil
}

// close ends the helper for good.
func (h *helper) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.current != nil {
		h.current.end(errContextGone)
	}
	if h.listener != nil {
		h.listener.Close() // unlinks its path
		h.listener = nil
	}
}

// dupRoot takes a handle of its own, so that sending it holds up nobody who
// wants to close the context.
func dupRoot(c *nscontext.Context) (*os.File, error) {
	var root *os.File
	err := c.WithRoot(func(r *os.File) error {
		fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		root = os.NewFile(uintptr(fd), "root")
		return nil
	})
	if errors.Is(err, nscontext.ErrClosed) {
		return nil, errContextGone
	}
	return root, err
}
