package sandbox

import (
	"fmt"
	"os"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// install puts every filter on every thread. The kernel runs all of them and
// takes the strictest result. The list of allowed calls comes last, for it does
// not have seccomp itself; its results do not depend on arguments, so that the
// kernel answers for it from a bitmap (kernel/seccomp.c, seccomp_cache_check_allow).
func install() error {
	for _, p := range policies(os.Getpid()) {
		if err := load(p); err != nil {
			return err
		}
	}
	return nil
}

// policies returns the filters in the order in which they must be loaded.
func policies(pid int) []seccomp.Policy {
	var out []seccomp.Policy
	for _, r := range rules(pid) {
		group := seccomp.SyscallGroup{Action: seccomp.ActionErrno} // EPERM
		for _, set := range r.sets {
			group.NamesWithCondtions = append(group.NamesWithCondtions,
				seccomp.NameWithConditions{Name: r.call, Conditions: set})
		}
		out = append(out, seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls:      []seccomp.SyscallGroup{group},
		})
	}
	return append(out, seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // the library makes it EPERM
		Syscalls: []seccomp.SyscallGroup{
			// Its flags are in memory, where a filter cannot look. ENOSYS makes
			// a caller fall back to clone.
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
			{Action: seccomp.ActionAllow, Names: append([]string{fstatat}, allowed...)},
		},
	})
}

// load does what the library's LoadFilter does, which takes it for success when
// TSYNC fails: seccomp(2) then returns the id of the thread in the way, and no
// filter is on. TSYNC_ESRCH (Linux 5.7) makes that an error.
func load(p seccomp.Policy) error {
	program, err := assemble(p)
	if err != nil {
		return err
	}
	flags := uintptr(unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)
	if logging() {
		flags |= unix.SECCOMP_FILTER_FLAG_LOG
	}
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	if r != 0 {
		return fmt.Errorf("thread %d cannot take the filter", r)
	}
	return nil
}

func assemble(p seccomp.Policy) ([]unix.SockFilter, error) {
	instructions, err := p.Assemble()
	if err != nil {
		return nil, err
	}
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, err
	}
	out := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		out[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return out, nil
}
