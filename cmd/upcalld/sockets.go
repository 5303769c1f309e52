package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/varlink"
)

// sockets are the two that upcalld listens on.
type sockets struct {
	upcalls *net.UnixListener // SOCK_SEQPACKET, for stubs
	api     *net.UnixListener // SOCK_STREAM, Varlink
	origin  string
	lock    *os.File
}

// openSockets takes both from systemd, or makes both. The runtime directory is
// root's alone, and one upcalld's.
func openSockets(dir string) (*sockets, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s := &sockets{lock: lock}
	if err := s.activated(); err != nil {
		return nil, err
	}
	if s.upcalls != nil && s.api != nil {
		s.origin = "systemd"
		return s, nil
	}
	s.origin = "own"
	if s.upcalls, err = listen("unixpacket", filepath.Join(dir, "upcall")); err != nil {
		return nil, err
	}
	if s.api, err = listen("unix", filepath.Join(dir, api.Socket)); err != nil {
		return nil, err
	}
	return s, nil
}

// lockDir keeps a second upcalld from taking the sockets away from the first.
// The lock ends with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another upcalld runs in %s", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// activated sorts systemd's sockets by their type: both units' names are the
// administrator's.
func (s *sockets) activated() error {
	all, err := activation.Listeners()
	if err != nil {
		return fmt.Errorf("sockets from systemd: %w", err)
	}
	for _, l := range all {
		u, ok := l.(*net.UnixListener)
		switch {
		case ok && u.Addr().Network() == "unixpacket" && s.upcalls == nil:
			s.upcalls = u
		case ok && u.Addr().Network() == "unix" && s.api == nil:
			s.api = u
		default:
			return errors.New("sockets from systemd: expected one SOCK_SEQPACKET and one SOCK_STREAM Unix socket")
		}
	}
	if (s.upcalls == nil) != (s.api == nil) {
		return errors.New("sockets from systemd: one of the two is missing")
	}
	return nil
}

// listen makes a socket that only root can connect to.
func listen(network, path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("socket: %w", err)
	}
	old := unix.Umask(0o177)
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return l, nil
}

func (s *sockets) close() {
	s.upcalls.Close()
	s.api.Close()
	s.lock.Close()
}

// serveAPI serves l until ctx ends.
func serveAPI(ctx context.Context, s *varlink.Server, l *net.UnixListener) error {
	stop := context.AfterFunc(ctx, func() {
		within, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		_ = s.Shutdown(within)
	})
	defer stop()
	if err := s.Serve(l); !errors.Is(err, varlink.ErrServerClosed) {
		return err
	}
	return nil
}
