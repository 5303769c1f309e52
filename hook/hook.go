// Package hook decides how the kernel reaches upcalld's stub: by taking the
// place of /sbin/request-key, or by a line in /etc/request-key.d.
//
// Both put a file of ours where another may stand, keep that other one beside
// it, and put exactly it back (the same inode, so also its owner, mode, times
// and attributes; only its ctime moves). There is a file under the name at every
// moment, and a run that was interrupted anywhere is finished by the next one,
// whether that enables or disables. Nothing that is not ours is ever deleted.
//
// The files: hook.go the host and its lock, place.go the exchange of files and
// the way back, steps.go its single steps, entry.go what stands under a name,
// stub.go which stub is trusted, takeover.go and dropin.go the two ways,
// line.go the drop-in's line, rules.go keyutils' configuration, status.go and
// kconfig.go what is there now.
package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Marker stands inside every stub; a file at /sbin/request-key that holds it is
// ours.
const Marker = "io.upcalld.request-key-stub/1"

// What a caller may want to tell apart. Each comes with a sentence about the
// file in question.
var (
	ErrNoDirectory  = errors.New("hook: the directory does not exist")
	ErrReadOnly     = errors.New("hook: the file system is read-only")
	ErrOddFile      = errors.New("hook: neither a regular file nor a symbolic link to another file")
	ErrChanged      = errors.New("hook: the file was replaced meanwhile; run this again")
	ErrUnsafeStub   = errors.New("hook: the stub cannot be trusted with root's upcalls")
	ErrNoRequestKey = errors.New("hook: there is no /sbin/request-key (keyutils) that would read a drop-in; use the takeover")
	ErrTakenOver    = errors.New("hook: /sbin/request-key is upcalld's stub, which reads no drop-in; disable the hook first")
	ErrStock        = errors.New("hook: the stock handler cannot be kept as it is")
	ErrBusy         = errors.New("hook: another run holds the lock")
)

// Host is the file tree that is worked on. All paths, symbolic links included,
// are resolved inside Root (openat2, RESOLVE_IN_ROOT). Every method needs root
// and may run at the same time as others: those that change files take turns by
// flock(2) on /run/upcalld-hook.lock.
type Host struct {
	Root string // if "", the real root

	// For tests: called after every step that changed a file, and the errors of
	// a file system that cannot link or exchange.
	step                func(string)
	noLinks, noExchange error
}

// Change says what a run did. Notes are sentences for the operator.
type Change struct {
	Changed bool     `json:"changed"`
	Notes   []string `json:"notes,omitempty"`
}

func (c *Change) did(format string, args ...any) {
	c.Changed = true
	c.note(format, args...)
}

func (c *Change) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// open opens a path inside the root. A FIFO or device does not block it.
func (h *Host) open(name string, flags int, perm uint32) (*os.File, error) {
	top := h.Root
	if top == "" {
		top = "/"
	}
	root, err := unix.Open(top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: top, Err: err}
	}
	defer unix.Close(root)
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY),
		Mode:    uint64(perm),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(root, name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case err != unix.EINTR && err != unix.EAGAIN: // EAGAIN: a rename elsewhere raced with the walk
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

func (h *Host) openDir(name string) (*os.File, error) {
	d, err := h.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%w: %s", ErrNoDirectory, path.Clean(name))
	}
	return d, err
}

const lockName = "/run/upcalld-hook.lock"

// lock waits for other runs until ctx ends (ErrBusy). Closing the file, which
// the kernel does for a killed process, releases it.
func (h *Host) lock(ctx context.Context) (*os.File, error) {
	f, err := h.open(lockName, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("hook: lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			f.Close()
			return nil, fmt.Errorf("hook: lock %s: %w", lockName, err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("%w: %s: %w", ErrBusy, lockName, ctx.Err())
		}
	}
}

// explain adds the sentinel for errors that have one.
func explain(err error) error {
	if errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
