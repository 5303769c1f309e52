package lab

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// HookProgram is what the kernel starts (security/keys/request_key.c,
// call_sbin_request_key).
const HookProgram = "/sbin/request-key"

// savedDir outlives a killed run, and a reboot: what is saved there is the
// host's own.
const savedDir = "/var/lib/" + Prefix + "hook"

// The places whose state is the hook. Directories are taken with all entries.
var hookPlaces = []string{HookProgram, HookProgram + ".stock", "/etc/request-key.conf", "/etc/request-key.d"}

// saved is one place as it was found; an absent one has no mode.
type saved struct {
	Path    string
	Present bool
	Mode    fs.FileMode
	UID     int
	GID     int
	Mtime   time.Time
	Link    string `json:",omitempty"`
	Content []byte `json:",omitempty"`
}

// SaveHook remembers the host's key hook exactly, and puts it back on Close.
// The caller holds Lock. A hook that a killed run saved is put back first, so
// that a test's stub is never taken for the host's own.
func (l *Lab) SaveHook() error {
	if err := restoreHook(); err != nil {
		return err
	}
	all, err := snapshot()
	if err != nil {
		return fmt.Errorf("lab: save the key hook: %w", err)
	}
	if err := writeManifest(all); err != nil {
		return fmt.Errorf("lab: save the key hook: %w", err)
	}
	l.onClose("the key hook", restoreHook)
	return nil
}

// InstallHook puts a copy of the program at /sbin/request-key, in one step.
// SaveHook must have been called.
func (l *Lab) InstallHook(program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	if _, err := os.Stat(manifestPath()); err != nil {
		return fmt.Errorf("lab: the key hook is not saved: %w", err)
	}
	return put(saved{Path: HookProgram, Present: true, Mode: 0o755, Mtime: time.Now(), Content: content})
}

// RemoveHook leaves nothing at /sbin/request-key. SaveHook must have been called.
func (l *Lab) RemoveHook() error {
	if _, err := os.Stat(manifestPath()); err != nil {
		return fmt.Errorf("lab: the key hook is not saved: %w", err)
	}
	return put(saved{Path: HookProgram})
}

// HookState is the hook as one comparable text: each place with its mode,
// owner, time and content. A directory's time is left out: it tells that an
// entry came and went, and nothing of what is there.
func HookState() (string, error) {
	all, err := snapshot()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range all {
		if s.Mode.IsDir() {
			s.Mtime = time.Time{}
		}
		fmt.Fprintf(&b, "%s %t %v %d:%d %d %s %x\n", s.Path, s.Present, s.Mode, s.UID, s.GID, s.Mtime.UnixNano(), s.Link, sha256.Sum256(s.Content))
	}
	return b.String(), nil
}

func manifestPath() string { return filepath.Join(savedDir, "manifest.json") }

func snapshot() ([]saved, error) {
	var all []saved
	for _, place := range hookPlaces {
		s, err := look(place)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if !s.Mode.IsDir() {
			continue
		}
		entries, err := os.ReadDir(place)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			s, err := look(filepath.Join(place, e.Name()))
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func look(path string) (saved, error) {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return saved{Path: path}, nil
	}
	if err != nil {
		return saved{}, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return saved{}, err
	}
	s := saved{Path: path, Present: true, Mode: fi.Mode(), UID: int(st.Uid), GID: int(st.Gid), Mtime: fi.ModTime()}
	switch {
	case fi.Mode().IsRegular():
		s.Content, err = os.ReadFile(path)
	case fi.Mode().Type() == fs.ModeSymlink:
		s.Link, err = os.Readlink(path)
	case !fi.IsDir():
		err = fmt.Errorf("%s is neither a file, a link nor a directory", path)
	}
	return s, err
}

// writeManifest appears complete or not at all: a run may be killed at any point.
func writeManifest(all []saved) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(savedDir, 0o700); err != nil {
		return err
	}
	return replace(manifestPath(), 0o600, text)
}

// restoreHook puts back what a manifest says, and then forgets it. Without a
// manifest nothing was changed.
func restoreHook() error {
	text, err := os.ReadFile(manifestPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var was []saved
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	if err != nil {
		return fmt.Errorf("lab: the saved key hook in %s: %w", savedDir, err)
	}
	if err := errors.Join(removeNew(was), putAll(was)); err != nil {
		return fmt.Errorf("lab: put the key hook back: %w", err)
	}
	return os.RemoveAll(savedDir)
}

// removeNew removes what is there now and was not.
func removeNew(was []saved) error {
	now, err := snapshot()
	errs := []error{err}
	for _, n := range slices.Backward(now) {
		known := slices.ContainsFunc(was, func(w saved) bool { return w.Path == n.Path })
		if n.Present && !known {
			errs = append(errs, os.RemoveAll(n.Path))
		}
	}
	return errors.Join(errs...)
}

// putAll restores each place; a directory's time is set after its entries.
func putAll(was []saved) error {
	var errs []error
	for _, w := range was {
		errs = append(errs, put(w))
	}
	for _, w := range was {
		if w.Mode.IsDir() {
			errs = append(errs, os.Chtimes(w.Path, w.Mtime, w.Mtime))
		}
	}
	return errors.Join(errs...)
}

// put makes the place what s says; one that is so already is not touched.
func put(s saved) error {
	now, err := look(s.Path)
	if err == nil && same(now, s) {
		return nil
	}
	switch {
	case !s.Present:
		return os.RemoveAll(s.Path)
	case s.Mode.IsDir():
		err = os.MkdirAll(s.Path, s.Mode.Perm())
	case s.Link != "":
		err = errors.Join(os.RemoveAll(s.Path), os.Symlink(s.Link, s.Path))
	default:
		err = replace(s.Path, s.Mode, s.Content)
	}
	if err == nil {
		err = os.Lchown(s.Path, s.UID, s.GID)
	}
	if err != nil || s.Link != "" {
		return err
	}
	return errors.Join(os.Chmod(s.Path, s.Mode), os.Chtimes(s.Path, s.Mtime, s.Mtime))
}

func same(a, b saved) bool {
	return a.Present == b.Present && a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID &&
		a.Mtime.Equal(b.Mtime) && a.Link == b.Link && string(a.Content) == string(b.Content)
}

// replace writes beside the path and renames: a running program is never
// written to, and the path always holds one version or the other.
func replace(path string, mode fs.FileMode, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+Prefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
