package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const netnsDir = "/run/netns"

// Netns is a network namespace made by ip-netns(8).
type Netns struct {
	Name string
}

// Path is the file that names the namespace, /run/netns/NAME.
func (n Netns) Path() string { return filepath.Join(netnsDir, n.Name) }

// Netns makes a network namespace, with its loopback up.
func (l *Lab) Netns(suffix string) (Netns, error) {
	n := Netns{l.name + "-" + suffix}
	if _, err := os.Stat(netnsDir); errors.Is(err, os.ErrNotExist) {
		l.onClose(netnsDir, removeNetnsDir)
	}
	if err := ip("", "netns add "+n.Name); err != nil {
		return n, err
	}
	l.onClose("network namespace "+n.Name, n.delete)
	return n, ip(n.Name, "link set lo up")
}

// removeNetnsDir removes the directory that ip made and mounted on itself. Both
// steps fail, rightly, while somebody else's namespace is in it.
func removeNetnsDir() error {
	if unix.Unmount(netnsDir, 0) == nil {
		_ = os.Remove(netnsDir)
	}
	return nil
}

func (n Netns) delete() error {
	if _, err := os.Lstat(n.Path()); errors.Is(err, os.ErrNotExist) {
		return nil // a test removed it itself: that is how a container dies
	}
	return ip("", "netns del "+n.Name)
}

// Delete removes the name now. The namespace itself lives on until nobody is
// in it and nobody holds it.
func (n Netns) Delete() error { return n.delete() }

// Do runs f on a thread inside the namespace. Sockets that f makes stay
// there; goroutines that f starts do not.
func (n Netns) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Deliberately never unlocked: the thread ends with the goroutine,
		// so no other goroutine ever runs in the foreign namespace.
		runtime.LockOSThread()
		if err := n.enter(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// enter moves the calling thread. The zero Netns is the caller's own.
func (n Netns) enter() error {
	if n.Name == "" {
		return nil
	}
	fd, err := unix.Open(n.Path(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lab: open %s: %w", n.Path(), err)
	}
	defer unix.Close(fd)
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("lab: enter %s: %w", n.Path(), err)
	}
	return nil
}

// ip runs ip(8) commands as one batch in the named namespace ("" is the host).
func ip(netns string, commands ...string) error {
	args := []string{"-batch", "-"}
	if netns != "" {
		args = append([]string{"-n", netns}, args...)
	}
	cmd := exec.Command("ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("lab: ip %s in %q: %w: %s", strings.Join(commands, "; "), netns, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}
