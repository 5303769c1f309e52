package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNoFUSE: this kernel has no /dev/fuse.
var ErrNoFUSE = errors.New("the kernel has no /dev/fuse")

// fuseSource names the lab's FUSE mounts.
const fuseSource = Prefix + "fuse"

// HangingFile makes path a file on a FUSE file system that never answers: who
// opens or stats it waits until the lab is closed.
func (l *Lab) HangingFile(path string) error {
	dev, err := mountFUSE(path)
	if err != nil {
		return err
	}
	l.onClose("FUSE file "+path, func() error {
		// Closing the handle aborts the connection and frees whoever waits.
		return errors.Join(unmountFUSE(path, unix.MNT_DETACH), dev.Close())
	})
	return nil
}

// unmountFUSE unmounts a file, unless a test or Sweep already has.
func unmountFUSE(path string, flags int) error {
	err := unix.Unmount(path, flags)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// mountFUSE makes path a file on a FUSE file system and returns the server's end.
func mountFUSE(path string) (*os.File, error) {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("lab: %w: %w", ErrNoFUSE, err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=100644,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount(fuseSource, path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, data); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("lab: mount fuse on %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), "/dev/fuse"), nil // pollable only now that it is mounted
}
