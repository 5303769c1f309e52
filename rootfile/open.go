package rootfile

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// attempts is how often openat2 is tried while it answers EAGAIN: a rename or
// mount anywhere on the host during a ".." step makes it do so (fs/namei.c,
// handle_dots). Losing this often means that somebody races on purpose.
const attempts = 64

// Signature tells whether a file is still the one that was read: compare with
// ==. A write inside one tick of the kernel's coarse clock (at most 10 ms,
// before multigrain timestamps, Linux 6.13) that keeps the size is not seen.
type Signature struct {
	Dev, Ino         uint64
	Size             int64
	MtimeNs, CtimeNs int64 // since 1970
}

// Stat makes every check that Read makes, but reads nothing. root is a
// directory handle (O_PATH is enough); path is relative to it. Errors: all
// sentinels but ErrTooLarge, ErrStuck and ErrNoProc.
func Stat(root int, path string) (Signature, error) {
	fd, sig, err := find(root, path)
	if err != nil {
		return Signature{}, err
	}
	unix.Close(fd)
	return sig, nil
}

// open returns a handle for reading on the regular file at path.
func open(root int, path string) (int, Signature, error) {
	handle, found, err := find(root, path)
	if err != nil {
		return -1, Signature{}, err
	}
	defer unix.Close(handle)
	fd, err := reopen(handle)
	if err != nil {
		return -1, Signature{}, pathError("open", path, err)
	}
	sig, err := examine(fd)
	if err == nil && (sig.Dev != found.Dev || sig.Ino != found.Ino) {
		err = errors.New("another file than the one checked")
	}
	if err != nil {
		unix.Close(fd)
		return -1, Signature{}, pathError("open", path, err)
	}
	return fd, sig, nil
}

// find returns an O_PATH handle on the regular file at path.
func find(root int, path string) (int, Signature, error) {
	fd, err := resolve(root, path)
	if err != nil {
		return -1, Signature{}, pathError("resolve", path, err)
	}
	sig, err := examine(fd)
	if err == nil {
		err = ordinary(fd)
	}
	if err != nil {
		unix.Close(fd)
		return -1, Signature{}, pathError("check", path, err)
	}
	return fd, sig, nil
}

// resolve walks path below root without opening what it finds.
func resolve(root int, path string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for i := 0; ; i++ {
		fd, err := unix.Openat2(root, path, &how)
		if err == unix.EINTR || err == unix.EAGAIN && i < attempts {
			continue
		}
		return fd, err
	}
}

// reopen opens the inode behind an O_PATH handle for reading. O_NONBLOCK makes
// a leased file fail with EAGAIN (fs/locks.c, __break_lease) where the open
// would otherwise wait for the lease holder.
func reopen(handle int) (int, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY
	for {
		fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(handle), flags, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOENT && !haveProc():
			return -1, ErrNoProc
		}
		return fd, err
	}
}

// haveProc tells a missing procfs from a file whose open says ENOENT (FUSE may).
func haveProc() bool {
	var st unix.Statfs_t
	return unix.Statfs("/proc/self/fd", &st) == nil && uint32(st.Type) == unix.PROC_SUPER_MAGIC
}

// examine returns the signature of a regular file, or ErrNotRegular.
func examine(fd int) (Signature, error) {
	var st unix.Stat_t
	if err := ignoreEINTR(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return Signature{}, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return Signature{}, fmt.Errorf("%w: %s", ErrNotRegular, kind(st.Mode))
	}
	return Signature{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size,
		MtimeNs: st.Mtim.Nano(), CtimeNs: st.Ctim.Nano(),
	}, nil
}

// ordinary refuses files on pseudo file systems. It looks at the file itself,
// not at mounts: a single file can be bind-mounted anywhere.
func ordinary(fd int) error {
	var st unix.Statfs_t
	if err := ignoreEINTR(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return err
	}
	if name, bad := pseudo[uint32(st.Type)]; bad {
		return fmt.Errorf("%w: %s", ErrForeign, name)
	}
	return nil
}

// kind names a file type for an error text.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return "FIFO"
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFSOCK:
		return "socket"
	}
	return fmt.Sprintf("mode %#o", mode)
}

// ignoreEINTR repeats a call that a signal cut short; the Go runtime's own
// preemption signal does so on FUSE.
func ignoreEINTR(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
