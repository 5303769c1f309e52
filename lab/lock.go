package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LockPath is the file whose flock goes with the host's one key hook.
const LockPath = "/run/upcalld-test.lock"

// ErrLocked: another run uses the host's key hook.
var ErrLocked = errors.New("another upcalld demo or test uses this host's key hook")

// HostLock is the right to change the host's key hook.
type HostLock struct{ f *os.File }

// TryLock takes the lock or fails at once with ErrLocked, naming the holder's
// process where it is known.
func TryLock() (*HostLock, error) {
	f, err := os.OpenFile(LockPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lab: lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lab: %w: %s holds %s", ErrLocked, holder(f), LockPath)
		}
		return nil, fmt.Errorf("lab: flock %s: %w", LockPath, err)
	}
	return &HostLock{f}, writeHolder(f)
}

// Lock waits for the lock until ctx ends.
func Lock(ctx context.Context) (*HostLock, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		lock, err := TryLock()
		if err == nil || !errors.Is(err, ErrLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Unlock gives the lock back. The file stays: removing it would let two runs
// each hold a lock on a file of that name.
func (h *HostLock) Unlock() error {
	return errors.Join(h.f.Truncate(0), h.f.Close())
}

func writeHolder(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names who wrote the lock file. A holder by flock(1) writes nothing,
// and what a dead one wrote is not believed.
func holder(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || unix.Kill(pid, 0) != nil {
		return "a process that did not write its id"
	}
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("process %d (%s)", pid, strings.TrimSpace(string(comm)))
}
