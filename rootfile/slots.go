package rootfile

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// rootID is what identifies a root. The mount tells apart two containers whose
// roots are the same directory.
type rootID struct {
	major, minor uint32
	ino, mount   uint64
}

// rootState exists while calls on the root run, wait or hang.
type rootState struct {
	users int // calls that run, wait or hang
	stuck int
	slots chan struct{} // perRoot of them
}

// enter takes one of the root's slots, or says why not. release gives it back;
// its argument says whether leave was called for this use.
func (r *Reader) enter(ctx context.Context, root int) (*rootState, func(left bool), error) {
	id, err := identify(root)
	if err != nil {
		return nil, nil, err
	}
	state, err := r.use(id)
	if err != nil {
		return nil, nil, err
	}
	if err := r.wait(ctx, state); err != nil {
		r.drop(id, state, false)
		return nil, nil, err
	}
	return state, func(left bool) {
		r.drop(id, state, left) // before the slots: whoever gets one sees the count
		<-state.slots
		<-r.slots
	}, nil
}

// wait takes a slot of the root, then one of the Reader: in this order a
// hostile root never holds more than perRoot of the Reader's.
func (r *Reader) wait(ctx context.Context, state *rootState) error {
	over := func() error { return fmt.Errorf("%w: %w", ErrStuck, ctx.Err()) }
	select {
	case state.slots <- struct{}{}:
	case <-ctx.Done():
		return over()
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		<-state.slots
		return over()
	}
	if err := r.refuse(state); err != nil { // it may have got stuck while we waited
		<-r.slots
		<-state.slots
		return err
	}
	return nil
}

// use counts a call on the root, unless it is refused.
func (r *Reader) use(id rootID) (*rootState, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.roots[id]
	if state == nil {
		state = &rootState{slots: make(chan struct{}, perRoot)}
	}
	if err := r.refuseLocked(state); err != nil {
		return nil, err
	}
	if r.roots == nil {
		r.roots = make(map[rootID]*rootState)
		r.slots = make(chan struct{}, MaxStuck)
	}
	r.roots[id] = state
	state.users++
	return state, nil
}

func (r *Reader) refuse(state *rootState) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refuseLocked(state)
}

func (r *Reader) refuseLocked(state *rootState) error {
	switch {
	case state.stuck > 0:
		return fmt.Errorf("%w: an earlier call on this root still hangs", ErrStuck)
	case r.stuck >= MaxStuck:
		return fmt.Errorf("%w: %d earlier calls still hang", ErrStuck, r.stuck)
	}
	return nil
}

// leave counts a call that is left behind.
func (r *Reader) leave(state *rootState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state.stuck++
	r.stuck++
}

// drop undoes use, and leave if that was called.
func (r *Reader) drop(id rootID, state *rootState, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left {
		state.stuck--
		r.stuck--
	}
	if state.users--; state.users == 0 {
		delete(r.roots, id)
	}
}

// identify must not block, so it takes what the kernel knows already
// (AT_STATX_DONT_SYNC; fs/fuse/dir.c, fuse_update_get_attr).
func identify(root int) (rootID, error) {
	var st unix.Statx_t
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(root, "", flags, unix.STATX_INO|unix.STATX_MNT_ID, &st); err != nil {
		return rootID{}, fmt.Errorf("root handle %d: %w", root, err)
	}
	return rootID{st.Dev_major, st.Dev_minor, st.Ino, st.Mnt_id}, nil
}
