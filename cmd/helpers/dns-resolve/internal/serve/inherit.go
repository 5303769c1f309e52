package serve

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// ErrNoSocket: nothing was inherited, so nobody can ask.
var ErrNoSocket = errors.New("no listening socket inherited (LISTEN_FDS, and LISTEN_PID with our own pid, must be set)")

// Inherit takes over the listening SOCK_SEQPACKET Unix sockets that the
// activator left from descriptor 3 on (sd_listen_fds(3)). LISTEN_PID must be
// our pid as we see it: 1 at the top of a pid namespace. It clears the
// variables, and fails with ErrNoSocket or naming the descriptor that is
// something else.
func Inherit() ([]*net.UnixListener, error) {
	var listeners []*net.UnixListener
	files := activation.Files(true)
	defer closeAll(files)
	for _, f := range files {
		l, err := listener(f)
		if err != nil {
			return nil, fmt.Errorf("inherited descriptor %d: %w", f.Fd(), err)
		}
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		return nil, ErrNoSocket
	}
	return listeners, nil
}

func listener(f *os.File) (*net.UnixListener, error) {
	for _, want := range []struct {
		option, value int
		what          string
	}{
		{unix.SO_DOMAIN, unix.AF_UNIX, "not a Unix socket"},
		{unix.SO_TYPE, unix.SOCK_SEQPACKET, "not SOCK_SEQPACKET"},
		{unix.SO_ACCEPTCONN, 1, "not listening"},
	} {
		got, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, want.option)
		if err != nil {
			return nil, err
		}
		if got != want.value {
			return nil, errors.New(want.what)
		}
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false) // the path is the activator's
	return u, nil
}
