package lab

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ringAccess lets possessor and owner do everything (keyutils.h, KEY_POS_ALL |
// KEY_USR_ALL): joining by name needs SEARCH for the owner, which a session
// keyring's default does not give.
const ringAccess = 0x3f3f0000

// Ring makes a session keyring that requesters join by its name, and keeps
// it until Close. It stands in for the kernel's own rings, which all
// containers share.
func (l *Lab) Ring(name string) (serial int, err error) {
	made, release, released := make(chan error, 1), make(chan struct{}), make(chan error, 1)
	go func() {
		// Deliberately never unlocked: the thread's session keyring is the
		// ring, and goes with the thread.
		runtime.LockOSThread()
		serial, err = makeRing(name)
		made <- err
		<-release
		_, err := unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
		released <- err
	}()
	if err := <-made; err != nil {
		close(release)
		return 0, fmt.Errorf("lab: keyring %s: %w", name, err)
	}
	l.onClose("keyring "+name, func() error {
		close(release)
		return <-released
	})
	return serial, nil
}

func makeRing(name string) (int, error) {
	serial, err := unix.KeyctlJoinSessionKeyring(name)
	if err != nil {
		return 0, err
	}
	return serial, unix.KeyctlSetperm(serial, ringAccess)
}

// joinRing gives the calling thread a session keyring: a fresh one, or the one
// of that name.
func joinRing(name string) error {
	if name != "" {
		_, err := unix.KeyctlJoinSessionKeyring(name)
		// The thread's own ring is made too: a test build of the stub
		// links the isolated answer there.
		_, threadErr := unix.KeyctlGetKeyringID(unix.KEY_SPEC_THREAD_KEYRING, true)
		return errors.Join(err, threadErr)
	}
	// A null name, not an empty one, makes an anonymous keyring.
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	return err
}

// clearRings empties the thread's session keyring, and its own if it has one.
func clearRings() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
	if _, none := unix.KeyctlGetKeyringID(unix.KEY_SPEC_THREAD_KEYRING, false); none != nil {
		return err
	}
	_, threadErr := unix.KeyctlInt(unix.KEYCTL_CLEAR, unix.KEY_SPEC_THREAD_KEYRING, 0, 0, 0)
	return errors.Join(err, threadErr)
}
