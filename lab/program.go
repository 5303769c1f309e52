package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// program is a process the lab started. It is killed when the lab's process
// dies, however that happens.
type program struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// spawn starts cmd on a thread of its own after prepare ran on that thread, so
// the process begins in whatever namespaces prepare entered.
func spawn(cmd *exec.Cmd, prepare func() error) (*program, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	cmd.SysProcAttr.Setpgid = true // Ctrl-C is the lab's, which ends it in order
	p := &program{cmd, make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Deliberately never unlocked: the thread may be in a foreign
		// namespace. It lives as long as the process, for Pdeathsig is
		// sent when the thread that forked ends.
		runtime.LockOSThread()
		err := prepare()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(p.done)
		}
	}()
	return p, <-started
}

func (p *program) pid() int { return p.cmd.Process.Pid }

// wait says whether the process ended within d.
func (p *program) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
		return false
	}
}

// kill ends the process. One that waits for an upcall ends with that.
func (p *program) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if !p.wait(20 * time.Second) {
		return fmt.Errorf("process %d does not die", p.pid())
	}
	return nil
}

// logBuffer collects what a process writes. It is safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// poll tries ok every few milliseconds until it is true or ctx ends.
func poll(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
