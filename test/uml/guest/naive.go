package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// naive is what one would write first: a dns_resolver handler that enters the
// requester's network namespace and runs keyutils' own resolver there. Each
// namespace's question goes to its own name server, and still the answers mix,
// because the kernel's cache of them knows no namespaces. It is here so that
// the lane is known to be able to fail.
func naive(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: naive KEY")
	}
	key, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	tid, err := requester(key)
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the thread that enters is the one that execs
	if err := enterNet(fmt.Sprintf("/proc/%d/ns/net", tid)); err != nil {
		return err
	}
	return unix.Exec("/sbin/key.dns_resolver", []string{"key.dns_resolver", args[0]}, os.Environ())
}

// enterNet moves the calling thread, which must be locked, into the network
// namespace at path.
func enterNet(path string) error {
	ns, err := os.Open(path)
	if err != nil {
		return err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", path, err)
	}
	return nil
}
