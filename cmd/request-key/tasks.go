package main

import (
	"bytes"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// waiting counts the tasks that wait for some key, apart by whether they live in
// the requester's network and user namespace.
type waiting struct {
	own, foreign int
	complete     bool // every task was looked at
}

// lookAround is waitingTasks for no longer than that. Any task's files in /proc
// can block without a limit: they wait for its execve, and that for the file
// systems whose files it closes (fs/exec.c, exec_update_lock), a container's FUSE
// server among them. The thread that is stuck there ends with this process.
func lookAround(requester int, most time.Duration) waiting {
	result := make(chan waiting, 1)
	until := time.Now().Add(most)
	go func() { result <- waitingTasks(requester, until) }()
	select {
	case w := <-result:
		return w
	case <-time.After(most):
		return waiting{}
	}
}

// waitingTasks walks over the host's tasks until a moment. It is not complete
// where stacks cannot be read, and when time runs out.
func waitingTasks(requester int, until time.Time) (w waiting) {
	home, ok := taskNamespaces(strconv.Itoa(requester))
	if !ok {
		return w
	}
	w.complete = true
	eachTask(func(task string) bool {
		waits, readable := waitsForKey(task)
		if !readable || time.Now().After(until) {
			w.complete = false
			return false
		}
		if !waits {
			return true
		}
		// A task that has gone by now waits no more, and counts as foreign:
		// it may have been.
		if ns, ok := taskNamespaces(task); ok && ns == home {
			w.own++
		} else {
			w.foreign++
		}
		return true
	})
	return w
}

// waitsForKey reads a task's kernel stack. Whoever is on its way through
// request_key waits, or is about to (wait_for_key_construction), but for those
// whose own upcall it is (call_sbin_request_key). A task that is gone does not.
func waitsForKey(task string) (waits, readable bool) {
	var buf [4096]byte
	b, err := readFile("/proc/"+task+"/stack", buf[:])
	switch {
	case err == unix.ENOENT || err == unix.ESRCH:
		_, err := readFile("/proc/self/stack", buf[:])
		return false, err == nil
	case strings.HasPrefix(task, "1/"):
		// The host's init may be closed even to root. It starts others to mount.
		return false, err == nil || err == unix.EPERM || err == unix.EACCES
	}
	asks := bytes.Contains(b, []byte("request_key")) || bytes.Contains(b, []byte("wait_for_key_construction"))
	return asks && !bytes.Contains(b, []byte("call_sbin_request_key")), err == nil
}

type namespaces struct{ netDev, netIno, userDev, userIno uint64 }

func taskNamespaces(task string) (ns namespaces, ok bool) {
	var net, user unix.Stat_t
	if unix.Stat("/proc/"+task+"/ns/net", &net) != nil || unix.Stat("/proc/"+task+"/ns/user", &user) != nil {
		return ns, false
	}
	return namespaces{net.Dev, net.Ino, user.Dev, user.Ino}, true
}

// eachTask calls f with "PID/task/TID" of every task until f returns false.
func eachTask(f func(task string) bool) {
	eachNumber("/proc", func(pid string) bool {
		return eachNumber("/proc/"+pid+"/task", func(tid string) bool {
			return f(pid + "/task/" + tid)
		})
	})
}

// eachNumber calls f with each all-digit name in a directory; false stops it.
func eachNumber(dir string, f func(name string) bool) bool {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return true // it has gone
	}
	defer syscall.Close(fd)
	buf := make([]byte, 16<<10)
	for {
		n, err := syscall.ReadDirent(fd, buf)
		if n <= 0 || err != nil {
			return true
		}
		_, _, names := syscall.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if name[0] < '0' || name[0] > '9' {
				continue
			}
			if !f(name) {
				return false
			}
		}
	}
}

func readFile(path string, buf []byte) ([]byte, error) {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	n, err := syscall.Read(fd, buf)
	return buf[:max(n, 0)], err
}
