package sandbox

import (
	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// allowed lists, by use, every call that stays, beside fstatat of filter_ARCH.go.
var allowed = []string{
	// The Go runtime: memory, threads, signals, time (runtime/sys_linux_*.s).
	"brk", "clone", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex", "getpid",
	"getrandom", "gettid", "gettimeofday", "madvise", "mincore", "mmap", "mprotect", "munmap",
	"nanosleep", "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_getaffinity", "sched_yield", "sigaltstack", "tgkill",
	// Its network poller (internal/runtime/syscall/linux).
	"epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2", "pipe2",
	// Files, for reading; write is for sockets, eventfd and standard error.
	"close", "fcntl", "fstat", "fstatfs", "lseek", "openat", "openat2", "pread64",
	"read", "readv", "statfs", "statx", "write", "writev",
	// Sockets.
	"accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
	"recvmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket",
	// What the standard library asks about itself.
	"getegid", "geteuid", "getgid", "getppid", "getuid", "uname",
}

// cloneThread is what runtime.newosproc passes: a thread, and nothing new for
// it. No namespace, no new process (runtime/os_linux.go, cloneFlags). On amd64
// it adds CLONE_SETTLS (runtime/sys_linux_amd64.s, clone).
const cloneThread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES |
	unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD

// A rule refuses a call of allowed when all conditions of one set hold. Each
// becomes a filter of its own: go-seccomp-bpf 1.6.0 does not load the call's
// number again after a condition has loaded an argument, so that a condition
// that fails would let the ARGUMENT be taken for a number by what follows
// (socket(0) would pass as read). With one call per filter nothing follows.
type rule struct {
	call string
	sets []seccomp.ArgumentConditions
}

// rules returns the rules for the process of that id. Conditions compare all 64
// bits of an argument, while the kernel may look at 32 of them. A rule of
// "refuse unless" refuses garbage in the others; a rule of equal needs wide.
func rules(pid int) []rule {
	return []rule{
		{"clone", refuseUnless(0, cloneThread, cloneThread|unix.CLONE_SETTLS)},
		{"tgkill", refuseUnless(0, uint64(pid))}, // no signal to others
		{"socket", append(
			// No AF_UNIX: the one Unix socket was inherited, and ".." leads from a
			// root handle to the host's, where one is a folder of the host.
			refuseUnless(0, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK),
			seccomp.ArgumentConditions{equal(0, unix.AF_NETLINK), other(2, unix.NETLINK_ROUTE)})},
		{"mmap", refuseBits(2, unix.PROT_EXEC)},
		{"mprotect", refuseBits(2, unix.PROT_EXEC)},
		// F_SETOWN and F_SETSIG would send any signal to any process of this uid.
		{"fcntl", refuseUnless(1, unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL)},
		// Classic BPF programs need no privilege, and nothing here wants them.
		{"setsockopt", []seccomp.ArgumentConditions{wide(1), wide(2),
			option(unix.SO_ATTACH_FILTER), option(unix.SO_ATTACH_BPF),
			option(unix.SO_ATTACH_REUSEPORT_CBPF), option(unix.SO_ATTACH_REUSEPORT_EBPF)}},
	}
}

// refuseUnless refuses every value of an argument but those.
func refuseUnless(arg uint32, values ...uint64) []seccomp.ArgumentConditions {
	var set seccomp.ArgumentConditions
	for _, v := range values {
		set = append(set, other(arg, v))
	}
	return []seccomp.ArgumentConditions{set}
}

func refuseBits(arg uint32, bits uint64) []seccomp.ArgumentConditions {
	return []seccomp.ArgumentConditions{{{Argument: arg, Operation: seccomp.BitsSet, Value: bits}}}
}

// option matches setsockopt(fd, SOL_SOCKET, name).
func option(name uint64) seccomp.ArgumentConditions {
	return seccomp.ArgumentConditions{equal(1, unix.SOL_SOCKET), equal(2, name)}
}

// wide matches an argument that is more than 32 bits, which a rule of equal
// would miss and the kernel would cut.
func wide(arg uint32) seccomp.ArgumentConditions {
	return seccomp.ArgumentConditions{{Argument: arg, Operation: seccomp.GreaterThan, Value: 1<<32 - 1}}
}

func equal(arg uint32, v uint64) seccomp.Condition {
	return seccomp.Condition{Argument: arg, Operation: seccomp.Equal, Value: v}
}

func other(arg uint32, v uint64) seccomp.Condition {
	return seccomp.Condition{Argument: arg, Operation: seccomp.NotEqual, Value: v}
}
