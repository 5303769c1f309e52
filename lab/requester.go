package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Question is the arguments of one request_key(2) call.
type Question struct {
	Type    string
	Desc    []byte // any bytes but NUL
	Callout []byte // any bytes but NUL; empty is a callout too, so the kernel asks
	Ring    int    // destination keyring
}

// DNS asks for a host name as the kernel's file systems do, into the
// session keyring.
func DNS(name string) Question {
	return Question{Type: "dns_resolver", Desc: []byte(name), Ring: unix.KEY_SPEC_SESSION_KEYRING}
}

// Answer is what one call came to.
type Answer struct {
	Serial  int
	Payload []byte
	Call    string        // the call that failed: request_key or read
	Errno   syscall.Errno // 0 is success
	Start   int64         // CLOCK_MONOTONIC in ns
	Micros  int64         // how long request_key took
}

// Text is the payload without the NUL that dns_resolver keys may end with.
func (a Answer) Text() string { return string(bytes.TrimRight(a.Payload, "\x00")) }

func (a Answer) String() string {
	if a.Errno != 0 {
		return fmt.Sprintf("%s: %s after %d us", a.Call, unix.ErrnoName(a.Errno), a.Micros)
	}
	return fmt.Sprintf("%q after %d us", a.Text(), a.Micros)
}

// RequesterOptions say how a requester runs. The zero value is one thread of
// root with a fresh session keyring.
type RequesterOptions struct {
	Threads int
	Ring    string // join this keyring instead of a fresh one per thread
	UID     int    // also its group
	Files   bool   // in a mount namespace of its own, with the port's files over /etc
	Root    string // in a mount namespace of its own, with this directory as its root
}

// Requester is a process that asks the kernel for keys. All of it is in its
// namespaces, so it can be registered by process id. Its methods may be called
// concurrently; they take turns.
type Requester struct {
	program *program
	threads []int
	stdin   io.Closer

	mu      sync.Mutex // one command at a time
	enc     *json.Encoder
	results chan result
	stderr  *logBuffer
	broken  error // the answer of an earlier command never came
}

// Requester starts one in the port's container namespace.
func (p *Port) Requester(o RequesterOptions) (*Requester, error) {
	return p.lab.requester(o, func() error {
		return errors.Join(p.Container.enter(), p.ownMounts(o))
	})
}

// HostRequester starts one in the host's namespaces.
func (l *Lab) HostRequester(o RequesterOptions) (*Requester, error) {
	return l.requester(o, func() error { return nil })
}

// ownMounts gives this thread a mount namespace of its own where one is asked for.
func (p *Port) ownMounts(o RequesterOptions) error {
	if !o.Files && o.Root == "" {
		return nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("lab: unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("lab: mounts: %w", err)
	}
	if !o.Files {
		return nil
	}
	return p.bindFiles()
}

// bindFiles does on this thread what ip-netns(8) exec does with files.
func (p *Port) bindFiles() error {
	entries, err := os.ReadDir(p.EtcDir())
	for _, e := range entries {
		target := filepath.Join("/etc", e.Name())
		if err := unix.Mount(p.EtcPath(e.Name()), target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("lab: bind %s: %w", target, err)
		}
	}
	return err
}

func (l *Lab) requester(o RequesterOptions, prepare func() error) (*Requester, error) {
	r := &Requester{results: make(chan result, 1), stderr: new(logBuffer)}
	// By this link another user may execute it wherever the file lies.
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{childArg0, strconv.Itoa(max(o.Threads, 1)), o.Ring, o.Root}
	cmd.Stderr = r.stderr
	if o.UID != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(o.UID), Gid: uint32(o.UID)}}
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.stdin, r.enc = stdin, json.NewEncoder(stdin)
	if r.program, err = spawn(cmd, prepare); err != nil {
		return nil, fmt.Errorf("lab: start a requester: %w", err)
	}
	l.onClose("a requester", r.Stop)
	return r, r.greet(stdout)
}

// greet reads the hello, and leaves a goroutine behind that reads results
// until the process ends.
func (r *Requester) greet(stdout io.Reader) error {
	dec := json.NewDecoder(stdout)
	var h hello
	if err := dec.Decode(&h); err != nil {
		return fmt.Errorf("lab: requester: %w: %s", err, r.stderr)
	}
	if h.Error != "" {
		return fmt.Errorf("lab: requester: %s", h.Error)
	}
	r.threads = h.Threads
	go func() {
		defer close(r.results)
		for {
			var res result
			if dec.Decode(&res) != nil {
				return
			}
			r.results <- res
		}
	}()
	return nil
}

// PID is its process id, Threads the ids of its threads.
func (r *Requester) PID() int { return r.program.pid() }

// Threads are the ids of the threads that ask.
func (r *Requester) Threads() []int { return r.threads }

// Ask makes one call on the first thread.
func (r *Requester) Ask(ctx context.Context, q Question) (Answer, error) {
	all, err := r.AskAll(ctx, time.Time{}, [][]Question{{q}})
	if err != nil {
		return Answer{}, err
	}
	return all[0][0], nil
}

// AskAll makes calls on several threads at once: element i of per is what
// thread i asks, one after another. The threads start at the moment at; the
// zero time is now. An error means the answers did not come before ctx ended,
// or the process died; a call that the kernel refused is an Answer.
func (r *Requester) AskAll(ctx context.Context, at time.Time, per [][]Question) ([][]Answer, error) {
	c := command{Ask: per}
	if !at.IsZero() {
		c.At = monotonic() + int64(time.Until(at))
	}
	res, err := r.do(ctx, c)
	return res.Answers, err
}

// Clear empties the keyrings of all threads, so that the kernel asks anew.
func (r *Requester) Clear(ctx context.Context) error {
	_, err := r.do(ctx, command{Clear: true})
	return err
}

func (r *Requester) do(ctx context.Context, c command) (result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return result{}, r.broken
	}
	if err := r.enc.Encode(c); err != nil {
		return result{}, fmt.Errorf("lab: requester %d: %w: %s", r.PID(), err, r.stderr)
	}
	select {
	case res, ok := <-r.results:
		if !ok {
			r.broken = fmt.Errorf("lab: requester %d died: %s", r.PID(), r.stderr)
			return result{}, r.broken
		}
		if res.Error != "" {
			return res, fmt.Errorf("lab: requester %d: %s", r.PID(), res.Error)
		}
		return res, nil
	case <-ctx.Done():
		r.broken = fmt.Errorf("lab: requester %d still waits for the kernel: %w", r.PID(), context.Cause(ctx))
		return result{}, r.broken
	}
}

// Stop ends the process; one that does not end by itself is killed.
func (r *Requester) Stop() error {
	closed := r.stdin.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil
	}
	if r.program.wait(time.Second) {
		return closed
	}
	return errors.Join(closed, r.program.kill())
}

// Kill ends it at once, as a container's death does.
func (r *Requester) Kill() error { return r.program.kill() }
