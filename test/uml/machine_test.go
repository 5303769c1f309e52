package uml

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A machine is one guest to be booted, once. What the lane needs is put into
// share before boot, and what it left is found in out after it. With go test
// -artifacts that and the console are kept.
type machine struct {
	image string // what prepare made
	share string // the guest's /host, read and write
	out   string // the guest's /host/out, after boot
	log   string // the guest's console
}

// newMachine returns a guest that will run lanes/<lane>.sh with the guest
// program beside it.
func newMachine(t *testing.T, lane string) *machine {
	t.Helper()
	need(t)
	m := &machine{
		image: prepare(t),
		share: t.TempDir(),
		out:   t.ArtifactDir(),
		log:   filepath.Join(t.ArtifactDir(), "console.log"),
	}
	for _, dir := range []string{"bin", "stub", "upcalld", "out"} {
		if err := os.Mkdir(filepath.Join(m.share, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(m.share, os.DirFS("lanes")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(m.share, lane+".sh")
	if err := os.Rename(script, filepath.Join(m.share, "lane.sh")); err != nil {
		t.Fatal(err)
	}
	build(t, filepath.Join(m.share, "bin"), nil, "./guest")
	return m
}

// boot runs the guest to its end and fails the test unless the lane's script
// ended well within limit.
func (m *machine) boot(t *testing.T, limit time.Duration) {
	t.Helper()
	start := time.Now()
	if err := m.run(t, limit); err != nil {
		t.Errorf("guest: %v", err)
	}
	t.Logf("guest ran %v, console in %s", time.Since(start).Round(time.Second), m.log)
	if err := os.CopyFS(m.out, os.DirFS(filepath.Join(m.share, "out"))); err != nil {
		t.Error(err)
	}
	status, err := os.ReadFile(filepath.Join(m.share, "status"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Errorf("the lane did not end")
	case err != nil:
		t.Error(err)
	case strings.TrimSpace(string(status)) != "success 0":
		t.Errorf("the lane ended with %q", strings.TrimSpace(string(status)))
	}
	if t.Failed() {
		t.Fatalf("end of the console:\n%s", m.tail())
	}
}

// run starts the kernel and waits for it, at most limit or until shortly before
// the test's own deadline, so that the guest never outlives the test.
func (m *machine) run(t *testing.T, limit time.Duration) error {
	if deadline, ok := t.Deadline(); ok {
		limit = min(limit, time.Until(deadline)-10*time.Second)
	}
	ctx, cancel := context.WithTimeout(interrupted, limit)
	defer cancel()
	console, err := os.Create(m.log)
	if err != nil {
		return err
	}
	defer console.Close()
	cmd := m.command(ctx)
	cmd.Stdout, cmd.Stderr = console, console

	// The parent-death signal is bound to the thread that forks, so the
	// thread must not end before the guest does.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("killed (limit %v): %w", limit.Round(time.Second), ctx.Err())
	}
	return err
}

// command is the kernel's command line. The kernel is the first process of a
// pid namespace: it starts a host process for each guest process, and they all
// die with it, whatever ends this test.
func (m *machine) command(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(m.image, "kernel"),
		"mem=1G", "root=/dev/root", "rootfstype=hostfs",
		"rootflags="+filepath.Join(m.image, "root"), "ro", "init=/lane-init",
		"con0=null,fd:1", "con=null", "panic=-1", "quiet",
		"uml_dir="+m.share+"/uml", "lane_share="+m.share)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID,
		Setpgid:    true,
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// tail returns the last lines of the console.
func (m *machine) tail() string {
	text, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
