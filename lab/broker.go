package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// RuntimeDir is upcalld's; the stub has the path compiled in, so a lab cannot
// use another.
const RuntimeDir = "/run/upcalld"

// ErrRunning: the host runs an upcalld of its own.
var ErrRunning = errors.New("an upcalld runs on this host already")

// Broker is a running upcalld. Its methods may be called concurrently, but for
// Kill, Start and Stop.
type Broker struct {
	Bin Bin

	args    []string
	program *program
	log     *logBuffer // of all its lives
}

// StartBroker starts upcalld from bin with an empty state, the text as its
// configuration where there is one, and more arguments. It returns when
// `upcallctl list` works.
func (l *Lab) StartBroker(bin Bin, config string, args ...string) (*Broker, error) {
	if c, err := net.Dial("unix", filepath.Join(RuntimeDir, "io.upcalld")); err == nil {
		c.Close()
		return nil, fmt.Errorf("lab: %w: %s answers", ErrRunning, RuntimeDir)
	}
	if err := l.runtimeDir(); err != nil {
		return nil, err
	}
	state, err := os.MkdirTemp("", tempName("state"))
	if err != nil {
		return nil, err
	}
	l.onClose(state, func() error { return os.RemoveAll(state) })
	b := &Broker{Bin: bin, log: new(logBuffer)}
	b.args = []string{"--runtime-dir", RuntimeDir, "--state-dir", state, "--libexec-dir", string(bin)}
	if config != "" {
		file := filepath.Join(state, "lab.toml")
		if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
			return nil, err
		}
		b.args = append(b.args, "--config", file)
	}
	b.args = append(b.args, args...)
	l.onClose("upcalld", b.Stop)
	return b, b.Start()
}

// madeRuntimeDir exists while RuntimeDir is a lab's, for Sweep.
const madeRuntimeDir = "/run/" + Prefix + "runtime-dir"

// runtimeDir removes RuntimeDir on Close if it was not there before.
func (l *Lab) runtimeDir() error {
	if _, err := os.Stat(RuntimeDir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(madeRuntimeDir, nil, 0o600); err != nil {
		return err
	}
	l.onClose(RuntimeDir, removeRuntimeDir)
	return nil
}

func removeRuntimeDir() error {
	if _, err := os.Stat(madeRuntimeDir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return errors.Join(os.RemoveAll(RuntimeDir), os.Remove(madeRuntimeDir))
}

// Start starts upcalld again with the same arguments, after Kill or Stop.
func (b *Broker) Start() error {
	cmd := exec.Command(b.Bin.Path("upcalld"), b.args...)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	cmd.WaitDelay = time.Second // a helper that outlives it may hold the pipe
	p, err := spawn(cmd, func() error { return nil })
	if err != nil {
		return fmt.Errorf("lab: start upcalld: %w", err)
	}
	b.program = p
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = poll(ctx, func() bool {
		_, err := b.Ctl(ctx, "list")
		return err == nil || p.wait(0)
	})
	if err != nil || p.wait(0) {
		return fmt.Errorf("lab: upcalld does not answer: %w\n%s", errors.Join(err, b.Stop()), b.Log())
	}
	return nil
}

// Ctl runs upcallctl and returns its standard output; an error has its standard
// error output.
func (b *Broker) Ctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.Bin.Path("upcallctl"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("upcallctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// Register registers the port's container namespace under the port's name.
func (b *Broker) Register(ctx context.Context, p *Port, args ...string) error {
	_, err := b.Ctl(ctx, append([]string{"register", p.Name, "--netns", p.Container.Path()}, args...)...)
	return err
}

// Log is everything upcalld and its helpers wrote so far.
func (b *Broker) Log() string { return b.log.String() }

// PID is its process id.
func (b *Broker) PID() int { return b.program.pid() }

// FDs says how many file descriptors upcalld itself has open.
func (b *Broker) FDs() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	return len(entries), err
}

// Helpers are the ids of the processes that run the named program of its
// directory.
func (b *Broker) Helpers(name string) []int { return Program(b.Bin.Path(name)).Running() }

// Kill ends upcalld with SIGKILL, and nothing else of it.
func (b *Broker) Kill() error { return b.program.kill() }

// Stop ends it with SIGTERM, or SIGKILL after ten seconds, which is an error.
// A helper of its directory that is still there then is an error too, and is
// killed.
func (b *Broker) Stop() error {
	if b.program == nil {
		return nil
	}
	var errs []error
	if !b.program.wait(0) {
		_ = b.program.cmd.Process.Signal(unix.SIGTERM)
		if !b.program.wait(10 * time.Second) {
			errs = append(errs, errors.New("upcalld does not end by SIGTERM"), b.program.kill())
		}
	}
	return errors.Join(append(errs, b.noneLeft())...)
}

// serving are the programs that must not outlive a broker. Others of the same
// directory are somebody's own, this process perhaps.
var serving = []string{"upcalld", "upcalld-enter", "upcalld-hold", "dns-resolve", "nfs-idmap", "nfsdcltrack"}

// noneLeft gives helpers a moment to notice that their broker is gone.
func (b *Broker) noneLeft() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	files := programsIn(string(b.Bin))
	maps.DeleteFunc(files, func(_ inode, name string) bool { return !slices.Contains(serving, name) })
	var left []process
	err := poll(ctx, func() bool {
		all, _ := processes()
		left = slices.DeleteFunc(all, func(p process) bool { return files[p.exe] == "" || p.pid == os.Getpid() })
		return len(left) == 0
	})
	if err == nil {
		return nil
	}
	var errs []error
	for _, p := range left {
		errs = append(errs, fmt.Errorf("process %d (%s) is left", p.pid, files[p.exe]), killOne(p.pid))
	}
	return errors.Join(errs...)
}
