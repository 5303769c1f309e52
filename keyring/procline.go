package keyring

import (
	"bytes"
	"io"
	"strconv"

	"golang.org/x/sys/unix"
)

// Line is one line of /proc/keys. Type has at most nine characters, Text is
// what the type's describe function printed: hostile.
type Line struct {
	Serial Serial
	Flags  string
	Usage  int
	Expiry string
	Perm   uint32
	UID    int64
	GID    int64
	Type   string
	Text   []byte
}

// ParseLine parses one line of /proc/keys, without its newline, by the format
// of security/keys/proc.c, proc_keys_show:
// "%08x %c%c%c%c%c%c%c %5d %4s %08x %5d %5d %-9.9s " and the description.
func ParseLine(b []byte) (l Line, ok bool) {
	var f [8][]byte
	for i := range f {
		b = bytes.TrimLeft(b, " ")
		end := bytes.IndexByte(b, ' ')
		if end <= 0 {
			return l, false
		}
		f[i], b = b[:end], b[end+1:]
	}
	serial, err1 := strconv.ParseUint(string(f[0]), 16, 31)
	usage, err2 := strconv.ParseUint(string(f[2]), 10, 31)
	perm, err3 := strconv.ParseUint(string(f[4]), 16, 32)
	uid, err4 := strconv.ParseInt(string(f[5]), 10, 64)
	gid, err5 := strconv.ParseInt(string(f[6]), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil ||
		len(f[0]) != 8 || len(f[1]) != 7 || serial == 0 || len(f[7]) > 9 {
		return l, false
	}
	return Line{
		Serial: Serial(serial), Flags: string(f[1]), Usage: int(usage), Expiry: string(f[3]),
		Perm: uint32(perm), UID: uid, GID: gid, Type: string(f[7]),
		Text: bytes.TrimLeft(b, " "),
	}, true
}

// lineSerial reads the eight hexadecimal digits and the space a line starts with.
func lineSerial(line []byte) (Serial, bool) {
	if len(line) < 9 || line[8] != ' ' {
		return 0, false
	}
	var n uint32
	for _, c := range line[:8] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return Serial(n), n>>31 == 0
}

// maxLine is more than a line can have: a description of 4,096 bytes and 70
// bytes before it.
const maxLine = 8 << 10

// scanLines calls f for each line of r. Memory is one buffer whatever the
// number of keys; a longer line than the kernel can print is an error.
func scanLines(r io.Reader, f func(line []byte)) error {
	buf := make([]byte, 8*maxLine)
	have := 0
	for {
		n, err := r.Read(buf[have:])
		have += n
		rest := buf[:have]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			f(rest[:end])
			rest = rest[end+1:]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if len(rest) > maxLine {
			return unix.E2BIG
		}
		have = copy(buf, rest)
	}
}
