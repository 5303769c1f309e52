package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// agent is one client: for each line on its input, a delay in microseconds and a
// number of retries, it follows the referral REFERRAL and prints the name of the
// server it reached, or ! and the error, and how many retries that took.
//
// It is a process of its own so that it asks the kernel as a container does,
// and lives through all rounds because starting one is what a guest is slowest
// at. It goes through no shell and no mount(8).
func agent(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: agent REFERRAL")
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var delay, retries int
		if _, err := fmt.Sscan(lines.Text(), &delay, &retries); err != nil {
			return err
		}
		time.Sleep(time.Duration(delay) * time.Microsecond)
		fmt.Println(insist(args[0], retries))
	}
	return lines.Err()
}

// insist follows the referral until it leads somewhere, with at most so many
// retries, made at once. A program that is refused would do the same.
func insist(referral string, retries int) (outcome string, retried int) {
	for {
		server, err := follow(referral)
		switch {
		case err == nil:
			return server, retried
		case retried == retries:
			return "!" + errorName(err), retried
		}
		retried++
	}
}

// follow makes the kernel resolve the referral's host name, by the cheapest way
// there is: touching the referral mounts what it refers to, and unmounting that
// again makes the next touch start over. Nothing else is kept: the mount the
// referral lies in stays, and so does its connection.
func follow(referral string) (server string, err error) {
	server, err = os.Readlink(filepath.Join(referral, "whoami"))
	if err != nil {
		return "", err
	}
	if err := unix.Unmount(referral, unix.UMOUNT_NOFOLLOW); err != nil {
		return "", fmt.Errorf("unmount: %w", err)
	}
	return server, nil
}

// errorName returns the errno's name, one word, so that a tally can be kept by it.
func errorName(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) && unix.ErrnoName(errno) != "" {
		return unix.ErrnoName(errno)
	}
	return "error"
}
