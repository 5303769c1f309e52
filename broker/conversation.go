package broker

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// conversation is a connection to a helper: many questions, answered in any
// order. It ends when either side or the process does, and is not used again.
type conversation struct {
	conn    *net.UnixConn
	process *process // nil for one that systemd started
	ended   chan struct{}

	mu      sync.Mutex // guards what follows
	err     error      // why it ended
	last    uint64
	stray   uint64 // replies that nobody waited for
	pending map[uint64]chan wire.Reply
}

// newConversation takes over the connection and the process.
func newConversation(conn *net.UnixConn, p *process) *conversation {
	v := &conversation{conn: conn, process: p, ended: make(chan struct{}), pending: make(map[uint64]chan wire.Reply)}
	go v.read()
	if p != nil {
		go func() {
			<-p.ended
			v.end(errHelperEnded)
		}()
	}
	return v
}

func (v *conversation) open() bool {
	select {
	case <-v.ended:
		return false
	default:
		return true
	}
}

// end closes the connection, kills the process, and fails what is pending.
func (v *conversation) end(why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return
	}
	v.err = why
	close(v.ended)
	v.conn.Close()
	if v.process != nil {
		v.process.kill()
	}
}

// replyMargin is kept back from a question's time: a helper that has not
// answered by then is stuck.
const replyMargin = 100 * time.Millisecond

// ask sends the question with the root handle and waits for its reply.
// errHelperEnded, errHelperStuck, errQuestion, or ctx's error.
func (v *conversation) ask(ctx context.Context, q wire.Question, root *os.File) (wire.Reply, error) {
	deadline, _ := ctx.Deadline()
	q.MillisLeft = uint32(max(time.Until(deadline)-replyMargin, time.Millisecond) / time.Millisecond)
	id, reply := v.expect()
	defer v.forget(id)
	q.ID = id
	msg := q.AppendTo(nil)
	if len(msg) > wire.MaxMessage || len(q.Subject) > wire.MaxText {
		return wire.Reply{}, errQuestion
	}
	_ = v.conn.SetWriteDeadline(deadline)
	if _, _, err := v.conn.WriteMsgUnix(msg, unix.UnixRights(int(root.Fd())), nil); err != nil {
		if os.IsTimeout(err) {
			return wire.Reply{}, errHelperStuck
		}
		v.end(errHelperEnded)
		return wire.Reply{}, errHelperEnded
	}
	select {
	case r := <-reply:
		return r, nil
	case <-v.ended:
		v.mu.Lock()
		defer v.mu.Unlock()
		return wire.Reply{}, v.err
	case <-ctx.Done():
		if ctx.Err() == context.DeadlineExceeded {
			return wire.Reply{}, errHelperStuck
		}
		return wire.Reply{}, ctx.Err()
	}
}

func (v *conversation) expect() (uint64, <-chan wire.Reply) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last++
	c := make(chan wire.Reply, 1)
	v.pending[v.last] = c
	return v.last, c
}

func (v *conversation) forget(id uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.pending, id)
}

// read delivers replies until the connection ends. A message that is none ends
// it: a helper that speaks nonsense is not trusted with the next question.
func (v *conversation) read() {
	buf := make([]byte, wire.MaxMessage)
	for {
		n, _, flags, _, err := v.conn.ReadMsgUnix(buf, nil)
		if err != nil || n == 0 {
			v.end(errHelperEnded)
			return
		}
		var r wire.Reply
		if flags&unix.MSG_TRUNC != 0 {
			v.end(fmt.Errorf("%w: reply is too long", errHelperEnded))
			return
		}
		if err := r.Parse(buf[:n]); err != nil {
			v.end(fmt.Errorf("%w: %v", errHelperEnded, err))
			return
		}
		if !v.deliver(r) {
			v.end(fmt.Errorf("%w: more replies than questions", errHelperEnded))
			return
		}
	}
}

// deliver hands the reply to whoever asked. A late one is dropped; more of those
// than there were questions are a flood, and false.
func (v *conversation) deliver(r wire.Reply) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.pending[r.ID]
	if c == nil {
		v.stray++
		return v.stray <= v.last
	}
	delete(v.pending, r.ID)
	r.Payload, r.Note = slices.Clone(r.Payload), slices.Clone(r.Note)
	c <- r // has room for the one
	return true
}
