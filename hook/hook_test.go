package hook

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTakeoverCopies(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	before := h.folder(t, "/sbin")["request-key"]
	must(t, takeOver(h))
	now := h.folder(t, "/sbin")
	stub := h.folder(t, "/usr/libexec/upcalld")["request-key"]
	copied, stock := now["request-key"], now["request-key.stock"]
	if copied.text != stubText || copied.ino == stub.ino || copied.mode != 0o755 || copied.uid != 0 {
		t.Errorf("the copy is %+v", copied)
	}
	if stock != before {
		t.Errorf("stock is %+v, was %+v", stock, before)
	}
	change, err := h.EnableTakeover(context.Background(), stubPath)
	if err != nil || change.Changed || h.folder(t, "/sbin")["request-key"].ino != copied.ino {
		t.Errorf("enabling again: %+v, %v", change, err)
	}
}

func TestTakeoverRemovesDropIn(t *testing.T) {
	h := newHost(t)
	foreign(t, h)
	theirs := h.folder(t, rulesDir)[dropInName]
	must(t, dropIn(h))
	must(t, takeOver(h))
	if now := h.folder(t, rulesDir); len(now) != 1 || now[dropInName] != theirs {
		t.Errorf("drop-ins: %+v", now)
	}
	if err := dropIn(h); !errors.Is(err, ErrTakenOver) {
		t.Errorf("drop-in under a takeover: %v", err)
	}
}

// TestLinkToStub: an administrator's own link to the stub is no stock program.
func TestLinkToStub(t *testing.T) {
	h := newHost(t)
	h.symlink(t, stubPath, rk)
	must(t, takeOver(h))
	now := h.folder(t, "/sbin")
	if len(now) != 1 || now["request-key"].text != stubText || !now["request-key"].mode.IsRegular() {
		t.Errorf("%+v", now)
	}
}

func TestReplacedByPackage(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	must(t, takeOver(h))
	h.put(t, rk, "keyutils, newer", 0o755)
	change, err := h.Disable(context.Background())
	if err != nil || change.Changed || len(change.Notes) != 1 || !strings.Contains(change.Notes[0], "left alone") {
		t.Errorf("%+v, %v", change, err)
	}
}

func TestTakeoverRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		setup func(t *testing.T, h *Host)
		want  error
	}{
		"no sbin":       {func(t *testing.T, h *Host) { must(t, os.RemoveAll(h.real("/usr/sbin"))) }, ErrNoDirectory},
		"a directory":   {func(t *testing.T, h *Host) { must(t, os.Mkdir(h.real(rk), 0o755)) }, ErrOddFile},
		"a fifo":        {func(t *testing.T, h *Host) { must(t, unix.Mkfifo(h.real(rk), 0o755)) }, ErrOddFile},
		"link to stock": {func(t *testing.T, h *Host) { h.put(t, rk+".stock", "x", 0o755); h.symlink(t, "request-key.stock", rk) }, ErrOddFile},
		"neither way":   {func(t *testing.T, h *Host) { regular(t, h); h.noLinks, h.noExchange = unix.EPERM, unix.EINVAL }, unix.EINVAL},
		"link fails":    {func(t *testing.T, h *Host) { regular(t, h); h.noLinks = unix.ENOSPC }, unix.ENOSPC},
		"stub missing":  {func(t *testing.T, h *Host) { must(t, os.Remove(h.real(stubPath))) }, ErrUnsafeStub},
		"stub a fifo": {func(t *testing.T, h *Host) {
			must(t, os.Remove(h.real(stubPath)))
			must(t, unix.Mkfifo(h.real(stubPath), 0o755))
		}, ErrUnsafeStub},
		"no marker":       {func(t *testing.T, h *Host) { h.put(t, stubPath, "another program", 0o755) }, ErrUnsafeStub},
		"group writes":    {func(t *testing.T, h *Host) { must(t, os.Chmod(h.real(stubPath), 0o775)) }, ErrUnsafeStub},
		"world writes":    {func(t *testing.T, h *Host) { must(t, os.Chmod(h.real(stubPath), 0o757)) }, ErrUnsafeStub},
		"not executable":  {func(t *testing.T, h *Host) { must(t, os.Chmod(h.real(stubPath), 0o644)) }, ErrUnsafeStub},
		"another's":       {func(t *testing.T, h *Host) { must(t, os.Chown(h.real(stubPath), 1000, 0)) }, ErrUnsafeStub},
		"folder writable": {func(t *testing.T, h *Host) { must(t, os.Chmod(h.real("/usr/libexec/upcalld"), 0o777)) }, ErrUnsafeStub},
		"replaced meanwhile": {func(t *testing.T, h *Host) {
			regular(t, h)
			h.step = func(step string) {
				if step == "finished" {
					h.put(t, rk, "keyutils, newer", 0o755)
				}
			}
		}, ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			tt.setup(t, h)
			if err := takeOver(h); !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if name == "no sbin" {
				must(t, disable(h))
				return
			}
			for file, s := range h.folder(t, "/sbin") {
				if isOurs(s.text) || strings.Contains(file, "upcalld-new") {
					t.Errorf("left behind: %s", file)
				}
			}
		})
	}
}

// TestFolderOfAnother: good enough to copy from, not to be started from.
func TestFolderOfAnother(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	must(t, os.Chown(h.real("/usr/libexec/upcalld"), 1000, 1000))
	if err := dropIn(h); !errors.Is(err, ErrUnsafeStub) {
		t.Errorf("drop-in: %v", err)
	}
	must(t, takeOver(h))
}

func TestRelativeStub(t *testing.T) {
	h := newHost(t)
	if _, err := h.EnableTakeover(context.Background(), "bin/request-key"); !errors.Is(err, ErrUnsafeStub) {
		t.Error(err)
	}
}

// TestReadOnly mounts in a mount namespace of a child, which takes it along.
func TestReadOnly(t *testing.T) {
	if root := os.Getenv("HOOK_TEST_READONLY"); root != "" {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(t, unix.Mount(root+"/usr/sbin", root+"/usr/sbin", "", unix.MS_BIND, ""))
		must(t, unix.Mount("", root+"/usr/sbin", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		h := &Host{Root: root}
		if err := takeOver(h); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%v, want %v", err, ErrReadOnly)
		}
		must(t, disable(h))
		return
	}
	h := newHost(t)
	regular(t, h)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestReadOnly$", "-test.v")
	cmd.Env = append(os.Environ(), "HOOK_TEST_READONLY="+h.Root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestReadOnly") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestLockSerialises(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	before := h.folder(t, "/sbin")
	held, err := h.lock(context.Background())
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Disable(ctx); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the lock is held: %v", err)
	}
	held.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			f := takeOver
			if i%2 == 0 {
				f = disable
			}
			if err := f(h); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	must(t, disable(h))
	if after := h.folder(t, "/sbin"); len(after) != 1 || after["request-key"] != before["request-key"] {
		t.Errorf("%+v", after)
	}
}
