package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// emptyRoot replaces the root by a read-only tmpfs with nothing in it but a
// /proc of the own pid namespace. /proc is there for one reason: an O_PATH
// handle can be opened for reading only through /proc/self/fd.
//
// It is writable until it is sealed, so that no capability is needed for that.
//
// /proc serves as the mount point because it exists on every host; the mount
// namespace is ours alone, so nobody sees it.
func emptyRoot() error {
	const private = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	steps := []struct {
		what string
		do   func() error
	}{
		{"make mounts private", func() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }},
		{"mount empty root", func() error { return unix.Mount("tmpfs", "/proc", "tmpfs", private, "size=64k,mode=0755") }},
		{"make /proc", func() error { return unix.Mkdir("/proc/proc", 0o555) }},
		{"mount /proc", func() error {
			return unix.Mount("proc", "/proc/proc", "proc", private, "hidepid=ptraceable,subset=pid")
		}},
		{"seal root", func() error {
			return unix.Mount("", "/proc", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|private, "")
		}},
		{"enter root", func() error { return unix.Chdir("/proc") }},
		{"pivot root", func() error { return unix.PivotRoot(".", ".") }},
		{"leave old root", func() error { return unix.Unmount(".", unix.MNT_DETACH) }},
		{"change to root", func() error { return unix.Chdir("/") }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}
