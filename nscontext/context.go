package nscontext

import (
	"errors"
	"os"
	"sync"
)

// Context is a captured container: handles that keep its namespaces and its
// root alive, and their identities. The identities never change; the handles
// live until Close. A Context has one owner, who closes it; all methods may be
// called concurrently.
type Context struct {
	ids  Set
	pid  int
	etc  string
	path string

	mu      sync.RWMutex // guards the handles against Close
	handles [numKinds]*os.File
	root    *os.File
	pidfd   *os.File // nil for a context captured from a path

	dead     chan struct{}
	deadOnce sync.Once
}

// IDs returns the identities of the captured namespaces.
func (c *Context) IDs() Set { return c.ids }

// PID is the process it was captured from, 0 for a path. The number may belong
// to somebody else once Dead is closed.
func (c *Context) PID() int { return c.pid }

// Path is the namespace file it was captured from, "" for a process.
func (c *Context) Path() string { return c.path }

// Etc is a directory, relative to the root, whose files count before those in
// etc: "etc/netns/NAME" for a namespace that ip-netns(8) named, else "".
func (c *Context) Etc() string { return c.etc }

// Dead is closed when the process has exited, when the path names the
// namespace no more, and by Close.
func (c *Context) Dead() <-chan struct{} { return c.dead }

// Alive reports whether Dead is still open.
func (c *Context) Alive() bool {
	select {
	case <-c.dead:
		return false
	default:
		return true
	}
}

func (c *Context) die() { c.deadOnce.Do(func() { close(c.dead) }) }

// WithRoot calls f with the O_PATH handle on the root directory, which stays
// open until f returns. [ErrClosed] after Close.
func (c *Context) WithRoot(f func(root *os.File) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.root == nil {
		return ErrClosed
	}
	return f(c.root)
}

// WithNamespace calls f with the handle on one namespace, which stays open
// until f returns. [ErrClosed] after Close, or if the context has none.
func (c *Context) WithNamespace(k Kind, f func(ns *os.File) error) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.handles[k] == nil {
		return ErrClosed
	}
	return f(c.handles[k])
}

// Close gives up all handles; it waits for a WithRoot or WithNamespace that
// runs. A second Close does nothing.
func (c *Context) Close() error {
	c.die()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for i, f := range c.handles {
		if f != nil {
			errs = append(errs, f.Close())
			c.handles[i] = nil
		}
	}
	for _, f := range []**os.File{&c.root, &c.pidfd} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	return errors.Join(errs...)
}
