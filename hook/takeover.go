package hook

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// takeover is the place of /sbin/request-key.
func (h *Host) takeover() (*place, error) {
	dir, err := h.openDir("/sbin")
	if err != nil {
		return nil, err
	}
	return &place{
		host: h, dir: dir, dirName: "/sbin",
		name: "request-key", saved: "request-key.stock", temp: ".request-key.upcalld-new",
		ours: h.holdsMarker,
	}, nil
}

// EnableTakeover makes /sbin/request-key a copy of the stub and keeps what was
// there as /sbin/request-key.stock. Called again, it brings the copy up to
// date, and saves anew what a package manager may have put there meanwhile. It
// removes a drop-in of ours, through which the stock program would start the stub
// once more. Errors: ErrUnsafeStub, ErrNoDirectory, ErrReadOnly, ErrOddFile,
// ErrChanged, ErrBusy.
func (h Host) EnableTakeover(ctx context.Context, stub string) (Change, error) {
	var change Change
	lock, err := h.lock(ctx)
	if err != nil {
		return change, err
	}
	defer lock.Close()
	f, err := h.openStub(stub, false)
	if err != nil {
		return change, err
	}
	defer f.Close()
	p, err := h.takeover()
	if err != nil {
		return change, err
	}
	defer p.dir.Close()
	if err := p.install(h.stubContent(f), &change); err != nil {
		return change, err
	}
	return change, h.removeDropIn(&change)
}

func (h *Host) stubContent(stub *os.File) content {
	return content{
		mode: 0o755,
		write: func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(stub, 0, maxStub))
			return err
		},
		current: func(name string) (bool, error) { return h.sameStub(name, stub) },
	}
}

// sameStub says whether the file under a name is a good copy of the stub.
func (h *Host) sameStub(name string, stub *os.File) (bool, error) {
	f, err := h.openRegular(name)
	if f == nil {
		return false, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&0o7777 != 0o755 || st.Uid != 0 {
		return false, err
	}
	return equalFiles(f, stub)
}

// Disable undoes both ways: it puts back what stood at /sbin/request-key, or
// removes our stub where nothing did, and does the same for the drop-in. What is
// not ours is left alone; the notes say so. Errors as for EnableTakeover.
func (h Host) Disable(ctx context.Context) (Change, error) {
	var change Change
	lock, err := h.lock(ctx)
	if err != nil {
		return change, err
	}
	defer lock.Close()
	if err := h.removeDropIn(&change); err != nil {
		return change, err
	}
	p, err := h.takeover()
	if errors.Is(err, ErrNoDirectory) {
		return change, nil
	}
	if err != nil {
		return change, err
	}
	defer p.dir.Close()
	return change, p.restore(&change)
}
