package nscontext

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Program is a host program to be run in a context by the entry program:
// in the context's network namespace, in a mount namespace that holds nothing
// but an empty root and a /proc of its own, in pid, ipc and uts namespaces of
// its own, as an unprivileged user without capabilities.
type Program struct {
	Name string   // argv[0]
	File *os.File // the executable; static, since its root is empty
	Args []string // without argv[0]
	// Sockets become file descriptors 3 and on, announced by LISTEN_FDS.
	Sockets []*os.File
	UID     int
	GID     int
	Stderr  *os.File // nil: nowhere
}

// Starter starts programs in contexts through the entry program. It owns one
// thread, which every child has as its parent: the parent-death signal that the
// entry program asks for follows the thread that forked (kernel/exit.c,
// reparent_leader), so that thread must live as long as this process.
type Starter struct {
	entry string
	jobs  chan func()
}

// NewStarter returns a Starter that uses the entry program at that path. There
// should be one in a process: its thread is never given back.
func NewStarter(entry string) *Starter {
	s := &Starter{entry: entry, jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // deliberately never unlocked
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// Start runs p in the network namespace of c and returns the process, which
// dies with this one. The caller waits for it. It needs CAP_SYS_ADMIN.
//
// [ErrClosed] when the context is closed. What goes wrong inside the entry
// program is seen as its exit status, and its words on p.Stderr.
func (s *Starter) Start(c *Context, p Program) (*exec.Cmd, error) {
	var cmd *exec.Cmd
	err := c.WithNamespace(Net, func(ns *os.File) error {
		cmd = s.command(ns, p)
		result := make(chan error)
		s.jobs <- func() { result <- cmd.Start() }
		return <-result
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	return cmd, nil
}

// command builds the call of the entry program; cmd/upcalld-enter has the
// other side of it.
func (s *Starter) command(ns *os.File, p Program) *exec.Cmd {
	first := 3 + len(p.Sockets)
	args := []string{
		"--sockets", strconv.Itoa(len(p.Sockets)),
		"--net", strconv.Itoa(first),
		"--program", strconv.Itoa(first + 1),
		"--uid", strconv.Itoa(p.UID),
		"--gid", strconv.Itoa(p.GID),
		"--", p.Name,
	}
	cmd := exec.Command(s.entry, append(args, p.Args...)...)
	cmd.ExtraFiles = append(append([]*os.File{}, p.Sockets...), ns, p.File)
	cmd.Env = []string{} // nothing of ours
	cmd.Dir = "/"
	if p.Stderr != nil {
		cmd.Stderr = p.Stderr
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Setsid:     true,
	}
	return cmd
}
