package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// netNamespace returns what identifies the network namespace we answer in.
func netNamespace() (dev, ino uint64, err error) {
	const key = "UPCALLD_NETNS"
	if s, ok := os.LookupEnv(key); ok {
		if dev, ino, err = parseNamespace(s); err != nil {
			err = fmt.Errorf("environment %s=%q: %w", key, s, err)
		}
		return dev, ino, err
	}
	const path = "/proc/self/ns/net"
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, 0, fmt.Errorf("%s: %w (and no %s in the environment)", path, err, key)
	}
	return st.Dev, st.Ino, nil
}

// parseNamespace reads "dev:ino", two decimal numbers.
func parseNamespace(s string) (dev, ino uint64, err error) {
	d, i, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, fmt.Errorf("not of the form dev:ino")
	}
	if dev, err = strconv.ParseUint(d, 10, 64); err != nil {
		return 0, 0, err
	}
	ino, err = strconv.ParseUint(i, 10, 64)
	return dev, ino, err
}
