// Package fexecve executes a program by a handle on its file, so that what was
// checked is what runs.
package fexecve

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Exec replaces the process by the program behind fd (an O_PATH handle will
// do) and returns only if that fails. The calling thread's credentials,
// namespaces and keyrings are the ones that remain.
//
// A script whose handle is close-on-exec gives ENOENT: its interpreter would
// open it by a name that is gone (execveat(2)).
func Exec(fd int, argv, env []string) error {
	args, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return err
	}
	vars, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return err
	}
	empty := [1]byte{}
	_, _, e := unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&vars[0])), unix.AT_EMPTY_PATH, 0)
	runtime.KeepAlive(args)
	runtime.KeepAlive(vars)
	return e
}
