package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/nscontext"
)

// held counts what a registration costs this process.
func held(t *testing.T) (fds, goroutines int) {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names), runtime.NumGoroutine()
}

// eventually waits for what happens in the background, and says what is missing.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in ten seconds: %s", what)
		}
	}
}

// Nothing is left of containers, however they go: after more of them no more is
// held than after the first few.
func TestNothingIsLeftOfDeadContainers(t *testing.T) {
	b, _ := startServer(t)
	comeAndGo(t, b, 2)
	fds, goroutines := held(t)
	comeAndGo(t, b, 20)
	eventually(t, "as many descriptors and goroutines as before", func() bool {
		f, g := held(t)
		return f <= fds && g <= goroutines
	})
}

// comeAndGo registers containers, lets one try to be answered, and ends half of
// them by death and half by unregistering.
func comeAndGo(t *testing.T, b *Broker, number int) {
	t.Helper()
	var boxes []*exec.Cmd
	for i := range number {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		boxes = append(boxes, cmd)
		c, err := nscontext.FromPID(cmd.Process.Pid, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Register(context.Background(), fmt.Sprintf("box%d", i), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The answer fails, as no helper is installed; but one is tried to start.
	if r, err := b.Resolve(context.Background(), "box0", "foo.bar", ""); err != nil || r.Errno != ErrHelper {
		t.Errorf("%+v %v", r, err)
	}
	for i, cmd := range boxes {
		if i%2 == 0 {
			cmd.Process.Kill()
		} else if err := b.Unregister(fmt.Sprintf("box%d", i)); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "the list is empty", func() bool { return len(b.List()) == 0 })
	for _, cmd := range boxes {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// What is registered when the broker ends is lost to the next one.
func TestCloseKeepsTheLedger(t *testing.T) {
	b, path := startServer(t)
	box := exec.Command("sleep", "60")
	box.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { box.Process.Kill(); box.Wait() }()
	c, err := nscontext.FromPID(box.Process.Pid, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Register(context.Background(), "box", c, nil); err != nil {
		t.Fatal(err)
	}
	b.Close()
	l := mustOpen(t, filepath.Join(filepath.Dir(path), "ledger"))
	defer l.close()
	if names := l.lost(); len(names) != 1 || names[0] != "box" {
		t.Errorf("lost: %v", names)
	}
}

func TestRegisterRefuses(t *testing.T) {
	b, _ := startServer(t)
	box := exec.Command("sleep", "60")
	box.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { box.Process.Kill(); box.Wait() }()
	own, err := nscontext.FromPID(box.Process.Pid, "")
	if err != nil {
		t.Fatal(err)
	}
	fds, _ := held(t)
	if _, err := b.Register(context.Background(), "bad name", own, nil); !errors.Is(err, ErrBadName) {
		t.Errorf("%v", err)
	}
	if own.Alive() {
		t.Error("the context of a refused registration was not closed")
	}
	host, err := nscontext.FromPID(os.Getpid(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Register(context.Background(), "host", host, nil); !errors.Is(err, ErrNotContainer) {
		t.Errorf("the host: %v", err)
	}
	dead, err := nscontext.FromPID(box.Process.Pid, "")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := b.Register(context.Background(), "dead", dead, nil); !errors.Is(err, ErrDead) {
		t.Errorf("%v", err)
	}
	if n := len(b.List()); n != 0 {
		t.Errorf("%d contexts are listed", n)
	}
	if now, _ := held(t); now > fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
}
