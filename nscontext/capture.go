package nscontext

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// FromPID captures the namespaces and the root of a process, or the directory
// root instead, if it is not "". The pidfd is taken
// first, then the handles, then both are checked again: the process lived
// throughout and stayed where it was, so the handles are its own. It needs
// CAP_SYS_PTRACE over the process. [ErrGone], [ErrMoved].
func FromPID(pid int, root string) (*Context, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("capture process %d: not a process id", pid)
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("capture process %d: %w", pid, gone(err))
	}
	c := &Context{pid: pid, dead: make(chan struct{}), pidfd: os.NewFile(uintptr(fd), "pidfd")}
	if err := c.captureProcess(fd, root); err != nil {
		c.Close()
		return nil, fmt.Errorf("capture process %d: %w", pid, err)
	}
	go c.watchProcess(c.pidfd)
	return c, nil
}

func (c *Context) captureProcess(pidfd int, root string) error {
	proc := "/proc/" + strconv.Itoa(c.pid)
	for _, k := range Kinds() {
		f, id, err := openNamespace(proc + "/ns/" + k.String())
		if errors.Is(err, fs.ErrNotExist) && k != Net {
			continue // a kind this kernel lacks
		}
		if err != nil {
			return fmt.Errorf("%s namespace: %w", k, gone(err))
		}
		c.handles[k], c.ids[k] = f, id
	}
	var err error
	if root != "" {
		c.root, err = openTree(root)
	} else if c.root, err = openRoot(proc + "/root"); err != nil {
		err = gone(err)
	}
	if err != nil {
		return err
	}
	again, err := OfThread(c.pid)
	if err != nil {
		return err
	}
	// Without a signal: does the process behind the pidfd still exist?
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != nil {
		return gone(err)
	}
	if again != c.ids {
		return ErrMoved
	}
	return nil
}

// netnsDirs are where ip-netns(8) keeps its names, and where those lead.
const (
	netnsDir    = "/run/netns"
	netnsOldDir = "/var/run/netns"
)

// FromNetNS captures a network namespace by the path of its file, with the
// directory root for its files. "" is the host's root, and then a namespace
// that ip-netns(8) named reads /etc/netns/NAME before /etc, as "ip netns exec"
// does. [ErrNotNamespace].
//
// The context dies when the path does not lead to the namespace any more;
// the caller notices that with [Context.Recheck].
func FromNetNS(path, root string) (*Context, error) {
	c := &Context{path: path, dead: make(chan struct{})}
	if err := c.captureNetNS(root); err != nil {
		c.Close()
		return nil, fmt.Errorf("capture network namespace %s: %w", path, err)
	}
	return c, nil
}

func (c *Context) captureNetNS(root string) error {
	if err := notOnProc(c.path); err != nil {
		return err
	}
	f, id, err := openNamespace(c.path)
	if err != nil {
		return err
	}
	c.handles[Net], c.ids[Net] = f, id
	kind, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_NSTYPE)
	if err != nil {
		return err
	}
	if kind != unix.CLONE_NEWNET {
		return fmt.Errorf("%w of the network kind", ErrNotNamespace)
	}
	if root != "" {
		c.root, err = openTree(root)
		return err
	}
	c.etc = etcOf(c.path)
	c.root, err = openRoot("/")
	return err
}

// notOnProc refuses /proc/PID/ns/net and /proc/PID/fd/N: when that process ends,
// nothing tells, and the path may lead to another's namespace.
func notOnProc(path string) error {
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == unix.ELOOP {
		return fmt.Errorf("%w by that path: it leads through /proc; register the process instead", ErrNotNamespace)
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// etcOf is the directory of ip-netns(8)'s own for a namespace it has named.
func etcOf(path string) string {
	dir, name := filepath.Split(filepath.Clean(path))
	if dir = filepath.Clean(dir); dir != netnsDir && dir != netnsOldDir {
		return ""
	}
	return "etc/netns/" + name
}

// Recheck reports whether the path still leads to the namespace; if not, the
// context dies. A context captured from a process is always right.
func (c *Context) Recheck() bool {
	if c.path == "" {
		return true
	}
	if id, err := idOfPath(c.path); err != nil || id != c.ids[Net] {
		c.die()
		return false
	}
	return true
}

func openNamespace(path string) (*os.File, ID, error) {
	// O_NONBLOCK: the path may turn out to be a FIFO.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, ID{}, err
	}
	id, err := idOf(fd)
	if err != nil {
		unix.Close(fd)
		return nil, ID{}, err
	}
	return os.NewFile(uintptr(fd), path), id, nil
}

// openTree opens a directory of the host as the root of a mount of its own, so
// that ".." does not lead out of it, and nothing in it can be written to or is a
// device. A directory below an unbindable mount cannot be had that way: EINVAL.
func openTree(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return nil, fmt.Errorf("root directory: mount %s once more: %w", path, err)
	}
	tree := os.NewFile(uintptr(fd), path)
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC,
	})
	if err != nil {
		tree.Close()
		return nil, fmt.Errorf("root directory: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		tree.Close()
		return nil, fmt.Errorf("root directory: %w", unix.ENOTDIR)
	}
	return tree, nil
}

// openRoot opens a directory as a mere handle: nothing of its file system runs.
func openRoot(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
