package main

import (
	"io"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/keyring"
)

// deadline is how long the requester waits at the most. It is carried in the
// request, and the broker answers before it.
const deadline = 10 * time.Second

// rejectedFor is the lifetime of a key rejected without the broker's advice:
// long enough to stop a retry storm, short enough to be forgotten.
const rejectedFor = 5

// Errnos of the stub itself; docs and README list them.
const (
	errNoHandler    = unix.ENOKEY     // no broker, and no stock handler either
	errNoBroker     = unix.ENOTCONN   // no broker, and the requester may be a container's
	errBrokerDied   = unix.ECONNRESET // the broker went away in mid-question
	errDeadline     = unix.ETIME      // no verdict before the deadline
	errInside       = unix.ELOOP      // the stock handler led back here
	errForeign      = unix.EBUSY      // another namespace waits on the same key
	errUnidentified = unix.EPERM      // who asked cannot be told
)

// upcall is one key under construction on its way to exactly one answer.
type upcall struct {
	command
	auth      keyring.Serial
	start     time.Time
	shared    bool // the key was made for a keyring the kernel shares between containers
	isolated  bool // and has been taken out of it
	guard     guard
	found     keyring.Upcall
	conn      int  // to the broker; -1 without
	impatient bool // hostPatience has passed
	reported  bool // DONE has been sent
}

// answer answers the upcall and returns the exit status, which the kernel
// ignores once the key is answered.
func answer(c command) int {
	u := &upcall{command: c, start: time.Now(), conn: -1}
	auth, err := keyring.AssumeAuthority(c.key)
	if err != nil {
		say("upcalld request-key: " + err.Error())
		return 1
	}
	u.auth = auth
	if insideItself() {
		return u.reject(errInside, rejectedFor)
	}
	if err := u.isolate(); err != nil {
		// It would leave its answer where other containers look for theirs.
		say("upcalld request-key: " + err.Error())
		return u.reject(keyring.Errno(err), rejectedFor)
	}
	if u.found, err = findUpcall(c.key, auth); err != nil {
		say("upcalld request-key: " + err.Error())
		return u.reject(errUnidentified, rejectedFor)
	}
	u.guard.saw(u.found.Usage)
	v, state := u.ask()
	switch state {
	case noBroker:
		return u.withoutBroker(errNoBroker)
	case brokerDied:
		return u.withoutBroker(errBrokerDied)
	case tooLate:
		return u.withoutBroker(errDeadline)
	}
	return u.obey(v)
}

// obey carries out the broker's verdict.
func (u *upcall) obey(v wire.Verdict) int {
	share := v.Flags&wire.FlagShare != 0
	// A container may have been registered since the key was looked at.
	if err := u.isolate(); err != nil {
		return u.reject(keyring.Errno(err), rejectedFor)
	}
	// "There is no such name" is an answer too, and not everybody's.
	if u.isolated && !share && u.guard.foreign(u) {
		return u.refuse()
	}
	switch v.Action {
	case wire.ActReject:
		return u.reject(unix.Errno(v.Errno), v.Lifetime)
	case wire.ActStock:
		return u.runStock()
	}
	return u.instantiate(v.Payload, v.Lifetime, share)
}

func (u *upcall) instantiate(payload []byte, lifetime uint32, share bool) int {
	if err := keyring.SetTimeout(u.key, lifetime); err != nil {
		return u.failed(err)
	}
	ring := keyring.Serial(0)
	if u.isolated {
		ring = isolatedRing(u.command)
		if share {
			ring = keyring.RequestorRing
		}
	}
	if err := keyring.Instantiate(u.key, payload, ring); err != nil {
		return u.failed(err)
	}
	u.report(wire.DoneInstantiated, 0)
	return 0
}

// failed answers with the errno of a keyctl that went wrong.
func (u *upcall) failed(err error) int {
	say("upcalld request-key: " + err.Error())
	errno := keyring.Errno(err)
	u.rejectKey(errno, rejectedFor)
	u.report(wire.DoneFailed, errno)
	return 1
}

func (u *upcall) reject(errno unix.Errno, lifetime uint32) int {
	u.rejectKey(errno, lifetime)
	u.report(wire.DoneRejected, errno)
	return 1
}

// refuse answers a key that a task from elsewhere waits on as well. The pause
// keeps the two requesters from meeting again in the next attempt.
func (u *upcall) refuse() int {
	u.rejectKey(errForeign, keyring.MinLifetime)
	u.report(wire.DoneRefused, errForeign)
	time.Sleep(guardTime)
	return 1
}

func (u *upcall) rejectKey(errno unix.Errno, lifetime uint32) {
	if err := keyring.Reject(u.key, lifetime, errno, 0); err != nil {
		// The kernel negates the key for 60 s when this process ends.
		say("upcalld request-key: " + err.Error())
	}
}

// left is the time until the deadline.
func (u *upcall) left() time.Duration { return deadline - time.Since(u.start) }

// findUpcall reads the host's /proc/keys.
func findUpcall(key, auth keyring.Serial) (keyring.Upcall, error) {
	fd, err := syscall.Open("/proc/keys", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return keyring.Upcall{}, err
	}
	defer syscall.Close(fd)
	return keyring.FindUpcall(reader(fd), key, auth)
}

// reader reads a file descriptor; package os would do, at the cost of its poller.
type reader int

func (r reader) Read(b []byte) (int, error) {
	n, err := unix.Read(int(r), b)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return max(n, 0), err
}

// hostTask says whether the thread lives in this process's network, user and
// mount namespace, if that can be told soon. The thread is the requester's:
// blocked as long as we live.
func hostTask(tid int) bool {
	result := make(chan bool, 1)
	go func() { result <- sameNamespaces(tid) }()
	select {
	case same := <-result:
		return same
	case <-time.After(guardLimit):
		return false // see lookAround
	}
}

func sameNamespaces(tid int) bool {
	for _, ns := range [...]string{"net", "user", "mnt"} {
		var ours, theirs unix.Stat_t
		if unix.Stat("/proc/self/ns/"+ns, &ours) != nil ||
			unix.Stat("/proc/"+strconv.Itoa(tid)+"/ns/"+ns, &theirs) != nil ||
			ours.Dev != theirs.Dev || ours.Ino != theirs.Ino {
			return false
		}
	}
	return true
}
