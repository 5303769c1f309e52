package rootfile

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// The errors a caller may decide on; each comes wrapped with the path.
var (
	// ErrNotExist: no such file, or a part of the path is no directory.
	ErrNotExist = fmt.Errorf("rootfile: %w", fs.ErrNotExist)
	// ErrPermission: the file system refuses this process.
	ErrPermission = fmt.Errorf("rootfile: %w", fs.ErrPermission)
	// ErrNotRegular: a FIFO, device, directory or socket; the text says which.
	ErrNotRegular = errors.New("rootfile: not a regular file")
	// ErrForeign: the file lies on procfs, sysfs or another pseudo file system,
	// where reading is talking to the kernel; the text says which.
	ErrForeign = errors.New("rootfile: on a pseudo file system")
	// ErrTooLarge: more bytes than the limit.
	ErrTooLarge = errors.New("rootfile: too large")
	// ErrBusy: renames kept racing with the path walk, or somebody holds a
	// lease (fcntl F_SETLEASE) on the file. Asking again later may succeed.
	ErrBusy = errors.New("rootfile: busy")
	// ErrStuck: the file system did not answer in time, or did not the last
	// time and still has not. Only a Reader returns it.
	ErrStuck = errors.New("rootfile: file system does not answer")
	// ErrNoProc: this process has no procfs at /proc. A fault of the host.
	ErrNoProc = errors.New("rootfile: no procfs at /proc")
)

// sentinels turns an errno of the path walk, or of open, into a sentinel.
var sentinels = map[unix.Errno]error{
	unix.ENOENT:  ErrNotExist,
	unix.ENOTDIR: ErrNotExist,
	unix.EACCES:  ErrPermission,
	unix.EPERM:   ErrPermission,
	unix.EAGAIN:  ErrBusy,
}

// pathError names the step and the path, and wraps both the sentinel, if there
// is one, and the errno. The path is quoted: it may hold anything.
func pathError(step, path string, err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		if s, ok := sentinels[errno]; ok {
			err = fmt.Errorf("%w (%w)", s, errno)
		}
	}
	return fmt.Errorf("%s %q: %w", step, path, err)
}
