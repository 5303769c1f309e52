package uml

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// interrupted ends when somebody wants the tests to: guests stop, the tests they
// belong to fail, and their directories are removed, which a signal would not.
var interrupted context.Context

func TestMain(m *testing.M) {
	var stop context.CancelFunc
	interrupted, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := m.Run()
	stop()
	os.Exit(code)
}

// missing says what this machine lacks for a lane, or nothing.
func missing() string {
	if os.Geteuid() != 0 {
		return "not root: the root file system needs device nodes and owners"
	}
	if runtime.GOARCH != "amd64" {
		return "not amd64: Debian has no user-mode-linux for " + runtime.GOARCH
	}
	var absent []string
	for _, tool := range []string{"mmdebstrap", "dpkg", "apt-get", "flock"} {
		if _, err := exec.LookPath(tool); err != nil {
			absent = append(absent, tool)
		}
	}
	if len(absent) > 0 {
		return fmt.Sprintf("not installed: %s", strings.Join(absent, ", "))
	}
	return ""
}

// need ends the test unless a guest can be booted: it skips on a developer's
// machine, and fails in CI, which installs what is needed.
func need(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a User-mode Linux guest: not run with -short")
	}
	lack := missing()
	switch {
	case interrupted.Err() != nil:
		t.Fatal("interrupted")
	case lack == "":
	case os.Getenv("CI") == "true":
		t.Fatalf("cannot boot a guest: %s", lack)
	default:
		t.Skipf("cannot boot a guest: %s", lack)
	}
}

// prepare returns the directory with the guest's kernel and root, made on the
// first use (about 20 s, and 60 MB from Debian's mirror).
func prepare(t *testing.T) string {
	t.Helper()
	// Not killed with the test: it cleans up after itself, and an interrupt at
	// the terminal reaches it without our help.
	cmd := exec.Command("./prepare.sh")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("prepare.sh: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// build compiles packages into the directory dir, each under its own name, and
// like everything that ships without cgo.
func build(t *testing.T, dir string, flags []string, pkgs ...string) {
	t.Helper()
	args := append([]string{"build", "-trimpath", "-o", dir + "/"}, flags...)
	cmd := exec.CommandContext(interrupted, "go", append(args, pkgs...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", strings.Join(pkgs, " "), err, out)
	}
}
