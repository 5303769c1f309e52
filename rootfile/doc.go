// Package rootfile opens and reads files below a container's root, as data. It
// is the only package that does: everything in such a tree is hostile.
//
// open.go finds a file and checks it, read.go reads it, errors.go has the
// sentinels, pseudofs.go the refused file systems, reader.go bounds the time a
// file system that never answers can take, and slots.go counts its calls.
//
// # How a file is opened
//
// The path is resolved by openat2(2) with RESOLVE_IN_ROOT, so that absolute
// symbolic links and ".." stay below the root, with RESOLVE_NO_MAGICLINKS, so
// that no link of procfs leads out, and with O_PATH, so that nothing is opened:
// opening a device node or a FIFO has effects of its own. Only when the O_PATH
// handle is a regular file on an ordinary file system is that same inode opened
// for reading, through /proc/self/fd.
//
// # What the process needs
//
// A procfs of its own pid namespace (or of an ancestor) at /proc, for the
// second step; ErrNoProc tells that it is missing. No privilege: a file the
// process may not read gives ErrPermission.
//
// # Time
//
// Every call here may block for as long as the file system likes (FUSE, NFS):
// use Reader where that matters. Local file systems do not block on FIFOs or
// on file leases, since neither is waited for.
package rootfile
