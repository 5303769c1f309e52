package rootfile

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxStuck is how many calls of one Reader run, and so may hang, at one time.
const MaxStuck = 8

// perRoot bounds the calls that run on one root at once. More wait their turn,
// so that one hostile root takes no more than this many threads.
const perRoot = 2

// A Reader is Read, Stat and Scan with a deadline. A system call on a FUSE file
// whose server never answers cannot be interrupted, so each call runs on a
// goroutine of its own, which is left behind when the context ends: it costs
// one thread, the file's buffer and a duplicate of the root handle until the
// file system answers or its server dies.
//
// Not even SIGKILL ends such a call once the server has read the request
// (fs/fuse/dev.c, request_wait_answer). So the process cannot end before it:
// whoever kills a helper must not wait for its death without a limit.
//
//   - The context ends first: ErrStuck (wrapping the context's error too).
//   - A call left behind on this root still hangs: ErrStuck at once.
//   - MaxStuck calls hang, on whatever roots: ErrStuck at once for every root.
//
// A root is recognised by device, inode and mount, not by its handle's number.
// The zero Reader is ready; all methods may be called concurrently.
type Reader struct {
	mu    sync.Mutex // guards what follows, and every rootState
	stuck int
	roots map[rootID]*rootState
	slots chan struct{} // MaxStuck of them
}

// Read is the function Read, until ctx ends.
func (r *Reader) Read(ctx context.Context, root int, path string, limit int64) (File, error) {
	return do(r, ctx, root, path, func(root int) (File, error) {
		return readFile(ctx, root, path, limit)
	})
}

// Stat is the function Stat, until ctx ends.
func (r *Reader) Stat(ctx context.Context, root int, path string) (Signature, error) {
	return do(r, ctx, root, path, func(root int) (Signature, error) {
		return Stat(root, path)
	})
}

// Scan is the function Scan, until ctx ends. line runs on another goroutine,
// but never after Scan has returned.
func (r *Reader) Scan(ctx context.Context, root int, path string, limit int64, line func([]byte) bool) (Signature, error) {
	var mu sync.Mutex // held while line runs; guards over
	over := false
	defer func() { mu.Lock(); over = true; mu.Unlock() }()
	return do(r, ctx, root, path, func(root int) (Signature, error) {
		return scanFile(ctx, root, path, limit, func(b []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			return !over && line(b)
		})
	})
}

// Stuck returns how many calls hang now.
func (r *Reader) Stuck() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stuck
}

// do runs call with a root handle of its own, and leaves it behind when ctx ends.
func do[T any](r *Reader, ctx context.Context, root int, path string, call func(root int) (T, error)) (T, error) {
	var none T
	state, release, err := r.enter(ctx, root)
	if err != nil {
		return none, pathError("read", path, err)
	}
	// The caller may close its handle as soon as it has ErrStuck, and the number
	// may come to mean something else while the call still hangs.
	own, err := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		release(false)
		return none, pathError("dup root", path, err)
	}
	type result struct {
		value T
		err   error
	}
	done, left := make(chan result), make(chan struct{})
	go func() {
		value, err := call(own)
		unix.Close(own)
		select {
		case done <- result{value, err}:
			release(false)
		case <-left:
			release(true)
		}
	}()
	select {
	case got := <-done:
		if errors.Is(got.err, ctx.Err()) && ctx.Err() != nil {
			return none, stuckError(path, ctx)
		}
		return got.value, got.err
	case <-ctx.Done():
		r.leave(state)
		close(left)
		return none, stuckError(path, ctx)
	}
}

func stuckError(path string, ctx context.Context) error {
	return pathError("read", path, fmt.Errorf("%w: %w", ErrStuck, ctx.Err()))
}
