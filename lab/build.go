package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNoSource: this source tree has no such program yet.
var ErrNoSource = errors.New("not in this source tree")

// Bin is a directory with upcalld's programs.
type Bin string

// Path is the path of one program.
func (b Bin) Path(name string) string { return filepath.Join(string(b), name) }

// Build builds upcalld's programs from this source tree into a new directory.
func (l *Lab) Build() (Bin, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	for _, name := range []string{"upcalld", "upcallctl", "request-key"} {
		if err := haveSource(root, "cmd/"+name); err != nil {
			return "", err
		}
	}
	dir, err := l.binDir()
	if err != nil {
		return "", err
	}
	return Bin(dir), goBuild(root, dir+"/", "./cmd/...")
}

// BuildOne builds one package of this source tree, a path below its root, into
// a directory of its own, with more arguments for go build, and returns the
// program's path.
func (l *Lab) BuildOne(pkg string, args ...string) (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if err := haveSource(root, pkg); err != nil {
		return "", err
	}
	dir, err := l.binDir()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, filepath.Base(pkg))
	return out, goBuild(root, out, append(args, "./"+pkg)...)
}

// binDir may be entered by everybody: helpers run from it as other users.
func (l *Lab) binDir() (string, error) {
	dir, err := os.MkdirTemp("", tempName("bin"))
	if err != nil {
		return "", err
	}
	l.onClose(dir, func() error { return os.RemoveAll(dir) })
	return dir, os.Chmod(dir, 0o755)
}

func haveSource(root, pkg string) error {
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("lab: %s: %w", pkg, ErrNoSource)
	}
	return err
}

func goBuild(root, out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", out}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: go build %v: %w\n%s", args, err, text)
	}
	return nil
}

// moduleRoot is the nearest folder upwards with a go.mod: go test runs
// in the package's folder.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("lab: not inside upcalld's source tree")
}
