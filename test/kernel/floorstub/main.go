// Command floorstub is the least that can answer an upcall: it instantiates the
// key with the number of the requester's network namespace, and does nothing
// to keep answers apart. Lanes use it as a control: with keyrings of their own
// two namespaces must never get each other's answer from it, and with a shared
// one they must.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func main() {
	runtime.LockOSThread() // keys and authority belong to the thread
	if err := answer(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "floorstub:", err)
		os.Exit(1)
	}
}

// answer takes the arguments of call_sbin_request_key (security/keys/request_key.c).
func answer(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("want OP KEY, got %q", args)
	}
	key, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	auth, err := unix.KeyctlInt(unix.KEYCTL_ASSUME_AUTHORITY, key, 0, 0, 0)
	if err != nil {
		return err
	}
	tid, err := requester(auth)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/net", tid), &st); err != nil {
		return err
	}
	payload := []byte(strconv.FormatUint(st.Ino, 10) + "\x00")
	if _, err := unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, key, 60, 0, 0); err != nil {
		return err
	}
	return instantiate(key, payload)
}

// requester finds the thread in the auth key's own line of /proc/keys.
func requester(auth int) (int, error) {
	keys, err := os.ReadFile("/proc/keys")
	if err != nil {
		return 0, err
	}
	start := []byte(fmt.Sprintf("%08x ", uint32(auth)))
	for line := range bytes.Lines(keys) {
		if !bytes.HasPrefix(line, start) {
			continue
		}
		_, rest, _ := bytes.Cut(line, []byte(" pid:"))
		tid, _, _ := bytes.Cut(rest, []byte(" "))
		return strconv.Atoi(string(tid))
	}
	return 0, fmt.Errorf("no key %08x in /proc/keys", auth)
}

func instantiate(key int, payload []byte) error {
	iov := []unix.Iovec{{Base: &payload[0]}}
	iov[0].SetLen(len(payload))
	return unix.KeyctlInstantiateIOV(key, iov, 0)
}
