package main

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/keyring"
)

// socketPath is where the broker listens for stubs. The kernel passes no
// environment and no argument of ours, so it is fixed.
const socketPath = "/run/upcalld/upcall"

// hostPatience is how long the host's own upcall waits for a broker that says
// nothing, before it is left to the stock handler: to the host the broker says
// so at once. A container waits until the deadline.
const hostPatience = 3 * time.Second

// state is how asking the broker ended.
type state int

const (
	haveVerdict state = iota
	noBroker          // nobody listens
	brokerDied        // it hung up, or spoke nonsense, before its verdict
	tooLate           // the deadline has passed
)

// ask sends the REQUEST and waits for the VERDICT, watching the guard meanwhile.
func (u *upcall) ask() (wire.Verdict, state) {
	var v wire.Verdict
	msg, err := u.request()
	if err != nil {
		say("upcalld request-key: " + err.Error())
		return v, brokerDied
	}
	if s := u.connect(); s != haveVerdict {
		return v, s
	}
	if err := unix.Send(u.conn, msg, unix.MSG_NOSIGNAL); err != nil {
		return v, brokerDied
	}
	for {
		if u.outOfPatience() {
			return v, tooLate
		}
		wait := min(u.left(), max(hostPatience-time.Since(u.start), time.Millisecond))
		if u.impatient {
			wait = u.left()
		}
		if u.guard.pending() {
			u.look()
			wait = min(wait, time.Millisecond)
		}
		if !u.readable(wait) {
			continue
		}
		buf := make([]byte, wire.MaxMessage)
		n, err := unix.Read(u.conn, buf)
		if err == unix.EAGAIN || err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 || v.Parse(buf[:n]) != nil || v.Key != int32(u.key) {
			return v, brokerDied
		}
		return v, haveVerdict
	}
}

// request describes the key to the broker.
func (u *upcall) request() ([]byte, error) {
	d, err := keyring.Describe(u.key, make([]byte, 4608))
	if err != nil {
		return nil, err
	}
	callout, err := keyring.Read(keyring.AuthKey, make([]byte, wire.MaxCallout))
	if err != nil {
		return nil, err
	}
	r := wire.Request{
		MillisLeft: uint32(max(u.left(), 0) / time.Millisecond),
		Key:        int32(u.key), Auth: int32(u.auth), Thread: int32(u.found.Thread),
		Ring: int32(keyring.Find(keyring.RequestorRing)),
		UID:  u.uid, GID: u.gid, Op: wire.OpCreate,
		Type: []byte(d.Type), Description: d.Text, Callout: callout,
	}
	if u.isolated {
		r.Flags |= wire.FlagIsolated
	}
	return r.AppendTo(nil), nil
}

// connect opens the connection, without ever blocking: a full backlog is
// EAGAIN, and is tried again until the deadline.
func (u *upcall) connect() state {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return noBroker
	}
	u.conn = fd
	for {
		switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: socketPath}); err {
		case nil:
			return haveVerdict
		case unix.EAGAIN, unix.EINTR:
			if u.outOfPatience() {
				return tooLate
			}
			time.Sleep(5 * time.Millisecond)
		default:
			unix.Close(fd)
			u.conn = -1
			return noBroker
		}
	}
}

// outOfPatience says whether to wait no longer: at the deadline, and for the
// host's own upcall, which is looked for once, at hostPatience.
func (u *upcall) outOfPatience() bool {
	if u.left() <= 0 {
		return true
	}
	if u.impatient || time.Since(u.start) < hostPatience {
		return false
	}
	u.impatient = true
	return hostTask(u.found.Thread)
}

func (u *upcall) readable(wait time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(u.conn), Events: unix.POLLIN}}
	ts := unix.NsecToTimespec(int64(wait))
	n, err := unix.Ppoll(fds, &ts, nil)
	return err == nil && n > 0
}

// report sends DONE, once. Nobody waits for it.
func (u *upcall) report(outcome wire.Outcome, errno unix.Errno) {
	if u.conn < 0 || u.reported {
		return
	}
	u.reported = true
	d := wire.Done{
		Key: int32(u.key), Outcome: outcome, Errno: uint16(errno),
		Waiters: uint16(min(u.guard.waiters, 1<<16-1)),
		Micros:  uint32(min(time.Since(u.start).Microseconds(), 1<<32-1)),
	}
	_ = unix.Send(u.conn, d.AppendTo(nil), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
}
