package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// scratchDir holds files that a lab lays over the host's.
const scratchDir = "/run/" + Prefix + "scratch"

// Overlay lays a file with the content over target on the host, by a bind
// mount: the file below is never written to.
func (l *Lab) Overlay(target string, content []byte) error {
	if err := os.MkdirAll(scratchDir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(scratchDir, filepath.Base(target)+"-")
	if err != nil {
		return err
	}
	defer f.Close()
	l.onClose(f.Name(), func() error {
		err := os.Remove(f.Name())
		_ = os.Remove(scratchDir) // fails while another lab's file is there
		return err
	})
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := unix.Mount(f.Name(), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("lab: lay a file over %s: %w", target, err)
	}
	l.onClose("file over "+target, func() error { return unix.Unmount(target, unix.MNT_DETACH) })
	return nil
}
