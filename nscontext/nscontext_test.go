package nscontext

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this lane needs root")
	}
	t.Skip("needs root")
}

// inNamespaces starts a process in namespaces of its own.
func inNamespaces(t *testing.T, flags uintptr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func openFDs(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestFromPIDHoldsWhatTheProcessHas(t *testing.T) {
	needRoot(t)
	before := openFDs(t)
	p := inNamespaces(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS|unix.CLONE_NEWUTS|unix.CLONE_NEWPID)
	c, err := FromPID(p.Process.Pid, "")
	if err != nil {
		t.Fatal(err)
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds() {
		own := k == Net || k == Mnt || k == UTS || k == PID || k == PIDForChildren
		if !c.IDs().Has(k) {
			t.Errorf("%s: not captured", k)
		}
		if own == c.IDs().Same(self, k) {
			t.Errorf("%s: own namespace %v, but same as ours: %v", k, own, !own)
		}
		if err := c.WithNamespace(k, func(f *os.File) error {
			id, err := idOf(int(f.Fd()))
			if id != c.IDs()[k] {
				err = fmt.Errorf("handle is %v, identity %v", id, c.IDs()[k])
			}
			return err
		}); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if err := c.WithRoot(func(f *os.File) error {
		_, err := f.Stat()
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.WithRoot(func(*os.File) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("root after Close: %v", err)
	}
	p.Process.Kill()
	p.Wait()
	if after := openFDs(t); after > before {
		t.Errorf("%d file descriptors before, %d after", before, after)
	}
}

// A kernel that numbers namespaces never gives a number twice, while an inode
// comes back at once.
func TestSerial(t *testing.T) {
	needRoot(t)
	seen := make(map[Serial]bool)
	for range 5 {
		p := inNamespaces(t, unix.CLONE_NEWNET)
		c, err := FromPID(p.Process.Pid, "")
		if err != nil {
			t.Fatal(err)
		}
		s := c.NetSerial()
		if s != NetSerialOfThread(p.Process.Pid) {
			t.Errorf("serial %d by the handle, %d by the thread", s, NetSerialOfThread(p.Process.Pid))
		}
		if s != 0 && seen[s] {
			t.Errorf("serial %d came back", s)
		}
		seen[s] = true
		c.Close()
		if c.NetSerial() != 0 {
			t.Error("a closed context has a serial")
		}
		p.Process.Kill()
		p.Wait()
	}
	if seen[0] {
		t.Log("this kernel does not number namespaces")
	}
}

func TestDeadIsClosedWhenTheProcessEnds(t *testing.T) {
	needRoot(t)
	p := inNamespaces(t, unix.CLONE_NEWNET)
	c, err := FromPID(p.Process.Pid, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !c.Alive() {
		t.Fatal("dead while it lives")
	}
	p.Process.Kill()
	select {
	case <-c.Dead():
	case <-time.After(5 * time.Second):
		t.Fatal("not noticed")
	}
}

func TestFromPIDRefuses(t *testing.T) {
	needRoot(t)
	p := exec.Command("true")
	if err := p.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := FromPID(p.Process.Pid, ""); !errors.Is(err, ErrGone) {
		t.Errorf("a process that has ended: %v", err)
	}
	for _, pid := range []int{0, -1} {
		if _, err := FromPID(pid, ""); err == nil {
			t.Errorf("pid %d was captured", pid)
		}
	}
	if _, err := FromPID(os.Getpid(), "/does/not/exist"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root that is not there: %v", err)
	}
}

// named makes a network namespace with a name, as ip-netns(8) does, elsewhere.
func named(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := inNamespaces(t, unix.CLONE_NEWNET)
	if err := unix.Mount(fmt.Sprintf("/proc/%d/ns/net", p.Process.Pid), path, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

func TestFromNetNS(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "box")
	named(t, path)
	c, err := FromNetNS(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, k := range Kinds() {
		if c.IDs().Has(k) != (k == Net) {
			t.Errorf("%s: captured %v", k, c.IDs().Has(k))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	watched := make(chan error)
	go func() { watched <- WatchMounts(ctx, func() { c.Recheck() }) }()
	if !c.Recheck() {
		t.Error("dead while it is mounted")
	}
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Dead():
	case <-time.After(5 * time.Second):
		t.Error("the unmount was not noticed")
	}
	cancel()
	if err := <-watched; !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
}

func TestFromNetNSRefuses(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, fifo, "/dev/null", "/proc/self/ns/uts", "/proc/self/ns/net", dir} {
		if _, err := FromNetNS(path, ""); !errors.Is(err, ErrNotNamespace) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := FromNetNS(filepath.Join(dir, "none"), ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such path: %v", err)
	}
}

// A root that was given as a directory ends there, for whoever holds the handle.
func TestGivenRootHasNoWayOut(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "outside"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := FromPID(os.Getpid(), root)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.WithRoot(func(f *os.File) error {
		at := int(f.Fd())
		if fd, err := unix.Openat(at, "etc", unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			t.Errorf("its own folder: %v", err)
		} else {
			unix.Close(fd)
		}
		if fd, err := unix.Openat(at, "../outside", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			unix.Close(fd)
			t.Error("a file outside was reached")
		}
		if err := unix.Mkdirat(at, "new", 0o755); err != unix.EROFS {
			t.Errorf("writing below it: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := FromPID(os.Getpid(), filepath.Join(dir, "outside")); err == nil {
		t.Error("a file was taken for a root")
	}
}

func TestEtcOf(t *testing.T) {
	for path, want := range map[string]string{
		"/run/netns/blue":           "etc/netns/blue",
		"/var/run/netns/blue":       "etc/netns/blue",
		"/run/netns/../netns/blue":  "etc/netns/blue",
		"/run/netns/a/b":            "",
		"/proc/1/ns/net":            "",
		"/run/netns/..":             "",
		"/somewhere/run/netns/blue": "",
	} {
		if got := etcOf(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestOfThread(t *testing.T) {
	needRoot(t)
	s, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	initial, err := Initial()
	if err != nil {
		t.Fatal(err)
	}
	if !s.Same(initial, User, PID) {
		t.Errorf("ours %v, initial %v", s, initial)
	}
	if _, err := OfThread(1 << 30); !errors.Is(err, ErrGone) {
		t.Errorf("no such thread: %v", err)
	}
	if s.Same(Set{}, Net) || (Set{}).Same(Set{}, Net) {
		t.Error("no namespace equals no namespace")
	}
}
