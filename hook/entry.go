package hook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// kind is what stands under a name.
type kind int

const (
	absent kind = iota
	ours        // written by us, or a link to such a file
	other
)

// entry is one directory entry, not followed.
type entry struct {
	kind kind
	link bool
	dev  uint64
	ino  uint64
	at   unix.Timespec // ctime: a file removed and made anew may get the same inode
}

func (e entry) same(o entry) bool {
	return e.kind != absent && o.kind != absent && e.dev == o.dev && e.ino == o.ino
}

// look says what stands under a name of the place. Anything but a regular file
// or a symbolic link is ErrOddFile: it is nobody's request-key, and moving it
// could do harm.
func (p *place) look(name string) (entry, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(p.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return entry{}, nil
	}
	if err != nil {
		return entry{}, p.failed("stat", name, err)
	}
	e := entry{kind: other, link: st.Mode&unix.S_IFMT == unix.S_IFLNK, dev: st.Dev, ino: st.Ino, at: st.Ctim}
	if !e.link && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return entry{}, p.failed("look at", name, ErrOddFile)
	}
	mine, err := p.ours(p.path(name))
	if err != nil {
		return entry{}, err
	}
	if mine {
		e.kind = ours
	}
	return e, nil
}

// openRegular opens what a path leads to, for reading; nil where that is
// nothing or no regular file.
func (h *Host) openRegular(name string) (*os.File, error) {
	f, err := h.open(name, unix.O_RDONLY, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENXIO):
		return nil, nil
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return f, nil
	}
	f.Close()
	return nil, err
}

// maxStub bounds what is read in search of the marker; a stub is a few MB.
const maxStub = 64 << 20

// holdsMarker says whether a path leads to a stub of ours.
func (h *Host) holdsMarker(name string) (bool, error) {
	f, err := h.openRegular(name)
	if f == nil {
		return false, err
	}
	defer f.Close()
	found, err := search(io.LimitReader(f, maxStub), []byte(Marker))
	if err != nil {
		return false, fmt.Errorf("hook: %s: %w", name, err)
	}
	return found, nil
}

// search looks for what in r, holding one block at a time.
func search(r io.Reader, what []byte) (bool, error) {
	block := make([]byte, 64<<10)
	kept := 0 // bytes of the last block that could begin a match
	for {
		n, err := io.ReadFull(r, block[kept:])
		have := block[:kept+n]
		if bytes.Contains(have, what) {
			return true, nil
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(block, have[len(have)-len(what)+1:])
	}
}
