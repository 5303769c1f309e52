package sandbox

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// everyThread makes one system call on every thread: no_new_privs and
// capabilities belong to threads, and Go has several before main runs.
func everyThread(trap, a1, a2, a3 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case unix.ENOTSUP:
		return ErrCgo
	}
	return errno
}

func noNewPrivs() error {
	return everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0)
}

// dropBounding empties the bounding set where CAP_SETPCAP allows it. Where not,
// it stays as it is, which matters nothing: it bounds what execve can gain, and
// no_new_privs and the filter leave execve nothing.
func dropBounding() error {
	for c := uintptr(0); ; c++ {
		_, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if err == unix.EINVAL {
			return nil // past the kernel's last capability
		}
		if err != nil {
			return err
		}
		switch err := everyThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0); err {
		case nil:
		case unix.EPERM:
			return nil
		default:
			return err
		}
	}
}

func dropAmbient() error {
	return everyThread(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
}

// dropCapabilities empties effective, permitted and inheritable.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
}
