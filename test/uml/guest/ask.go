package main

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ask makes the real request_key(2) call for a dns_resolver key, NAME, and
// prints the answer, or ! and the errno. Its session keyring is new, so that no
// earlier answer is found.
func ask(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: ask NAME")
	}
	runtime.LockOSThread() // keyrings belong to the thread
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("new session keyring: %w", err)
	}
	key, err := unix.RequestKey("dns_resolver", args[0], "", unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		fmt.Println("!" + errorName(err))
		return nil
	}
	answer := make([]byte, 1024)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, key, answer, 0)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	fmt.Println(unix.ByteSliceToString(answer[:n]))
	return nil
}
