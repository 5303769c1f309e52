package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const etcNetns = "/etc/netns"

// EtcDir is /etc/netns/NAME, whose files ip-netns(8) lays over /etc for what
// runs in the namespace.
func (p *Port) EtcDir() string { return filepath.Join(etcNetns, p.Container.Name) }

// EtcPath is the path of one such file.
func (p *Port) EtcPath(name string) string { return filepath.Join(p.EtcDir(), name) }

// WriteEtc replaces one file there: resolv.conf, hosts or nsswitch.conf.
func (p *Port) WriteEtc(name string, content []byte) error {
	return p.PutEtc(name, func(path string) error { return os.WriteFile(path, content, 0o644) })
}

// PutEtc replaces one file there by whatever put makes at the path: a FIFO, a
// symbolic link, a device, a mount point, or nothing at all.
func (p *Port) PutEtc(name string, put func(path string) error) error {
	if err := p.etcDir(); err != nil {
		return err
	}
	path := p.EtcPath(name)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("lab: replace %s: %w", path, err)
	}
	return put(path)
}

func (p *Port) etcDir() error {
	_, existed := os.Stat(etcNetns)
	err := os.Mkdir(p.EtcDir(), 0o755)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Mkdir(etcNetns, 0o755); err == nil || errors.Is(err, os.ErrExist) {
			err = os.Mkdir(p.EtcDir(), 0o755)
		}
	}
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err == nil {
		p.lab.onClose(p.EtcDir(), func() error { return removeEtc(p.EtcDir(), existed != nil) })
	}
	return err
}

// removeEtc removes one container's files, and /etc/netns itself where the lab
// made it and nothing else is in it.
func removeEtc(dir string, parent bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries { // nothing may be stat'ed through a mount that hangs
		_ = unix.Unmount(filepath.Join(dir, e.Name()), unix.MNT_DETACH)
	}
	err = os.RemoveAll(dir)
	if parent {
		_ = os.Remove(etcNetns) // fails while somebody else's files are there
	}
	return err
}
