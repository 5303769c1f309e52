package hook

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// openStub opens a stub that the kernel may run as root, or says why not
// (ErrUnsafeStub). The path is absolute, inside the root. The open file must be
// regular, hold the marker, belong to uid 0 and be writable by nobody else.
// Directories on the way must not be writable by everybody unless sticky. That
// is enough for a copy, whose bytes are those of the file checked.
//
// byPath is for a stub that is run where it lies, again and again: then every
// directory on the way must belong to uid 0 as well and be writable by nobody
// else unless sticky, for otherwise its owner could put another file there.
func (h *Host) openStub(stub string, byPath bool) (*os.File, error) {
	if !strings.HasPrefix(stub, "/") {
		return nil, unsafeStub(stub, "its path is not absolute")
	}
	f, err := h.openRegular(stub)
	if err == nil && f == nil {
		err = unsafeStub(stub, "it is no regular file, or is not there")
	}
	if err != nil {
		return nil, err
	}
	if err := h.checkStub(f, stub, byPath); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func unsafeStub(stub, why string) error { return fmt.Errorf("%w: %s: %s", ErrUnsafeStub, stub, why) }

func (h *Host) checkStub(f *os.File, stub string, byPath bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("hook: %s: %w", stub, err)
	}
	switch {
	case st.Uid != 0:
		return unsafeStub(stub, fmt.Sprintf("it belongs to uid %d, not to root", st.Uid))
	case st.Mode&0o022 != 0:
		return unsafeStub(stub, fmt.Sprintf("others than root can write it (mode %04o)", st.Mode&0o7777))
	case st.Mode&0o111 == 0:
		return unsafeStub(stub, "it is not executable")
	case st.Size > maxStub:
		return unsafeStub(stub, "it is larger than 64 MiB")
	}
	if found, err := search(io.NewSectionReader(f, 0, maxStub), []byte(Marker)); err != nil || !found {
		return unsafeStub(stub, "it is not upcalld's stub (no marker inside)")
	}
	return checkFolders(f, stub, byPath)
}

// checkFolders walks up from where the open file really lies, links resolved.
func checkFolders(f *os.File, stub string, byPath bool) error {
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return fmt.Errorf("hook: %s: %w", stub, err)
	}
	for dir := filepath.Dir(real); ; dir = filepath.Dir(dir) {
		info, err := os.Lstat(dir)
		if err != nil {
			return fmt.Errorf("hook: %s: %w", stub, err)
		}
		uid, perm := info.Sys().(*syscall.Stat_t).Uid, info.Mode().Perm()
		sticky := info.Mode()&os.ModeSticky != 0
		switch {
		case perm&0o002 != 0 && !sticky:
			return unsafeStub(stub, "everybody can write its folder "+dir)
		case byPath && (uid != 0 || perm&0o020 != 0 && !sticky):
			return unsafeStub(stub, "others than root can replace it through the folder "+dir)
		case dir == "/":
			return nil
		}
	}
}

// equalFiles compares two files from their beginnings.
func equalFiles(a, b *os.File) (bool, error) {
	ra, rb := io.NewSectionReader(a, 0, maxStub), io.NewSectionReader(b, 0, maxStub)
	x, y := make([]byte, 32<<10), make([]byte, 32<<10)
	for {
		n, errA := io.ReadFull(ra, x)
		m, errB := io.ReadFull(rb, y)
		if string(x[:n]) != string(y[:m]) {
			return false, nil
		}
		if atEnd(errA) && atEnd(errB) {
			return true, nil
		}
		if errA != nil || errB != nil {
			return false, fmt.Errorf("hook: compare: %w, %w", errA, errB)
		}
	}
}

func atEnd(err error) bool { return err == io.EOF || err == io.ErrUnexpectedEOF }
