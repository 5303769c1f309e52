package rootfile

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain runs the tests in a mount namespace of their own, so that no mount
// of theirs outlives them, and fails when one leaves a descriptor or goroutine.
func TestMain(m *testing.M) {
	if mute := os.Getenv(fuseEnv); mute != "" {
		serveFUSE(mute)
		os.Exit(0)
	}
	const inside = "ROOTFILE_TEST_INSIDE"
	if os.Geteuid() == 0 && os.Getenv(inside) == "" {
		os.Setenv(inside, "1")
		os.Exit(rerun())
	}
	os.Exit(run(m))
}

func rerun() int {
	runtime.LockOSThread() // Pdeathsig follows the forking thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		println(err.Error())
		return 1
	}
	return 0
}

func run(m *testing.M) int {
	if r, w, err := os.Pipe(); err == nil { // starts the runtime's poller, which keeps two
		r.Close()
		w.Close()
	}
	fds, routines := countFDs(), runtime.NumGoroutine()
	code := m.Run()
	if flag.Lookup("test.fuzz").Value.String() != "" {
		return code // the fuzzer leaves goroutines of its own
	}
	deadline := time.Now().Add(5 * time.Second)
	for countFDs() > fds || runtime.NumGoroutine() > routines {
		if time.Now().After(deadline) {
			println("leak: descriptors", fds, "->", countFDs(), "goroutines", routines, "->", runtime.NumGoroutine())
			code = 1
			break
		}
		runtime.Gosched()
	}
	return code
}

func countFDs() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	return len(list)
}

// tree makes a directory, calls fill in it, and returns a root handle on it.
func tree(t testing.TB, fill func(dir string)) int {
	t.Helper()
	dir := t.TempDir()
	fill(dir)
	return handle(t, dir)
}

func handle(t testing.TB, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes device nodes and mounts")
	}
}
