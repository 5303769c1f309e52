package broker

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/nscontext"
)

// checkPeer admits a stub: uid 0, in the host's user, pid and mount namespace,
// as the kernel starts it. A container's root that got hold of the socket, or a
// root of the host that has wandered into a container, is none. It returns the
// peer's namespaces.
func (b *Broker) checkPeer(conn *net.UnixConn) (nscontext.Set, error) {
	cred, err := peerCred(conn)
	if err != nil {
		return nscontext.Set{}, err
	}
	if cred.Uid != 0 {
		return nscontext.Set{}, fmt.Errorf("peer has uid %d, only 0 may speak here", cred.Uid)
	}
	s, err := nscontext.OfThread(int(cred.Pid))
	if err != nil {
		return nscontext.Set{}, err
	}
	for _, k := range []nscontext.Kind{nscontext.User, nscontext.PID, nscontext.Mnt} {
		if !s.Same(b.initial, k) {
			return nscontext.Set{}, fmt.Errorf("peer %d is not in the host's %s namespace", cred.Pid, k)
		}
	}
	// The pid was the peer's if the peer is still there now.
	if !connected(conn) {
		return nscontext.Set{}, nscontext.ErrGone
	}
	return s, nil
}

func peerCred(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	return cred, credErr
}

// connected reports whether the other side still holds its end open. The stub
// hands its end to nobody, so it is closed exactly when the stub ends: before
// the kernel lets the requester go on (kernel/exit.c, do_exit closes files
// before it notifies).
func connected(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	hup := true
	_ = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		for {
			_, err := unix.Poll(p, 0)
			if err == unix.EINTR {
				continue
			}
			hup = err != nil || p[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR|unix.POLLNVAL) != 0
			return
		}
	})
	return !hup
}
