package sandbox

import (
	"encoding/binary"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const testPID = 77

// call is what a filter sees: struct seccomp_data (include/uapi/linux/seccomp.h).
type call struct {
	arch uint32
	nr   uint32
	args [6]uint64
}

// bytes lays the data out for bpf.VM, which loads words as big endian.
func (c call) bytes() []byte {
	words := []uint32{c.nr, c.arch, 0, 0}
	for _, a := range c.args {
		words = append(words, uint32(a), uint32(a>>32))
	}
	var b []byte
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

// machines runs all filters as the kernel does; the strictest result counts,
// and between the two kinds here that is whatever is not "allow".
type machines []*bpf.VM

func newMachines(t testing.TB) machines {
	var out machines
	for _, p := range policies(testPID) {
		instructions, err := p.Assemble()
		if err != nil {
			t.Fatal(err)
		}
		vm, err := bpf.NewVM(instructions)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, vm)
	}
	return out
}

func (m machines) run(t testing.TB, c call) (allowed bool) {
	allowed = true
	for _, vm := range m {
		got, err := vm.Run(c.bytes())
		if err != nil {
			t.Fatal(err)
		}
		switch uint32(got) {
		case uint32(seccomp.ActionAllow):
		case uint32(seccomp.ActionErrno) | uint32(unix.EPERM), uint32(seccomp.ActionErrno) | uint32(unix.ENOSYS):
			allowed = false
		default:
			t.Fatalf("action %#x", uint32(got))
		}
	}
	return allowed
}

func native(t testing.TB) *arch.Info {
	info, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// model says the same as the filters, written down once more and otherwise.
func model(name string, listed bool, a [6]uint64) bool {
	if !listed {
		return false
	}
	is := func(v uint64, of ...uint64) bool {
		for _, o := range of {
			if v == o {
				return true
			}
		}
		return false
	}
	switch name {
	case "clone":
		return is(a[0], 0x50f00, 0xd0f00)
	case "tgkill":
		return a[0] == testPID
	case "socket":
		return is(a[0], 2, 10) || a[0] == 16 && a[2] == 0
	case "mmap", "mprotect":
		return a[2]&4 == 0
	case "fcntl":
		return is(a[1], 0, 1, 2, 3, 4, 1030)
	case "setsockopt":
		return a[1]>>32 == 0 && a[2]>>32 == 0 && !(a[1] == 1 && is(a[2], 26, 50, 51, 52))
	}
	return true
}

func check(t testing.TB, m machines, info *arch.Info, listed map[string]bool, c call) {
	name := info.SyscallNumbers[int(c.nr)]
	want := c.arch == uint32(info.ID) && model(name, listed[name], c.args)
	if got := m.run(t, c); got != want {
		t.Fatalf("arch %#x call %d %q %#x: allowed %v, want %v", c.arch, c.nr, name, c.args, got, want)
	}
}

func listedCalls() map[string]bool {
	out := map[string]bool{fstatat: true}
	for _, name := range allowed {
		out[name] = true
	}
	return out
}

// TestEveryCall gives every number every small first, second and third
// argument: an argument must never be taken for a number.
func TestEveryCall(t *testing.T) {
	m, info, listed := newMachines(t), native(t), listedCalls()
	ruled := map[string]bool{}
	for _, r := range rules(testPID) {
		ruled[r.call] = true
	}
	for nr := range uint32(520) {
		name := info.SyscallNumbers[int(nr)]
		check(t, m, info, listed, call{nr: nr, arch: uint32(info.ID) ^ 1})
		check(t, m, info, listed, call{nr: nr | 1<<30, arch: uint32(info.ID)}) // x32
		args := []uint64{0, 1, 4, 16, 26, 77, 0x50f00, 0xd0f00, 1<<32 | 1, ^uint64(0)}
		if ruled[name] { // the others load no argument
			for v := range uint64(520) {
				args = append(args, v, v|1<<32)
			}
		}
		for _, v := range args {
			for pos := range 3 {
				for _, rest := range []uint64{0, 1, 16} {
					c := call{nr: nr, arch: uint32(info.ID), args: [6]uint64{rest, rest, rest}}
					c.args[pos] = v
					check(t, m, info, listed, c)
				}
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	m, info, listed := newMachines(f), native(f), listedCalls()
	f.Add(uint32(info.SyscallNames["socket"]), uint64(unix.AF_NETLINK), uint64(3), uint64(9), false)
	f.Add(uint32(info.SyscallNames["clone"]), uint64(cloneThread), uint64(0), uint64(0), false)
	f.Add(uint32(info.SyscallNames["setsockopt"]), uint64(3), uint64(1), uint64(26), false)
	f.Fuzz(func(t *testing.T, nr uint32, a0, a1, a2 uint64, foreign bool) {
		c := call{nr: nr, arch: uint32(info.ID), args: [6]uint64{a0, a1, a2}}
		if foreign {
			c.arch = uint32(arch.I386.ID)
		}
		check(t, m, info, listed, c)
	})
}

// TestNeverAllowed guards the list itself against a careless addition.
func TestNeverAllowed(t *testing.T) {
	listed := listedCalls()
	for _, name := range []string{"execve", "execveat", "fork", "vfork", "clone3", "ptrace", "mount", "umount2", "setns",
		"unshare", "bpf", "keyctl", "add_key", "request_key", "kill", "tkill", "pidfd_send_signal", "pidfd_getfd",
		"process_vm_readv", "process_vm_writev", "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_create",
		"perf_event_open", "userfaultfd", "open_by_handle_at", "seccomp", "prctl", "capset", "setuid", "setresuid",
		"chroot", "pivot_root", "open_tree", "move_mount", "fsopen", "init_module", "ioctl", "pkey_mprotect", "memfd_secret"} {
		if listed[name] {
			t.Errorf("%s is allowed", name)
		}
	}
}

// TestNamesOnEveryArch: an unknown name would make Lock fail on that machine.
func TestNamesOnEveryArch(t *testing.T) {
	for _, info := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		for _, name := range allowed {
			if _, ok := info.SyscallNames[name]; !ok {
				t.Errorf("%s has no %s", info.Name, name)
			}
		}
	}
	for info, name := range map[*arch.Info]string{arch.X86_64: "newfstatat", arch.AARCH64: "fstatat"} {
		if _, ok := info.SyscallNames[name]; !ok {
			t.Errorf("%s has no %s", info.Name, name)
		}
	}
}
