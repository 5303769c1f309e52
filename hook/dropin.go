package hook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	dropInName = "upcalld.conf"
	dropInPath = rulesDir + "/" + dropInName
	savedPath  = dropInPath + ".saved" // keyutils reads only names that end in .conf
	header     = "# io.upcalld.drop-in/1: written by upcallctl hook, which also removes it."
)

// dropIn is the place of the drop-in.
func (h *Host) dropIn() (*place, error) {
	dir, err := h.openDir(rulesDir)
	if err != nil {
		return nil, err
	}
	return &place{
		host: h, dir: dir, dirName: rulesDir,
		name: dropInName, saved: dropInName + ".saved", temp: dropInName + ".new",
		ours: h.holdsHeader,
	}, nil
}

// holdsHeader says whether a path leads to a drop-in of ours.
func (h *Host) holdsHeader(name string) (bool, error) {
	f, err := h.openRegular(name)
	if f == nil {
		return false, err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxLine)).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, fmt.Errorf("hook: %s: %w", name, err)
	}
	return strings.TrimSuffix(line, "\n") == header, nil
}

// EnableDropIn writes /etc/request-key.d/upcalld.conf, so that keyutils'
// request-key starts the stub for DNS keys. stock is the command for requests that
// are left to the host, as in "/sbin/key.dns_resolver %k"; if "", it is
// looked for (StockHandler). A file of that name that is not ours is kept as
// upcalld.conf.saved. Errors: ErrNoRequestKey, ErrTakenOver, ErrStock, and
// those of EnableTakeover.
func (h Host) EnableDropIn(ctx context.Context, stub, stock string) (Change, error) {
	var change Change
	lock, err := h.lock(ctx)
	if err != nil {
		return change, err
	}
	defer lock.Close()
	if err := h.checkReader(); err != nil {
		return change, err
	}
	line, err := h.line(stub, stock)
	if err != nil {
		return change, err
	}
	p, err := h.dropInMade()
	if err != nil {
		return change, err
	}
	defer p.dir.Close()
	return change, p.install(h.lineContent(line), &change)
}

// checkReader sees to it that there is a program that reads drop-ins.
func (h *Host) checkReader() error {
	p, err := h.takeover()
	if err != nil {
		return err
	}
	defer p.dir.Close()
	e, err := p.look(p.name)
	switch {
	case err != nil:
		return err
	case e.kind == absent:
		return ErrNoRequestKey
	case e.kind == ours:
		return ErrTakenOver
	}
	return nil
}

// dropInMade is dropIn, its directory made if need be.
func (h *Host) dropInMade() (*place, error) {
	p, err := h.dropIn()
	if !errors.Is(err, ErrNoDirectory) {
		return p, err
	}
	etc, err := h.openDir("/etc")
	if err != nil {
		return nil, err
	}
	defer etc.Close()
	if err := unix.Mkdirat(int(etc.Fd()), "request-key.d", 0o755); err != nil {
		return nil, explain(fmt.Errorf("hook: make %s: %w", rulesDir, err))
	}
	return h.dropIn()
}

// removeDropIn puts back what the drop-in displaced. It does nothing where the
// directory is missing.
func (h *Host) removeDropIn(change *Change) error {
	p, err := h.dropIn()
	if errors.Is(err, ErrNoDirectory) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.dir.Close()
	return p.restore(change)
}
