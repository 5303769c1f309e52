package nscontext

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// Sentinels.
var (
	// ErrGone: the process or thread does not exist any more.
	ErrGone = errors.New("process is gone")
	// ErrNotNamespace: the path is not a namespace file.
	ErrNotNamespace = errors.New("not a namespace")
	// ErrMoved: the process changed its namespaces while it was captured.
	ErrMoved = errors.New("process changed its namespaces during capture")
	// ErrClosed: the context has been closed.
	ErrClosed = errors.New("context is closed")
)

// OfThread returns the namespaces of a thread, by thread id in the pid
// namespace of the mounted /proc. It needs CAP_SYS_PTRACE over the thread. The
// result means something only if the thread is known to have lived throughout:
// a thread id is used again. [ErrGone] when there is no such thread.
//
// /proc/TID works for any thread, not only for process leaders
// (fs/proc/base.c, proc_pid_lookup).
func OfThread(tid int) (Set, error) {
	var s Set
	for _, k := range Kinds() {
		id, err := idOfPath("/proc/" + strconv.Itoa(tid) + "/ns/" + k.String())
		switch {
		case err == nil:
			s[k] = id
		case errors.Is(err, fs.ErrNotExist) && k != Net:
			// This kernel lacks the kind, or the thread has gone: net is
			// asked for first, and its absence is the thread's.
		default:
			return Set{}, fmt.Errorf("namespaces of thread %d: %w", tid, gone(err))
		}
	}
	return s, nil
}

// Self returns the namespaces of the calling thread.
func Self() (Set, error) { return OfThread(unix.Gettid()) }

// kthreadd is the kernel's own second task, which every kernel thread and every
// upcall descends from: it lives in the initial namespaces. /proc/1 does too,
// but may be closed even to root by a security module.
const kthreadd = 2

// Initial returns the initial namespaces of the host, those an upcall runs in.
// Where pid 2 is not kthreadd, the caller is itself in a pid namespace and
// cannot serve upcalls: that is an error.
func Initial() (Set, error) {
	s, err := OfThread(kthreadd)
	if err != nil {
		return Set{}, fmt.Errorf("initial namespaces: %w", err)
	}
	// The initial pid and user namespaces have fixed inodes
	// (include/linux/proc_ns.h, PROC_PID_INIT_INO and PROC_USER_INIT_INO).
	const pidInit, userInit = 0xEFFFFFFC, 0xEFFFFFFD
	if s[PID].Ino != pidInit || s[User].Ino != userInit {
		return Set{}, fmt.Errorf("initial namespaces: pid 2 lives in pid:[%d] user:[%d]: this process is not in the host's pid namespace",
			s[PID].Ino, s[User].Ino)
	}
	return s, nil
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	return err
}
