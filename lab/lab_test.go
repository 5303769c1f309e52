package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	MaybeChild()
	if len(os.Args) == 2 && os.Args[1] == interruptedRun {
		runUntilKilled()
	}
	os.Exit(m.Run())
}

// needRoot skips where a lab is impossible, but not in CI.
func needRoot(t *testing.T) {
	t.Helper()
	if err := Possible(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

func locked(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	lock, err := Lock(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lock.Unlock(); err != nil {
			t.Error(err)
		}
	})
}

func newLab(t *testing.T) *Lab {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestTryLockNamesTheHolder(t *testing.T) {
	needRoot(t)
	locked(t)
	_, err := TryLock()
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("second lock: %v", err)
	}
}

// hostState is what a lab changes on the host, as text.
func hostState(t *testing.T) string {
	t.Helper()
	hook, err := HookState()
	if err != nil {
		t.Fatal(err)
	}
	state := hook
	for _, dir := range []string{netnsDir, etcNetns, os.TempDir(), "/run", "/var/lib"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), Prefix) {
				state += "\n" + dir + "/" + e.Name()
			}
		}
	}
	resolv, _ := os.ReadFile("/etc/resolv.conf")
	return state + "\n" + string(resolv)
}

// change does one of everything to the host.
func change(l *Lab) error {
	if err := l.SaveHook(); err != nil {
		return err
	}
	if err := l.InstallHook("/bin/true"); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/request-key.d/"+Prefix+"test.conf", []byte("# lab\n"), 0o600); err != nil {
		return err
	}
	if err := l.Overlay("/etc/resolv.conf", []byte("# lab\n")); err != nil {
		return err
	}
	p, err := l.Port("x", Dual)
	if err != nil {
		return err
	}
	if _, err := p.NameServer(Zone("foo.bar. 60 IN A 192.0.2.1")); err != nil {
		return err
	}
	_, err = p.Requester(RequesterOptions{})
	return err
}

func TestCloseUndoesEverything(t *testing.T) {
	needRoot(t)
	locked(t)
	before, fds := hostState(t), openFiles(t)
	l := newLab(t)
	if err := change(l); err != nil {
		t.Fatal(err)
	}
	if hostState(t) == before {
		t.Error("nothing was changed")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if after := hostState(t); after != before {
		t.Errorf("host differs.\nbefore: %s\nafter: %s", before, after)
	}
	if left := openFiles(t); left > fds {
		t.Errorf("%d files are open, %d were before", left, fds)
	}
}

// Whoever comes second to Close may end the process: all must be undone by then.
func TestSecondCloseWaits(t *testing.T) {
	l := new(Lab)
	entered, release := make(chan struct{}), make(chan struct{})
	var undone atomic.Bool
	failure := errors.New("undo failed")
	l.onClose("it", func() error {
		close(entered)
		<-release
		undone.Store(true)
		return failure
	})
	go l.Close()
	<-entered
	time.AfterFunc(20*time.Millisecond, func() { close(release) })
	if err := l.Close(); !errors.Is(err, failure) || !undone.Load() {
		t.Errorf("the second Close returned %v, undone = %t", err, undone.Load())
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

const interruptedRun = "interrupted-run"

// runUntilKilled is the other process of TestInterruptedRun.
func runUntilKilled() {
	l, err := New()
	if err == nil {
		err = change(l)
	}
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("changed\n")
	select {}
}

func TestInterruptedRun(t *testing.T) {
	needRoot(t)
	locked(t)
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGKILL} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			before := hostState(t)
			interrupt(t, sig)
			if sig == unix.SIGKILL {
				if hostState(t) == before {
					t.Error("a killed run left nothing: Sweep is not tested")
				}
				if err := Sweep(); err != nil {
					t.Error(err)
				}
			}
			if after := hostState(t); after != before {
				t.Errorf("host differs.\nbefore: %.2000s\nafter: %.2000s", before, after)
			}
		})
	}
}

// interrupt runs a lab in another process and ends it by the signal.
func interrupt(t *testing.T, sig syscall.Signal) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", interruptedRun)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, _ := out.Read(line)
	if string(line[:n]) != "changed\n" {
		t.Errorf("the other run: %s", line[:n])
	}
	_ = cmd.Process.Signal(sig)
	_ = cmd.Wait()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signal() != sig && status.ExitStatus() != 128+int(sig) {
		t.Errorf("ended with %v, not by the signal %v", cmd.ProcessState, sig)
	}
}
