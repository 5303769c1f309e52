package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// stockPath is where hook keeps the request-key it found.
const stockPath = "/sbin/request-key.stock"

// insideVar is set for the stock handler: should that lead back here, as a
// request-key.d line does that names the stub, the loop ends at once.
const insideVar = "UPCALLD_INSIDE"

func insideItself() bool { return os.Getenv(insideVar) != "" }

// withoutBroker answers when there is nobody to ask, or no answer. Before any
// container has been registered everybody gets the stock handler. Later only the
// host itself does: anybody else may be a registered container, which the host's
// network would answer wrongly, and gets errno.
func (u *upcall) withoutBroker(errno unix.Errno) int {
	if isolating() && !hostTask(u.found.Thread) {
		return u.reject(errno, rejectedFor)
	}
	return u.obey(wire.Verdict{Action: wire.ActStock})
}

// runStock replaces this process with the stock handler. Authority goes along
// in the thread's credentials and the session keyring.
func (u *upcall) runStock() int {
	path, argv := stockPath, u.argv
	if u.stock != nil {
		path, argv = u.stock[0], u.stock
	}
	fd, err := openStock(path)
	if err != nil {
		return u.reject(errNoHandler, rejectedFor)
	}
	u.report(wire.DoneStock, 0)
	err = execStock(fd, path, argv, append(os.Environ(), insideVar+"=1"))
	say("upcalld request-key: cannot run " + path + ": " + err.Error())
	return u.reject(errNoHandler, rejectedFor)
}

// openStock opens the stock handler and makes sure that it is a program, and
// not this one.
func openStock(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	var stock, self unix.Stat_t
	if err := unix.Fstat(fd, &stock); err != nil {
		return -1, err
	}
	if stock.Mode&unix.S_IFMT != unix.S_IFREG || stock.Mode&0o111 == 0 {
		return -1, unix.EACCES
	}
	if err := unix.Stat("/proc/self/exe", &self); err == nil && self.Dev == stock.Dev && self.Ino == stock.Ino {
		return -1, unix.ELOOP
	}
	return fd, nil
}

// execStock executes the handler behind fd, so that what was checked is what
// runs. It goes through the library, which puts back the limit on open files that
// it had raised at the start. A script cannot be executed by a handle that is
// closed meanwhile: it is executed by its path.
func execStock(fd int, path string, argv, env []string) error {
	err := unix.Exec("/proc/self/fd/"+strconv.Itoa(fd), argv, env)
	if err == unix.ENOENT {
		return unix.Exec(path, argv, env)
	}
	return err
}
