package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/upcalld/upcalld/nscontext"
)

// activated connects to a helper that systemd starts: dns-resolve@NAME.socket
// for a namespace that ip-netns(8) calls NAME. nil if there is no such socket.
func (h *helper) activated(c *nscontext.Context) *conversation {
	if c.Etc() == "" || h.misled {
		return nil
	}
	path := filepath.Join(h.network.start.runtimeDir, helperDir, h.kind+"@"+filepath.Base(c.Etc()))
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil
	}
	return newConversation(conn, nil)
}

// sockets numbers helpers' sockets, so that no two have the same path: closing
// one removes it.
var sockets atomic.Uint64

// cleanHelperDir makes the directory and removes what an earlier broker left
// there, but not systemd's sockets.
func cleanHelperDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	left, err := os.ReadDir(dir)
	for _, e := range left {
		if !strings.Contains(e.Name(), "@") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// listen makes the socket the helper takes over.
func (h *helper) listen() (*net.UnixListener, error) {
	path := filepath.Join(h.network.start.runtimeDir, helperDir, fmt.Sprintf("%s.%d", h.kind, sockets.Add(1)))
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.kind, err)
	}
	return l, os.Chmod(path, 0o600)
}
