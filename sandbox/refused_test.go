package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refusedCalls tries what a taken over helper would. Arguments are such that
// the call, if it passed, would succeed or fail with another errno than EPERM.
func refusedCalls() error {
	self := os.Getpid()
	name := unsafe.Pointer(&append([]byte("x"), 0)[0])
	p := uintptr(name)
	socket := func(domain, kind, proto uintptr) [4]uintptr { return [4]uintptr{unix.SYS_SOCKET, domain, kind, proto} }
	calls := map[string][4]uintptr{
		"execve":            {unix.SYS_EXECVE, p, 0, 0},
		"execveat":          {unix.SYS_EXECVEAT, ^uintptr(0), p, 0},
		"ptrace":            {unix.SYS_PTRACE, 9999, 0, 0},
		"umount2":           {unix.SYS_UMOUNT2, p, 0x8000, 0},
		"mount":             {unix.SYS_MOUNT, 0, 0, 0},
		"keyctl":            {unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, ^uintptr(2), 0},
		"add_key":           {unix.SYS_ADD_KEY, 0, 0, 0},
		"request_key":       {unix.SYS_REQUEST_KEY, 0, 0, 0},
		"unshare":           {unix.SYS_UNSHARE, 0, 0, 0},
		"unshare user":      {unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0},
		"setns":             {unix.SYS_SETNS, ^uintptr(0), 0, 0},
		"bpf":               {unix.SYS_BPF, 0, 0, 0},
		"seccomp":           {unix.SYS_SECCOMP, 2, 0, 0},
		"prctl":             {unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0},
		"io_uring_setup":    {unix.SYS_IO_URING_SETUP, 1, 0, 0},
		"memfd_create":      {unix.SYS_MEMFD_CREATE, p, 0, 0},
		"process_vm_readv":  {unix.SYS_PROCESS_VM_READV, uintptr(self), 0, 0},
		"kill self":         {unix.SYS_KILL, uintptr(self), 0, 0},
		"tkill self":        {unix.SYS_TKILL, uintptr(unix.Gettid()), 0, 0},
		"pidfd_open":        {unix.SYS_PIDFD_OPEN, uintptr(self), 0, 0},
		"pidfd_send_signal": {unix.SYS_PIDFD_SEND_SIGNAL, ^uintptr(0), 0, 0},
		"perf_event_open":   {unix.SYS_PERF_EVENT_OPEN, 0, 0, 0},
		"chroot":            {unix.SYS_CHROOT, p, 0, 0},
		"setuid self":       {unix.SYS_SETUID, uintptr(os.Getuid()), 0, 0},
		"ioctl":             {unix.SYS_IOCTL, ^uintptr(0), 0, 0},
		"clone, a process":  {unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0},
		"clone, user ns":    {unix.SYS_CLONE, uintptr(unix.SIGCHLD) | unix.CLONE_NEWUSER, 0, 0},
		"tgkill another":    {unix.SYS_TGKILL, 1, 1, 0},
		"socket pair":       {unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM, 0},
		"unix socket":       socket(unix.AF_UNIX, unix.SOCK_STREAM, 0),
		"packet socket":     socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0),
		"vsock socket":      socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0),
		"alg socket":        socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0),
		"uevent socket":     socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT),
		"unspec socket":     socket(0, 0, 0), // 0 is read's number on amd64
		"executable memory": {unix.SYS_MPROTECT, 0, 0, unix.PROT_EXEC},
		"F_SETOWN":          {unix.SYS_FCNTL, 1, unix.F_SETOWN, 0},
		"SO_ATTACH_FILTER":  {unix.SYS_SETSOCKOPT, 1, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER},
	}
	var failed []error
	for what, c := range calls {
		if _, _, errno := unix.RawSyscall(c[0], c[1], c[2], c[3]); errno != unix.EPERM {
			failed = append(failed, fmt.Errorf("%s: not refused: %v", what, errno))
		}
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0); errno != unix.ENOSYS {
		failed = append(failed, fmt.Errorf("clone3: %v", errno))
	}
	if err := exec.Command("/bin/true").Run(); err == nil {
		failed = append(failed, errors.New("a program was started"))
	}
	return errors.Join(failed...)
}
