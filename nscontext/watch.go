package nscontext

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// watchProcess waits until the process has exited, or the pidfd is closed. It
// parks a goroutine, not a thread: a pidfd can be polled (fs/pidfs.c,
// pidfd_poll), so the runtime's poller waits for it.
func (c *Context) watchProcess(pidfd *os.File) {
	defer c.die()
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(p, 0)
		return n > 0 || (err != nil && err != unix.EINTR)
	})
}

// WatchMounts calls changed once it watches, and after each change of the
// caller's mount table, until ctx ends: the moment to recheck contexts captured from paths. It
// occupies a thread. (fs/proc_namespace.c, mounts_poll: POLLERR|POLLPRI)
func WatchMounts(ctx context.Context, changed func()) error {
	// Not by os.Open: the runtime's poller would poll it too, and each poll of
	// this file takes note of the change for all.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("watch mounts: %w", err)
	}
	defer unix.Close(table)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch mounts: %w", err)
	}
	defer unix.Close(wake)
	ended := make(chan struct{})
	defer func() { <-ended }()
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	defer func() {
		if stop() {
			close(ended)
		}
	}()
	changed()
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}, {Fd: int32(wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return fmt.Errorf("watch mounts: %w", err)
		}
		if fds[0].Revents != 0 {
			changed()
		}
	}
	return ctx.Err()
}
