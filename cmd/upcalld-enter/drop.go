package main

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/keyring"
)

// Limits of a helper. A Go program maps 64 MiB of heap at a time.
var limits = []struct {
	resource int
	value    uint64
}{
	{unix.RLIMIT_CORE, 0},
	{unix.RLIMIT_DATA, 512 << 20},
	{unix.RLIMIT_NOFILE, 1024},
	{unix.RLIMIT_FSIZE, 0},
	{unix.RLIMIT_MEMLOCK, 0},
	{unix.RLIMIT_MSGQUEUE, 0},
}

// bePreferredVictim makes the kernel end this program first where memory runs out.
func bePreferredVictim() error {
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err != nil {
		return fmt.Errorf("oom score: %w", err)
	}
	return nil
}

// dropPrivileges gives up everything that was root's, for this thread: it is
// the one that executes the program.
func dropPrivileges(uid, gid int) error {
	for _, l := range limits {
		var old unix.Rlimit
		if err := unix.Getrlimit(l.resource, &old); err != nil {
			return fmt.Errorf("read limit %d: %w", l.resource, err)
		}
		v := min(l.value, old.Max) // never above what we have ourselves
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: v, Max: v}); err != nil {
			return fmt.Errorf("set limit %d: %w", l.resource, err)
		}
	}
	if err := keyring.JoinSession(); err != nil && keyring.Errno(err) != unix.ENOSYS {
		return err
	}
	// From 0 to the last the kernel knows, which answers EINVAL for the next.
	for c := uintptr(0); ; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			if err == unix.EINVAL && c > 0 {
				break
			}
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
	if err := setIDs(uid, gid); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	// Changing the user has cleared it (kernel/cred.c, commit_creds).
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("parent-death signal: %w", err)
	}
	unix.Umask(0o077)
	return nil
}

// setIDs changes user and group of this thread only, by raw system calls: the
// library's would change all threads of a process that is about to be replaced.
// Leaving uid 0 clears every capability set.
func setIDs(uid, gid int) error {
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); e != 0 {
		return fmt.Errorf("drop groups: %w", e)
	}
	g, u := uintptr(gid), uintptr(uid)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, g, g, g); e != 0 {
		return fmt.Errorf("set gid %d: %w", gid, e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, u, u, u); e != 0 {
		return fmt.Errorf("set uid %d: %w", uid, e)
	}
	return nil
}

// closeOthers marks every file descriptor from first on to be closed by the
// execution, the program's own included.
func closeOthers(first, program int) error {
	if err := unix.CloseRange(uint(first), ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close other files: %w", err)
	}
	_, err := unix.FcntlInt(uintptr(program), unix.F_GETFD, 0)
	return err
}
