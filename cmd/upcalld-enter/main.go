// Command upcalld-enter is the entry program: everything that runs in a
// container's context is started by it. It turns itself into that program and
// never returns.
//
//	upcalld-enter --sockets N --net FD --program FD --uid N --gid N -- NAME [ARG...]
//
// The caller (package nscontext, start.go) has already given it pid, mount, ipc
// and uts namespaces of its own. It joins the network namespace behind --net,
// leaves the file systems behind for an empty root, gives up its user, its
// capabilities and its keyring, and executes the file behind --program. That
// file was opened by the caller: nothing is looked up by name any more.
//
// The files: main.go the order of things, args.go the command line, root.go the
// empty root, drop.go the giving up, execute.go the end.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	// setns and the credentials count for one thread; the thread that executes
	// the program is the one that remains.
	runtime.LockOSThread()
	e, err := parseArgs(os.Args[1:])
	if err == nil {
		err = e.enter()
	}
	fmt.Fprintln(os.Stderr, "upcalld-enter:", err)
	os.Exit(125)
}

// enter does not return unless something fails. The order matters: the network
// namespace and the mounts need privilege, the program gets none.
func (e entry) enter() error {
	if err := bePreferredVictim(); err != nil {
		return err
	}
	netns, err := joinNetNS(e.net)
	if err != nil {
		return err
	}
	if err := emptyRoot(); err != nil {
		return err
	}
	if err := dropPrivileges(e.uid, e.gid); err != nil {
		return err
	}
	if err := closeOthers(3+e.sockets, e.program); err != nil {
		return err
	}
	env := []string{
		"LISTEN_FDS=" + strconv.Itoa(e.sockets),
		"LISTEN_PID=" + strconv.Itoa(os.Getpid()),
		"UPCALLD_NETNS=" + netns,
	}
	return fmt.Errorf("execute %s: %w", e.argv[0], execute(e.program, e.argv, env))
}

// joinNetNS enters the namespace and returns its "device:inode", which the
// program cannot find out by itself in its empty root.
func joinNetNS(fd int) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", fmt.Errorf("network namespace: %w", err)
	}
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return "", fmt.Errorf("enter network namespace: %w", err)
	}
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino), nil
}
