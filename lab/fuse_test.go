package lab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
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
