package keyring

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"
)

// Description is what KEYCTL_DESCRIBE tells of a key. Text is the requester's:
// any bytes but NUL.
type Description struct {
	Type string
	UID  uint32
	GID  uint32
	Perm uint32
	Text []byte
}

// Describe asks for a key's type, owner and description, using buf (a type, 40
// bytes of numbers and KEY_MAX_DESC_SIZE fit in 4608); Text aliases buf. It
// needs VIEW permission; of a key under construction, authority is enough.
// (keyctl_describe_key)
func Describe(key Serial, buf []byte) (Description, error) {
	n, err := unix.KeyctlBuffer(unix.KEYCTL_DESCRIBE, int(key), buf, 0)
	if err != nil {
		return Description{}, opError("describe", key, err)
	}
	if n > len(buf) || n == 0 {
		return Description{}, opError("describe", key, unix.E2BIG)
	}
	d, ok := ParseDescription(buf[:n-1]) // without the NUL
	if !ok {
		return Description{}, opError("describe", key, unix.EBADMSG)
	}
	return d, nil
}

// ParseDescription parses "type;uid;gid;perm;description", the kernel's
// format "%s;%d;%d;%08x;%s". Only the first four semicolons separate. ids are
// signed in the text: an id outside the reader's user namespace is the
// overflow id, and 4294967295 prints as -1.
func ParseDescription(b []byte) (d Description, ok bool) {
	parts := bytes.SplitN(b, []byte{';'}, 5)
	if len(parts) != 5 || len(parts[0]) == 0 {
		return d, false
	}
	uid, err1 := strconv.ParseInt(string(parts[1]), 10, 64)
	gid, err2 := strconv.ParseInt(string(parts[2]), 10, 64)
	perm, err3 := strconv.ParseUint(string(parts[3]), 16, 32)
	if err1 != nil || err2 != nil || err3 != nil || !isID(uid) || !isID(gid) {
		return d, false
	}
	return Description{string(parts[0]), uint32(uid), uint32(gid), uint32(perm), parts[4]}, true
}

func isID(n int64) bool { return n >= -1<<31 && n < 1<<32 }
