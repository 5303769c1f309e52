package nscontext

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nsGetID asks a namespace file for the namespace's number, which is never used
// again, unlike its inode: NS_GET_ID of include/uapi/linux/nsfs.h, in Linux 6.18.
const nsGetID = 0x8008b70d

// Serial is a namespace's number, counted by the kernel and never used again; 0
// where the kernel has none.
type Serial uint64

// NetSerial is the serial of the captured network namespace, 0 if there is none.
func (c *Context) NetSerial() (s Serial) {
	_ = c.WithNamespace(Net, func(f *os.File) error {
		s = serialOf(int(f.Fd()))
		return nil
	})
	return s
}

// NetSerialOfThread is the serial of a thread's network namespace, 0 if it
// cannot be told. As with [OfThread] the thread must be known to live.
func NetSerialOfThread(tid int) Serial {
	fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	return serialOf(fd)
}

func serialOf(fd int) (s Serial) {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), nsGetID, uintptr(unsafe.Pointer(&s)))
	if e != 0 {
		return 0
	}
	return s
}
