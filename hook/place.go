package hook

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// place is a name in a directory where our file may stand, with the name
// beside it that keeps what stood there before.
//
//	install                             restore
//	 1 write and fsync temp              name ours,   saved:    rename saved -> name
//	 2 link name -> saved                name ours,   no saved: unlink name
//	 3 rename temp -> name               name = saved (one inode): unlink saved
//	                                     name not ours: left alone
//
// Between the steps, name is the old file or the new one. Where links are
// impossible, temp becomes saved and is exchanged with name in one step. A saved
// file that is ours can only be the rest of that, and is removed. One that
// differs from a name that is not ours is older than it (a package put the name
// back): it gets a name of its own.
type place struct {
	host              *Host
	dir               *os.File
	dirName           string
	name, saved, temp string
	ours              func(path string) (bool, error)
}

// content is what is to be installed.
type content struct {
	mode    uint32
	write   func(io.Writer) error
	current func(name string) (bool, error) // says whether the place holds it already
}

func (p *place) path(name string) string { return path.Join(p.dirName, name) }

func (p *place) failed(verb, name string, err error) error {
	return explain(fmt.Errorf("hook: %s %s: %w", verb, p.path(name), err))
}

func (p *place) did(step string) {
	if p.host.step != nil {
		p.host.step(step)
	}
}

// both looks at the two names and removes what an interrupted run left that
// nobody needs.
func (p *place) both() (now, saved entry, err error) {
	if now, err = p.look(p.name); err != nil {
		return
	}
	if saved, err = p.look(p.saved); err != nil {
		return
	}
	if err = p.unlink(p.temp); err != nil {
		return
	}
	if saved.kind == ours {
		err, saved = p.unlink(p.saved), entry{}
	}
	return
}

// install puts our file under the name. On an error the half-made copy is
// removed; that is not deferred, so that a test's panic leaves what a kill would.
func (p *place) install(c content, change *Change) error {
	now, saved, err := p.both()
	if err != nil {
		return err
	}
	if done, err := p.holds(now, c); done || err != nil {
		return err
	}
	if err := p.clearSaved(now, saved, change); err != nil {
		return err
	}
	err = p.write(c)
	if err == nil {
		err = p.swap(now, saved, change)
	}
	if err != nil {
		return errors.Join(err, p.unlink(p.temp))
	}
	change.did("Wrote %s.", p.path(p.name))
	return p.sync()
}

func (p *place) holds(now entry, c content) (bool, error) {
	if now.kind != ours || now.link {
		return false, nil
	}
	return c.current(p.path(p.name))
}

// clearSaved makes room for what stands under the name now, if that is to be saved.
func (p *place) clearSaved(now, saved entry, change *Change) error {
	if now.kind != other || saved.kind != other || now.same(saved) {
		return nil
	}
	if now.link {
		var st unix.Stat_t
		err := unix.Fstatat(int(p.dir.Fd()), p.name, &st, 0)
		if err == nil && st.Dev == saved.dev && st.Ino == saved.ino {
			return p.failed("save", p.name, fmt.Errorf("%w: it is a link to %s", ErrOddFile, p.saved))
		}
	}
	for n := 1; n < 100; n++ {
		old := fmt.Sprintf("%s.old.%d", p.saved, n)
		err := unix.Renameat2(int(p.dir.Fd()), p.saved, int(p.dir.Fd()), old, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return p.failed("set aside", p.saved, err)
		}
		p.did("set aside")
		change.did("%s was from an earlier time and is now %s.", p.path(p.saved), p.path(old))
		return nil
	}
	return p.failed("set aside", p.saved, errors.New("there are 99 older ones; remove some"))
}

// swap brings temp to the name and what was there, if it is not ours, to saved.
func (p *place) swap(now, saved entry, change *Change) error {
	again, err := p.look(p.name)
	if err != nil {
		return err
	}
	if again != now {
		return p.failed("replace", p.name, ErrChanged)
	}
	if now.kind == other && !now.same(saved) {
		change.did("Kept what was there as %s.", p.path(p.saved))
		if err := p.link(p.name, p.saved); noLinks(err) {
			return p.exchange(err)
		} else if err != nil {
			return p.failed("link", p.saved, err)
		}
		p.did("linked")
		if err := p.sync(); err != nil { // the link must be on disk before the rename is
			return err
		}
	}
	return p.rename(p.temp, p.name)
}

// noLinks says whether a file system may lack links, or refuse this one.
func noLinks(err error) bool {
	for _, e := range []error{unix.EPERM, unix.EOPNOTSUPP, unix.ENOSYS, unix.EMLINK, unix.EXDEV} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// exchange is the way without links: our file gets the saved name first, and
// then both names change places in one step.
func (p *place) exchange(noLink error) error {
	if err := p.rename(p.temp, p.saved); err != nil {
		return err
	}
	if err := p.sync(); err != nil {
		return err
	}
	if err := p.swapNames(p.saved, p.name); err != nil {
		err = fmt.Errorf("no hard link (%w) and no exchange: %w", noLink, err)
		return errors.Join(p.failed("replace", p.name, err), p.unlink(p.saved))
	}
	p.did("exchanged")
	return nil
}

// restore puts back what install saved.
func (p *place) restore(change *Change) error {
	now, saved, err := p.both()
	if err != nil {
		return err
	}
	switch {
	case saved.kind == other && now.kind != other:
		if now.kind == absent {
			change.note("%s was missing.", p.path(p.name))
		}
		err = p.rename(p.saved, p.name)
		change.did("Put %s back.", p.path(p.name))
	case now.kind == ours:
		err = p.unlink(p.name)
		change.did("Removed %s; nothing was there before.", p.path(p.name))
	case now.same(saved):
		err = p.unlink(p.saved)
		change.did("Finished an interrupted run; %s is as it was.", p.path(p.name))
	case now.kind == other && saved.kind == other:
		change.note("%s is not upcalld's any more and was left alone; %s keeps what was there before upcalld.", p.path(p.name), p.path(p.saved))
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return p.sync()
}
