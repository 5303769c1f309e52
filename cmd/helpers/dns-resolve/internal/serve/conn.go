package serve

import (
	"context"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

const (
	maxFDs      = 4                // room for more than the one allowed, so that all are seen and closed
	maxTime     = 60 * time.Second // for one answer, whatever the question says
	writeTime   = 2 * time.Second  // a peer that does not read loses its connection
	refusalTTL  = 5                // seconds a refusal may be remembered
	minMargin   = 10 * time.Millisecond
	marginParts = 20 // the answer leaves when 1/20 of the time is left
)

// conn is a connection with one peer.
type conn struct {
	*net.UnixConn
	server *Server
	work   sync.WaitGroup // answers under way
}

// serve reads questions until the peer goes away, breaks the protocol, or the
// server stops, and returns when all of them are answered.
func (c *conn) serve(ctx context.Context) {
	defer c.work.Wait()
	if !c.trusted() {
		return
	}
	buf, oob := make([]byte, wire.MaxMessage), make([]byte, unix.CmsgSpace(4*maxFDs))
	for {
		n, oobn, flags, _, err := c.ReadMsgUnix(buf, oob)
		fds := files(oob[:oobn])
		if err != nil || n == 0 {
			closeAll(fds)
			return
		}
		if !c.take(ctx, buf[:n], fds, flags) {
			return
		}
	}
}

// trusted says whether the peer may ask: root, or the user we run as. The
// socket's path is guarded by its mode; this guards against a descriptor that
// went astray. The ids are those at connect(2), seen from our user namespace.
func (c *conn) trusted() bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	if e := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); e != nil || err != nil {
		return false
	}
	return cred.Uid == 0 || cred.Uid == uint32(os.Getuid())
}

// take starts answering one packet; false ends the connection. It owns fds.
func (c *conn) take(ctx context.Context, packet []byte, fds []*os.File, flags int) bool {
	var q wire.Question
	if flags&unix.MSG_TRUNC != 0 || q.Parse(packet) != nil {
		closeAll(fds)
		return false
	}
	if len(fds) != 1 || flags&unix.MSG_CTRUNC != 0 {
		closeAll(fds)
		c.refuse(&q, syscall.EINVAL, "a question comes with exactly one file descriptor")
		return true
	}
	if !c.server.begin() {
		closeAll(fds)
		c.refuse(&q, syscall.EBUSY, "too many questions in flight")
		return true
	}
	q = clone(q)
	c.work.Go(func() {
		defer c.server.end()
		defer closeAll(fds)
		c.answer(ctx, &q, fds[0])
	})
	return true
}

// clone makes q independent of the buffer it was read into.
func clone(q wire.Question) wire.Question {
	q.Etc, q.Subject, q.Options = slices.Clone(q.Etc), slices.Clone(q.Subject), slices.Clone(q.Options)
	return q
}

func (c *conn) answer(ctx context.Context, q *wire.Question, root *os.File) {
	left := min(time.Duration(q.MillisLeft)*time.Millisecond, maxTime)
	ctx, cancel := context.WithTimeout(ctx, left-max(left/marginParts, minMargin))
	defer cancel()
	r := c.server.Handler(ctx, q, root)
	r.ID = q.ID
	c.reply(r)
}

func (c *conn) refuse(q *wire.Question, errno syscall.Errno, note string) {
	c.reply(&wire.Reply{ID: q.ID, Errno: uint16(errno), TTL: refusalTTL, Note: []byte(note)})
}

// reply sends r whole; where it cannot, the connection is of no more use.
func (c *conn) reply(r *wire.Reply) {
	_ = c.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := c.Write(r.AppendTo(nil)); err != nil {
		c.Close()
	}
}

// files takes the descriptors out of a control message. They are close-on-exec
// (net.UnixConn asks for that).
func files(oob []byte) []*os.File {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fs []*os.File
	for _, m := range msgs {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			fs = append(fs, os.NewFile(uintptr(fd), "root"))
		}
	}
	return fs
}

func closeAll(fs []*os.File) {
	for _, f := range fs {
		f.Close()
	}
}
