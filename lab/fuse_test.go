package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHangingFile(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := l.HangingFile(path); errors.Is(err, ErrNoFUSE) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	opened := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(path)
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Errorf("open came back: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-opened:
		if err == nil {
			t.Error("the file could be read")
		}
	case <-time.After(5 * time.Second):
		t.Error("still hangs after Close")
	}
}

func TestHangingExec(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	pid, end, err := l.HangingExec(filepath.Join(t.TempDir(), "f"), 5*time.Second)
	if errors.Is(err, ErrNoFUSE) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/stack", pid))
		read <- err
	}()
	select {
	case err := <-read:
		t.Errorf("its stack could be read: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	select {
	case <-read:
	case <-time.After(5 * time.Second):
		t.Error("its reader still hangs")
	}
	if err := unix.Kill(pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}
