package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// Times of a conversation with a stub: it speaks at once, and reports at once.
const (
	requestTime = 2 * time.Second
	doneTime    = 5 * time.Second
)

// drainTime is how long a server that stops still takes in what already waits
// in the socket's queue.
const drainTime = 50 * time.Millisecond

// ServeUpcalls answers stubs on l, a SOCK_SEQPACKET socket, until ctx ends. It
// then takes in what waits in the queue, lets every upcall in flight be
// answered, and returns nil. It closes l.
func (b *Broker) ServeUpcalls(ctx context.Context, l *net.UnixListener) error {
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { _ = l.SetDeadline(time.Now().Add(drainTime)) })
	defer stop()
	var flying sync.WaitGroup
	defer flying.Wait()
	for {
		conn, err := l.AcceptUnix()
		switch {
		case err == nil:
			flying.Go(func() { b.serveUpcall(conn) })
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM):
			b.quiet.write(slog.LevelError, "cannot take in an upcall", "err", err)
			time.Sleep(20 * time.Millisecond) // upcalls in flight will give some back
		case errors.Is(err, unix.ECONNABORTED):
		default:
			return err
		}
	}
}

var packets = sync.Pool{New: func() any { b := make([]byte, wire.MaxMessage); return &b }}

// serveUpcall answers one stub.
func (b *Broker) serveUpcall(conn *net.UnixConn) {
	defer conn.Close()
	stub, err := b.checkPeer(conn)
	if err != nil {
		b.stranger(err)
		return
	}
	buf := packets.Get().(*[]byte)
	defer packets.Put(buf)
	var req wire.Request
	n, err := receive(conn, *buf, requestTime)
	if err == nil {
		err = req.Parse((*buf)[:n])
	}
	if err != nil {
		b.stranger(err)
		return
	}
	who, err := b.identify(int(req.Thread), stub, func() bool { return connected(conn) })
	v := reject(&req, ErrWho, rejectLifetime)
	if err == nil {
		v = b.verdict(b.ctx, &req, who)
	} else {
		b.quiet.write(slog.LevelWarn, "rejected: requester cannot be identified", append(attrs(&req, who), "err", err)...)
	}
	b.deliver(conn, &req, who, v)
}

// deliver sends the verdict and waits for what became of it.
func (b *Broker) deliver(conn *net.UnixConn, req *wire.Request, who requester, v wire.Verdict) {
	_ = conn.SetWriteDeadline(time.Now().Add(requestTime))
	if _, err := conn.Write(v.AppendTo(nil)); err != nil {
		b.quiet.write(slog.LevelWarn, "stub is gone before its verdict", append(attrs(req, who), "err", err)...)
		return
	}
	var buf [64]byte
	var d wire.Done
	n, err := receive(conn, buf[:], doneTime)
	if err == nil {
		err = d.Parse(buf[:n])
	}
	if err != nil {
		b.quiet.write(slog.LevelWarn, "stub did not say what became of the key", append(attrs(req, who), "err", err)...)
		return
	}
	b.account(req, who, d)
}

func (b *Broker) account(req *wire.Request, who requester, d wire.Done) {
	errno := unix.ErrnoName(unix.Errno(d.Errno))
	switch d.Outcome {
	case wire.DoneInstantiated:
		b.counters.Answered.Add(1)
	case wire.DoneRejected:
		b.counters.Rejected.Add(1)
	case wire.DoneStock:
		b.counters.Stock.Add(1)
	case wire.DoneRefused:
		b.counters.Refused.Add(1)
		b.quiet.write(slog.LevelWarn, "refused: a task from elsewhere waits on the same key", append(attrs(req, who), "waiters", d.Waiters)...)
	case wire.DoneFailed:
		b.counters.Failed.Add(1)
		b.quiet.write(slog.LevelWarn, "the kernel refused the answer", append(attrs(req, who), "errno", errno)...)
	}
	b.Log.Debug("done", "key", d.Key, "outcome", d.Outcome, "errno", errno, "waiters", d.Waiters, "micros", d.Micros)
}

func (b *Broker) stranger(err error) {
	b.counters.Strangers.Add(1)
	b.quiet.write(slog.LevelWarn, "turned away on the stub socket", "err", err)
}

// receive reads one packet within a time.
func receive(conn *net.UnixConn, buf []byte, within time.Duration) (int, error) {
	_ = conn.SetReadDeadline(time.Now().Add(within))
	n, _, flags, _, err := conn.ReadMsgUnix(buf, nil)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, errors.New("peer hung up without a word")
	}
	if flags&unix.MSG_TRUNC != 0 {
		return 0, wire.Error("packet is too long")
	}
	return n, nil
}
