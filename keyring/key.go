package keyring

import "golang.org/x/sys/unix"

// Read copies the payload of key into buf and returns the part it fills; of an
// auth key that is the callout information. [unix.E2BIG] when the payload is
// longer than buf. It needs READ permission or possession.
// (keyctl_read_key; the auth key: request_key_auth.c, request_key_auth_read)
func Read(key Serial, buf []byte) ([]byte, error) {
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, int(key), buf, 0)
	if err != nil {
		return nil, opError("read", key, err)
	}
	if n > len(buf) {
		return nil, opError("read", key, unix.E2BIG)
	}
	return buf[:n], nil
}

// Find returns the serial behind a special id, or 0 if it stands for no key
// that may be searched. (keyctl_get_keyring_ID)
func Find(id Serial) Serial {
	n, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, int(id), 0, 0, 0)
	if err != nil {
		return 0
	}
	return Serial(n)
}

// Clear empties a keyring. The kernel's own DNS and id rings let CAP_SYS_ADMIN
// clear them (KEY_FLAG_ROOT_CAN_CLEAR). (keyctl_keyring_clear)
func Clear(ring Serial) error {
	_, err := unix.KeyctlInt(unix.KEYCTL_CLEAR, int(ring), 0, 0, 0)
	return opError("clear", ring, err)
}

// JoinSession gives the calling thread a new, anonymous session keyring, so
// that it no longer possesses the keys of its old one.
// (keyctl_join_session_keyring)
func JoinSession() error {
	_, _, e := unix.Syscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0)
	if e != 0 {
		return opError("join session", SessionRing, e)
	}
	return nil
}

// Supported asks the kernel whether it has keys at all.
func Supported() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_GET_KEYRING_ID, int(SessionRing), 0, 0, 0)
	if err == unix.ENOSYS {
		return opError("probe", SessionRing, err)
	}
	return nil
}
