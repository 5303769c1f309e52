package hook

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// write makes temp: complete, with its final owner and mode, and on disk.
func (p *place) write(c content) error {
	fd, err := unix.Openat(int(p.dir.Fd()), p.temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return p.failed("create", p.temp, err)
	}
	f := os.NewFile(uintptr(fd), p.temp)
	defer f.Close()
	p.did("created")
	if err := c.write(f); err != nil {
		return p.failed("write", p.temp, err)
	}
	p.did("written")
	if err := errors.Join(f.Chown(0, 0), unix.Fchmod(fd, c.mode), f.Sync(), f.Close()); err != nil {
		return p.failed("finish", p.temp, err)
	}
	p.did("finished")
	return nil
}

func (p *place) link(from, to string) error {
	if p.host.noLinks != nil {
		return p.host.noLinks
	}
	// Without AT_SYMLINK_FOLLOW a symbolic link is linked itself.
	return unix.Linkat(int(p.dir.Fd()), from, int(p.dir.Fd()), to, 0)
}

func (p *place) swapNames(a, b string) error {
	if p.host.noExchange != nil {
		return p.host.noExchange
	}
	return unix.Renameat2(int(p.dir.Fd()), a, int(p.dir.Fd()), b, unix.RENAME_EXCHANGE)
}

func (p *place) rename(from, to string) error {
	if err := unix.Renameat(int(p.dir.Fd()), from, int(p.dir.Fd()), to); err != nil {
		return p.failed("rename "+p.path(from)+" to", to, err)
	}
	p.did("renamed " + from)
	return nil
}

// unlink removes a name; that it is not there is no error, which a read-only
// file system would make one.
func (p *place) unlink(name string) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(p.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err := unix.Unlinkat(int(p.dir.Fd()), name, 0); err != nil {
		return p.failed("remove", name, err)
	}
	p.did("unlinked " + name)
	return nil
}

func (p *place) sync() error {
	if err := p.dir.Sync(); err != nil {
		return p.failed("sync", "", err)
	}
	return nil
}
