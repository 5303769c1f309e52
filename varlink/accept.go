package varlink

import (
	"bufio"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// accept takes a connection over, or tells it that there are too many.
func (s *Server) accept(uc *net.UnixConn) {
	peer, err := peerOf(uc)
	if err != nil {
		uc.Close()
		return
	}
	c := &conn{s: s, uc: uc, peer: peer}
	switch added, closed := s.add(c); {
	case added:
		c.r = bufio.NewReaderSize(uc, readBuffer)
		go c.run()
	case closed:
		uc.Close()
	default:
		s.logger().Warn("varlink: too many connections", "limit", s.maxConns(), "pid", peer.PID, "uid", peer.UID)
		e := NewError(TooManyConnections, "The server has as many connections as it may have.", nil)
		_ = c.send(replyMessage{Error: e.Name, Parameters: e.Parameters}) // a fresh socket's buffer takes it
		uc.Close()
	}
}

func (s *Server) add(c *conn) (added, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.maxConns() {
		return false, s.closed
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	return true, false
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.wg.Done()
}

// peerOf asks the kernel who connected.
func peerOf(uc *net.UnixConn) (Peer, error) {
	raw, err := uc.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, credErr); err != nil {
		return Peer{}, err
	}
	return Peer{PID: cred.Pid, UID: cred.Uid, GID: cred.Gid}, nil
}
