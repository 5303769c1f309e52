package rootfile

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Operations of the FUSE protocol (include/uapi/linux/fuse.h).
const (
	opLookup  = 1
	opForget  = 2
	opGetattr = 3
	opOpen    = 14
	opRead    = 15
	opStatfs  = 17
	opRelease = 18
	opFlush   = 25
	opInit    = 26
	opIntr    = 36
	opBForget = 42
)

const fuseFile = "never\n"

// fuseEnv makes the test binary a FUSE server on descriptor 3 that never answers
// the operation of that number, and writes a byte to its output when asked.
const fuseEnv = "ROOTFILE_TEST_FUSE"

// muteFUSE mounts a file system with one file under every name, whose server
// never answers the operation mute. heard gets a value whenever it is asked.
// All calls that hang on it end with the test.
//
// The server is a process of its own: a request that it has read cannot be
// interrupted, not even by SIGKILL (fs/fuse/dev.c, request_wait_answer), so a
// process that holds its own server's end could never die in the middle.
func muteFUSE(t testing.TB, mute int) (root int, heard <-chan struct{}) {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no FUSE on this host: %v", err)
	}
	dev := os.NewFile(uintptr(fd), "/dev/fuse")
	opts := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	err = unix.Mount("mute", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, opts)
	if err != nil {
		dev.Close()
		t.Skipf("cannot mount FUSE: %v", err)
	}
	asked, stop := startServer(t, dev, mute)
	dev.Close()
	t.Cleanup(func() {
		stop() // closes the last handle, which aborts what hangs
		must(t, unix.Unmount(dir, unix.MNT_DETACH))
	})
	return handle(t, dir), asked
}

func startServer(t testing.TB, dev *os.File, mute int) (asked <-chan struct{}, stop func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{fuseEnv + "=" + strconv.Itoa(mute)}
	cmd.ExtraFiles = []*os.File{dev}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(t, err)
	heard, started, ended := make(chan struct{}, 64), make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		// Pdeathsig follows the forking thread: nothing else may run on it, and
		// get stuck on it, while the server lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		for b := make([]byte, 1); err == nil; {
			if _, err = out.Read(b); err == nil {
				heard <- struct{}{}
			}
		}
		cmd.Wait()
	}()
	must(t, <-started)
	return heard, func() { cmd.Process.Kill(); <-ended }
}

// serveFUSE is the server's main.
func serveFUSE(mute string) {
	op, _ := strconv.Atoi(mute)
	buf, le := make([]byte, 1<<20), binary.LittleEndian
	for {
		n, err := unix.Read(3, buf)
		if err == unix.EINTR || err == unix.ENOENT { // the request was interrupted
			continue
		}
		if err != nil || n < 40 {
			return
		}
		asked, unique := le.Uint32(buf[4:]), le.Uint64(buf[8:])
		switch asked {
		case uint32(op):
			os.Stdout.Write([]byte{'x'})
			continue
		case opForget, opBForget, opIntr: // these have no answer
			continue
		}
		body, errno := answerFUSE(asked, le.Uint64(buf[16:]))
		out := le.AppendUint32(nil, uint32(16+len(body)))
		out = le.AppendUint32(out, uint32(-int32(errno)))
		out = le.AppendUint64(out, unique)
		unix.Write(3, append(out, body...))
	}
}

func answerFUSE(op uint32, node uint64) ([]byte, unix.Errno) {
	u64 := binary.LittleEndian.AppendUint64
	switch op {
	case opInit:
		b := make([]byte, 64)
		binary.LittleEndian.PutUint32(b, 7)
		binary.LittleEndian.PutUint32(b[4:], 31)
		binary.LittleEndian.PutUint32(b[20:], 4096) // max_write
		return b, 0
	case opLookup: // node 2, nothing may be cached
		return slices.Concat(u64(nil, 2), make([]byte, 32), fuseAttr(2)), 0
	case opGetattr:
		return slices.Concat(make([]byte, 16), fuseAttr(node)), 0
	case opOpen:
		return make([]byte, 16), 0
	case opRead:
		return []byte(fuseFile), 0
	case opStatfs:
		return make([]byte, 80), 0
	case opRelease, opFlush:
		return nil, 0
	}
	return nil, unix.ENOSYS
}

func fuseAttr(node uint64) []byte {
	mode := uint32(unix.S_IFREG | 0o644)
	if node == 1 {
		mode = unix.S_IFDIR | 0o755
	}
	b := make([]byte, 88)
	binary.LittleEndian.PutUint64(b, node)
	binary.LittleEndian.PutUint64(b[8:], uint64(len(fuseFile)))
	binary.LittleEndian.PutUint32(b[60:], mode)
	binary.LittleEndian.PutUint32(b[64:], 1) // links
	return b
}
