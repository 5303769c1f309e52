package lab

import (
	"errors"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// thread is one thread of a requester with keyrings of its own.
type thread struct {
	tid  int
	work chan func()
}

// newThread starts a thread and gives it its session keyring.
func newThread(ring string) (*thread, error) {
	t := &thread{work: make(chan func())}
	ready := make(chan error)
	go func() {
		// Deliberately never unlocked: keyrings belong to the thread.
		runtime.LockOSThread()
		t.tid = unix.Gettid()
		ready <- joinRing(ring)
		for f := range t.work {
			f()
		}
	}()
	return t, <-ready
}

// do runs f on the thread and waits for it.
func (t *thread) do(f func()) {
	done := make(chan struct{})
	t.work <- func() { defer close(done); f() }
	<-done
}

// askAll puts the questions to the kernel one after another, the first at the
// given moment.
func askAll(at int64, questions []Question) []Answer {
	answers := make([]Answer, len(questions))
	waitFor(at)
	for i, q := range questions {
		answers[i] = ask(q)
	}
	return answers
}

// waitFor sleeps till shortly before the moment and spins the rest: two
// processes that wait for the same moment start within microseconds.
func waitFor(at int64) {
	const spin = 200 * time.Microsecond
	if left := time.Duration(at - monotonic()); left > spin {
		time.Sleep(left - spin)
	}
	for monotonic() < at {
	}
}

// ask makes the real system call and reads the key it got.
func ask(q Question) Answer {
	start := monotonic()
	serial, err := unix.RequestKey(q.Type, string(q.Desc), string(q.Callout), q.Ring)
	a := Answer{Serial: serial, Start: start, Micros: (monotonic() - start) / 1000}
	if err != nil {
		a.Serial = 0
		return a.failed("request_key", err)
	}
	payload, err := readKey(serial)
	if err != nil {
		return a.failed("read", err)
	}
	a.Payload = payload
	return a
}

func (a Answer) failed(call string, err error) Answer {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		errno = unix.EINVAL // x/sys refuses a text with a NUL before the kernel sees it
	}
	a.Call, a.Errno = call, errno
	return a
}

// readKey returns a key's payload (security/keys/keyctl.c, keyctl_read_key:
// the returned length may exceed the buffer's).
func readKey(serial int) ([]byte, error) {
	for size := 4 << 10; ; {
		buf := make([]byte, size)
		n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, serial, buf, 0)
		if err != nil {
			return nil, err
		}
		if n <= size {
			return buf[:n], nil
		}
		size = n
	}
}
