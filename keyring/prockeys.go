package keyring

import (
	"bytes"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// Upcall is what /proc/keys tells of a key under construction.
type Upcall struct {
	// Thread is the id of the thread that asked, in the pid namespace of the
	// procfs mount; it is blocked until the upcall ends, so the id stays its
	// own as long as the process that the kernel started lives.
	Thread int
	// Usage counts the references to the key: 2 are the requester's and the
	// auth key's. 0: the key is not visible.
	Usage int
}

// FindUpcall reads /proc/keys from r to its end and returns the requester of
// key, whose auth key is auth.
//
// Any user can forge a whole line of /proc/keys with a newline in a key's
// description (security/keys/proc.c prints it as it is). So only a line that
// starts with the auth key's own serial counts, and a second such line, which
// cannot be told from the first, is refused with [ErrForged]. [ErrNoKey] when
// there is no such line.
func FindUpcall(r io.Reader, key, auth Serial) (Upcall, error) {
	var u Upcall
	found, usages := 0, 0
	err := scanLines(r, func(line []byte) {
		switch serial, ok := lineSerial(line); {
		case !ok:
		case serial == auth:
			if tid, ok := authLine(line, key); ok {
				found++
				u.Thread = tid
			}
		case serial == key:
			if l, ok := ParseLine(line); ok {
				usages++
				// A forged second line can only raise the count: the guard
				// that uses it then refuses, and never lets pass.
				u.Usage = max(u.Usage, l.Usage)
			}
		}
	})
	switch {
	case err != nil:
		return Upcall{}, opError("find requester of", key, err)
	case found == 0:
		return Upcall{}, opError("find requester of", key, ErrNoKey)
	case found > 1:
		return Upcall{}, opError("find requester of", key, ErrForged)
	}
	return u, nil
}

// ErrForged: two lines of /proc/keys claim to be the same auth key.
const ErrForged = unix.EKEYREJECTED

// FindRings returns the serials of the keyrings with that description that
// root owns. A description is text, and a line may be forged: ask the kernel
// ([Describe]) before trusting a serial.
func FindRings(r io.Reader, name string) ([]Serial, error) {
	var rings []Serial
	err := scanLines(r, func(line []byte) {
		l, ok := ParseLine(line)
		if !ok || l.Type != "keyring" || l.UID != 0 {
			return
		}
		// "%s: empty" or "%s: %lu" (keyring.c, keyring_describe)
		if text, ok := bytes.CutPrefix(l.Text, []byte(name)); ok && bytes.HasPrefix(text, []byte(": ")) {
			rings = append(rings, l.Serial)
		}
	})
	if err != nil {
		return nil, opError("find rings", 0, err)
	}
	return rings, nil
}

// FindAuthKeys returns the serials of all auth keys that are visible: one for
// each upcall in flight that root may see. A forged line adds one too many.
func FindAuthKeys(r io.Reader) (map[Serial]bool, error) {
	auths := make(map[Serial]bool)
	err := scanLines(r, func(line []byte) {
		if l, ok := ParseLine(line); ok && l.Type == authType && bytes.HasPrefix(l.Text, []byte("key:")) {
			auths[l.Serial] = true
		}
	})
	if err != nil {
		return nil, opError("find auth keys", 0, err)
	}
	return auths, nil
}

// authType is ".request_key_auth", cut to the nine characters that
// proc_keys_show prints of a type.
const authType = ".request_"

// authLine parses an auth key's line, "key:<hex> pid:<n> ci:<n>", and says
// whether it is the one for key. (request_key_auth.c, request_key_auth_describe)
func authLine(line []byte, key Serial) (tid int, ok bool) {
	l, ok := ParseLine(line)
	if !ok || l.Type != authType {
		return 0, false
	}
	f := bytes.Split(l.Text, []byte{' '})
	if len(f) != 3 {
		return 0, false
	}
	target, ok1 := bytes.CutPrefix(f[0], []byte("key:"))
	pid, ok2 := bytes.CutPrefix(f[1], []byte("pid:"))
	callout, ok3 := bytes.CutPrefix(f[2], []byte("ci:"))
	if !ok1 || !ok2 || !ok3 {
		return 0, false
	}
	if _, err := strconv.ParseUint(string(callout), 10, 31); err != nil {
		return 0, false
	}
	t, err := strconv.ParseUint(string(target), 16, 31)
	if err != nil || Serial(t) != key {
		return 0, false
	}
	// 0: the requester is not visible in this procfs's pid namespace.
	n, err := strconv.ParseUint(string(pid), 10, 31)
	return int(n), err == nil && n > 0
}
