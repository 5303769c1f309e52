package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// execArg0 is the name under which a program starts itself to hang in execve(2).
const execArg0 = Prefix + "exec"

// HangingExec starts a process that hangs in execve(2) and returns when it does:
// the call closes a file on a FUSE file system over path that never answers
// FLUSH, and holds exec_update_lock meanwhile (fs/exec.c, begin_new_exec). Whoever
// reads the process's stack or cmdline in /proc hangs too, ps(1) among them.
//
// It ends by end, which may be called again, by Close, when most has passed, and
// with this process, however that dies: nothing else frees the process, not even
// SIGKILL (fs/fuse/file.c, fuse_flush forces its request).
func (l *Lab) HangingExec(path string, most time.Duration) (pid int, end func() error, err error) {
	dev, err := mountFUSE(path)
	if err != nil {
		return 0, nil, err
	}
	abort := l.abortable(path, dev, most)
	flushed := make(chan struct{})
	go serveUntilFlush(dev, flushed)
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{execArg0, path}
	stderr := new(logBuffer)
	cmd.Stderr = stderr
	p, err := spawn(cmd, func() error { return nil })
	if err != nil {
		return 0, nil, errors.Join(err, abort())
	}
	end = sync.OnceValue(func() error { return errors.Join(abort(), p.kill()) })
	l.onClose("the process that hangs", end)
	select {
	case <-flushed:
		return p.pid(), end, nil
	case <-p.done:
		return 0, nil, errors.Join(fmt.Errorf("lab: it does not hang: %s", stderr), end())
	case <-time.After(5 * time.Second):
		return 0, nil, errors.Join(errors.New("lab: no FLUSH came"), end())
	}
}

// abortable returns what ends the file system, once. Unmounting it by force
// aborts the connection, and so does closing its last handle: either would do.
func (l *Lab) abortable(path string, dev *os.File, most time.Duration) func() error {
	abort := sync.OnceValue(func() error {
		return errors.Join(unmountFUSE(path, unix.MNT_FORCE|unix.MNT_DETACH), dev.Close())
	})
	l.onClose("FUSE file "+path, abort)
	time.AfterFunc(most, func() { _ = abort() }) // the next caller gets its error
	return abort
}

// hangInExec is the process: a second life without a path ends at once.
func hangInExec(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := unix.Open(args[0], unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open %s: %w", args[0], err)
	}
	return unix.Exec("/proc/self/exe", []string{execArg0}, nil)
}

// The requests that matter (include/uapi/linux/fuse.h, enum fuse_opcode).
const (
	fuseForget  = 2
	fuseOpen    = 14
	fuseRelease = 18
	fuseFlush   = 25
	fuseInit    = 26
)

// serveUntilFlush answers what opening a file takes, and FLUSH never. It returns
// when dev is closed.
func serveUntilFlush(dev *os.File, flushed chan<- struct{}) {
	request := make([]byte, 128<<10) // at least FUSE_MIN_READ_BUFFER
	for {
		n, err := dev.Read(request)
		if err != nil || n < 40 { // struct fuse_in_header
			return
		}
		reply, errno := []byte(nil), unix.Errno(0)
		switch binary.NativeEndian.Uint32(request[4:]) {
		case fuseInit:
			reply = make([]byte, 64) // struct fuse_init_out
			binary.NativeEndian.PutUint32(reply, 7)
			binary.NativeEndian.PutUint32(reply[4:], 31)
			binary.NativeEndian.PutUint32(reply[20:], 4096) // max_write
		case fuseOpen:
			reply = make([]byte, 16) // struct fuse_open_out
		case fuseRelease:
		case fuseFlush:
			if flushed != nil {
				close(flushed)
				flushed = nil
			}
			continue
		case fuseForget:
			continue
		default:
			errno = unix.ENOSYS
		}
		if _, err := dev.Write(fuseReply(request, reply, errno)); err != nil {
			return
		}
	}
}

// fuseReply is an answer with its struct fuse_out_header.
func fuseReply(request, body []byte, errno unix.Errno) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.NativeEndian.AppendUint32(b, uint32(-int32(errno)))
	b = append(b, request[8:16]...) // unique
	return append(b, body...)
}
