// Package lab is a small laboratory on this host: network namespaces with real
// name servers, processes in them that make the real request_key(2) call, and
// whatever of the host has to be changed for that, all of it put back by Close.
//
// The demo and the test lanes share it. It needs root, iproute2's ip, and a
// kernel with keys; each missing thing is one error sentence.
//
// A lab leaves nothing behind on Close, on SIGINT, SIGTERM and SIGHUP, and on a
// failure. What a killed run (-9) left is recognised by the prefix of its
// name and removed by Sweep. The host has one key hook, so only the holder of
// Lock may change it.
//
// The files: lab.go the lab and its undo list, signals.go the interrupted run,
// sweep.go the killed one, lock.go the host's one lock; netns.go namespaces,
// port.go a container and a server joined by a wire, etc.go the files a
// container sees, fuse.go a file that never answers, flush.go a process that
// hangs in execve; nameserver.go a DNS server inside a namespace, zone.go and
// behaviour.go what it answers; requester.go a process that asks the kernel,
// child.go that process from inside, thread.go its threads, ring.go a keyring
// several of them share; hook.go the host's key hook, bind.go a file laid over
// another, build.go upcalld's programs, broker.go a running upcalld, program.go
// a process and its end, processes.go everybody's, together.go several that ask
// at one moment.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Prefix starts the name of everything a lab puts on the host.
const Prefix = "upcalld-lab-"

// The main thread stays with the main goroutine: a goroutine that entered a
// namespace and ended would otherwise leave the process's leader there.
func init() { runtime.LockOSThread() }

// Lab is one laboratory. Its methods may be called concurrently.
type Lab struct {
	name string

	mu     sync.Mutex // guards undo and closed
	undo   []step
	closed bool

	close    sync.Once
	closeErr error // written once, by close
}

type step struct {
	what string
	do   func() error
}

var (
	labsMu sync.Mutex // guards labs and count
	labs   []*Lab
	count  int
)

// New starts an empty lab. It fails with one sentence when the caller is not
// root of the host, when ip is missing, or when the kernel has no keys.
func New() (*Lab, error) {
	if err := Possible(); err != nil {
		return nil, err
	}
	labsMu.Lock()
	defer labsMu.Unlock()
	catchSignals()
	count++
	l := &Lab{name: fmt.Sprintf("%s%d-%d", Prefix, os.Getpid(), count)}
	labs = append(labs, l)
	return l, nil
}

// Possible says in one sentence what this host lacks for a lab, or nil.
func Possible() error {
	if os.Geteuid() != 0 {
		return errors.New("lab: not root: network namespaces and the kernel's key hook need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("lab: ip is missing: install iproute2")
	}
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("lab: the kernel's key management cannot be used here: %w", err)
	}
	return nil
}

// Name is the lab's own name, the prefix of everything in it.
func (l *Lab) Name() string { return l.name }

// onClose adds one step to the undo list; steps run last first. On a lab that
// is closed already the step runs at once, so that a signal loses nothing.
func (l *Lab) onClose(what string, do func() error) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.undo = append(l.undo, step{what, do})
	}
	l.mu.Unlock()
	if closed {
		_ = do()
	}
}

// Close undoes everything, last thing first, also past a step that fails, and
// returns all failures. Every call returns the same when all is done: a signal
// and the end of main may meet here, and the second must not end the process
// under the first.
func (l *Lab) Close() error {
	l.close.Do(func() { l.closeErr = l.undoAll() })
	return l.closeErr
}

func (l *Lab) undoAll() error {
	l.mu.Lock()
	steps := l.undo
	l.undo, l.closed = nil, true
	l.mu.Unlock()
	var errs []error
	for _, s := range slices.Backward(steps) {
		if err := s.do(); err != nil {
			errs = append(errs, fmt.Errorf("lab: undo %s: %w", s.what, err))
		}
	}
	forget(l)
	return errors.Join(errs...)
}

func forget(l *Lab) {
	labsMu.Lock()
	defer labsMu.Unlock()
	labs = slices.DeleteFunc(labs, func(o *Lab) bool { return o == l })
}

// CloseAll closes every lab of this process, the newest first.
func CloseAll() error {
	labsMu.Lock()
	open := slices.Clone(labs)
	labsMu.Unlock()
	var errs []error
	for _, l := range slices.Backward(open) {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}
