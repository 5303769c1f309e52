package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// childEnv makes the test binary be a helper that locks itself and then tries
// everything, instead of running tests.
const childEnv = "SANDBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

func TestLock(t *testing.T) {
	binary := childBinary(t)
	for name, cred := range map[string]*syscall.Credential{"as it is": nil, "uid 65534": {Uid: 65534, Gid: 65534}} {
		t.Run(name, func(t *testing.T) {
			if cred != nil && os.Geteuid() != 0 {
				t.Skip("needs root: changes the uid")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			// By handle: others may not enter the folder of the test binary.
			cmd := exec.CommandContext(ctx, "/proc/self/fd/3")
			cmd.ExtraFiles = []*os.File{binary}
			cmd.Env = []string{childEnv + "=1", "GOTRACEBACK=all"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if testing.Verbose() {
				t.Logf("%s", out)
			}
		})
	}
}

// TestLockWithCgo: a program with cgo is told so and not half locked.
func TestLockWithCgo(t *testing.T) {
	if !withCgo {
		t.Skip("this test binary has no cgo: run with -race")
	}
	if err := Lock(); !errors.Is(err, ErrCgo) {
		t.Errorf("%v, want ErrCgo", err)
	}
}

// childBinary is this test binary, or one without cgo where this has it.
func childBinary(t *testing.T) *os.File {
	path := "/proc/self/exe"
	if withCgo {
		path = filepath.Join(t.TempDir(), "child")
		cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", path, ".")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("cannot build the child: %v\n%s", err, out)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
