// Package keyring is the part of Linux's key management that answering an
// upcall needs: authority over a key under construction, the calls that
// instantiate or reject it, and what /proc/keys tells of it.
//
// The files: keyring.go names and errors, construct.go the calls for a key
// under construction, key.go those for finished keys and keyrings, describe.go
// the text of KEYCTL_DESCRIBE, prockeys.go and its scanner the text of
// /proc/keys.
//
// Keys belong to credentials, and credentials to threads: a caller that
// assumes authority locks its goroutine to the thread (runtime.LockOSThread)
// from there until the key is answered. The package imports neither fmt nor
// net, because the program that the kernel waits for imports it.
package keyring

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Serial is the number of a key, or one of the special ids below.
type Serial int32

// Special ids (include/uapi/linux/keyctl.h).
const (
	ThreadRing  Serial = -1
	ProcessRing Serial = -2
	SessionRing Serial = -3
	// AuthKey is the auth key of the upcall whose authority the thread has
	// assumed.
	AuthKey Serial = -7
	// RequestorRing is the keyring the requested key was made for; it can be
	// named only while authority is assumed
	// (security/keys/process_keys.c, lookup_user_key).
	RequestorRing Serial = -8
)

// Sentinels: the errnos with a meaning of their own in the key system. Test
// for them with errors.Is.
const (
	ErrNoKey      = unix.ENOKEY      // no such key, or a negative one
	ErrExpired    = unix.EKEYEXPIRED // its lifetime has passed
	ErrRevoked    = unix.EKEYREVOKED // revoked; of an auth key: already answered
	ErrRejected   = unix.EKEYREJECTED
	ErrAccess     = unix.EACCES // the key's permissions refuse it
	ErrPermission = unix.EPERM  // no authority over that key
	ErrQuota      = unix.EDQUOT // the owner's key quota is used up
	ErrBusy       = unix.EBUSY  // already instantiated
	ErrInvalid    = unix.EINVAL // the key's type refuses the payload
	// ErrUnsupported: the kernel has no keys (CONFIG_KEYS) or not this call.
	ErrUnsupported = unix.ENOSYS
)

// OpError is a key operation that the kernel refused. It unwraps to the errno,
// so errors.Is finds the sentinels above.
type OpError struct {
	Op  string // as in keyctl(2): "instantiate"
	Key Serial
	Err error
}

func (e *OpError) Error() string {
	return "keyring: " + e.Op + " " + strconv.Itoa(int(e.Key)) + ": " + e.Err.Error()
}

func (e *OpError) Unwrap() error { return e.Err }

func opError(op string, key Serial, err error) error {
	if err == nil {
		return nil
	}
	return &OpError{Op: op, Key: key, Err: err}
}

// Errno returns the errno at the bottom of err, or EIO if there is none.
func Errno(err error) unix.Errno {
	for err != nil {
		if e, ok := err.(unix.Errno); ok {
			return e
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = u.Unwrap()
	}
	return unix.EIO
}
