package keyring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// AssumeAuthority gives the calling thread the right to answer for a key under
// construction, and returns the serial of the key's auth key. It works only in
// a process that possesses the auth key: the one the kernel started, and its
// children. [ErrNoKey] without it, [ErrRevoked] when the key was answered
// already. (security/keys/keyctl.c, keyctl_assume_authority; no capability.)
func AssumeAuthority(key Serial) (auth Serial, err error) {
	n, err := unix.KeyctlInt(unix.KEYCTL_ASSUME_AUTHORITY, int(key), 0, 0, 0)
	return Serial(n), opError("assume authority over", key, err)
}

// Instantiate gives the key its payload and, if ring is not 0, links it there.
// Authority ends with it. [ErrInvalid] when the type refuses the payload: the
// key can then still be rejected. [ErrBusy] when it has a payload,
// [ErrPermission] without authority. (keyctl_instantiate_key_common)
func Instantiate(key Serial, payload []byte, ring Serial) error {
	var p unsafe.Pointer
	if len(payload) > 0 {
		p = unsafe.Pointer(&payload[0])
	}
	_, _, e := unix.Syscall6(unix.SYS_KEYCTL, unix.KEYCTL_INSTANTIATE, uintptr(key),
		uintptr(p), uintptr(len(payload)), uintptr(ring), 0)
	if e != 0 {
		return opError("instantiate", key, e)
	}
	return nil
}

// Reject makes the key negative: whoever waits for it, or finds it within
// seconds, gets errno. Less than 2 s is raised to 2: the kernel counts whole
// seconds, and a key that has expired when the upcall ends is reported as
// ENOKEY instead (request_key.c, call_sbin_request_key). Authority ends with
// it. (keyctl_reject_key)
func Reject(key Serial, seconds uint32, errno unix.Errno, ring Serial) error {
	_, err := unix.KeyctlInt(unix.KEYCTL_REJECT, int(key), int(max(seconds, MinLifetime)), int(errno), int(ring))
	return opError("reject", key, err)
}

// MinLifetime is the shortest life in seconds that is sure to outlast the
// upcall; see [Reject].
const MinLifetime = 2

// SetTimeout sets the key's lifetime in seconds from now, at least
// [MinLifetime]. Before Instantiate possession of the auth key is enough;
// afterwards it needs SETATTR permission. (keyctl_set_timeout)
func SetTimeout(key Serial, seconds uint32) error {
	_, err := unix.KeyctlInt(unix.KEYCTL_SET_TIMEOUT, int(key), int(max(seconds, MinLifetime)), 0, 0)
	return opError("set timeout of", key, err)
}

// Unlink takes the key out of ring. It needs WRITE permission on ring and
// none on the key, and it works on a key under construction.
// (keyctl_keyring_unlink)
func Unlink(key, ring Serial) error {
	_, err := unix.KeyctlInt(unix.KEYCTL_UNLINK, int(key), int(ring), 0, 0)
	return opError("unlink", key, err)
}
