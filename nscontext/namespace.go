// Package nscontext knows namespaces: it captures those of a container and
// keeps handles on them, tells which namespaces a thread lives in, compares
// the two, and starts programs inside. It knows nothing of keys.
//
// The files: namespace.go kinds and identities, serial.go
// numbers that are never used again, thread.go the namespaces of a
// thread, context.go the captured container, capture.go how it is captured,
// watch.go how its end is noticed, start.go how a program is started in it.
//
// No thread of this process ever enters a namespace: entering is the work of
// the entry program (cmd/upcalld-enter), in a process of its own.
package nscontext

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Kind is a kind of namespace.
type Kind uint8

// The kinds of namespace Linux has. PIDForChildren is not a kind of its own
// but the pid namespace that children are born into, which unshare and setns
// change while the process stays where it is.
const (
	Net Kind = iota
	Mnt
	PID
	PIDForChildren
	User
	UTS
	IPC
	Cgroup
	Time
	numKinds
)

var kindNames = [numKinds]string{"net", "mnt", "pid", "pid_for_children", "user", "uts", "ipc", "cgroup", "time"}

// String is the kind's name under /proc/PID/ns.
func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Kinds returns all kinds, in a fixed order.
func Kinds() []Kind {
	all := make([]Kind, numKinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// ID identifies a namespace: the device and inode of its file. It is unique
// among living namespaces; an inode may be used again after the namespace has
// died, so an ID is proof only while something holds the namespace. The zero
// ID is no namespace.
type ID struct{ Dev, Ino uint64 }

func (id ID) String() string {
	if id == (ID{}) {
		return "none"
	}
	return fmt.Sprintf("%d:%d", id.Dev, id.Ino)
}

// Set holds the namespaces of a task, by kind; a kind the kernel lacks, or that
// is not part of the context, is the zero ID.
type Set [numKinds]ID

// Has reports whether the set has a namespace of that kind.
func (s Set) Has(k Kind) bool { return s[k] != ID{} }

// Same reports whether both sets have a namespace of each of the kinds, and the
// same one.
func (s Set) Same(o Set, kinds ...Kind) bool {
	for _, k := range kinds {
		if !s.Has(k) || s[k] != o[k] {
			return false
		}
	}
	return true
}

// String lists the inodes, as ls -l /proc/PID/ns shows them.
func (s Set) String() string {
	var b strings.Builder
	for k, id := range s {
		if id == (ID{}) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s:[%d]", Kind(k), id.Ino)
	}
	return b.String()
}

// idOf returns the identity of an open namespace file, after checking that it
// is one: nsfs is the only file system these files live on.
func idOf(fd int) (ID, error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return ID{}, err
	}
	if fs.Type != unix.NSFS_MAGIC {
		return ID{}, ErrNotNamespace
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return ID{}, err
	}
	return ID{st.Dev, st.Ino}, nil
}

// idOfPath is idOf without opening the file.
func idOfPath(path string) (ID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ID{}, err
	}
	return ID{st.Dev, st.Ino}, nil
}
