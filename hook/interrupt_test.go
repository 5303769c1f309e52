package hook

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"
)

// state is how a host may look when a run begins. setup returns nothing: all
// that stands in the directory afterwards and is not ours must survive.
type state struct {
	name  string
	setup func(t *testing.T, h *Host)
}

// way is one of the two hooks under test.
type way struct {
	dir, file string
	enable    func(h *Host) error
	disable   func(h *Host) error
	states    []state
}

func disable(h *Host) error { _, err := h.Disable(context.Background()); return err }

func takeOver(h *Host) error {
	_, err := h.EnableTakeover(context.Background(), stubPath)
	return err
}

func dropIn(h *Host) error {
	_, err := h.EnableDropIn(context.Background(), stubPath, "")
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const rk = "/sbin/request-key"

func regular(t *testing.T, h *Host) { h.put(t, rk, "keyutils", 0o750) }

var takeoverStates = []state{
	{"absent", func(*testing.T, *Host) {}},
	{"regular", regular},
	{"symlink", func(t *testing.T, h *Host) {
		h.put(t, "/usr/libexec/rk", "the target", 0o755)
		h.symlink(t, "../libexec/rk", rk)
	}},
	{"dangling symlink", func(t *testing.T, h *Host) { h.symlink(t, "/nowhere", rk) }},
	{"enabled, older stub", func(t *testing.T, h *Host) {
		regular(t, h)
		must(t, takeOver(h))
		h.put(t, stubPath, stubText+", second build", 0o755)
	}},
	{"replaced by a package", func(t *testing.T, h *Host) {
		regular(t, h)
		must(t, takeOver(h))
		h.put(t, rk, "keyutils, newer", 0o755)
	}},
	{"removed by a package", func(t *testing.T, h *Host) {
		regular(t, h)
		must(t, takeOver(h))
		must(t, unix.Unlink(h.real(rk)))
	}},
	{"stub as stock", func(t *testing.T, h *Host) { regular(t, h); h.put(t, rk+".stock", stubText, 0o755) }},
	{"stub as stock, none before", func(t *testing.T, h *Host) { h.put(t, rk+".stock", stubText, 0o755) }},
	{"stale stock", func(t *testing.T, h *Host) { regular(t, h); h.put(t, rk+".stock", "older", 0o755) }},
	{"two stale stocks", func(t *testing.T, h *Host) {
		regular(t, h)
		h.put(t, rk+".stock", "older", 0o755)
		h.put(t, rk+".stock.old.1", "oldest", 0o755)
	}},
	{"no links", func(t *testing.T, h *Host) { regular(t, h); h.noLinks = unix.EPERM }},
	{"no links, stale stock", func(t *testing.T, h *Host) {
		regular(t, h)
		h.put(t, rk+".stock", "older", 0o755)
		h.noLinks = unix.EOPNOTSUPP
	}},
	{"half a copy", func(t *testing.T, h *Host) {
		regular(t, h)
		h.put(t, "/sbin/.request-key.upcalld-new", "the st", 0o600)
	}},
}

func foreign(t *testing.T, h *Host) {
	regular(t, h)
	h.put(t, dropInPath, "create dns_resolver * * /opt/theirs %k\n", 0o640)
}

var dropInStates = []state{
	{"absent", regular},
	{"foreign", foreign},
	{"foreign link", func(t *testing.T, h *Host) { regular(t, h); h.symlink(t, "/etc/hosts", dropInPath) }},
	{"ours with another line", func(t *testing.T, h *Host) {
		foreign(t, h)
		_, err := h.EnableDropIn(context.Background(), stubPath, "/opt/other %k")
		must(t, err)
	}},
	{"foreign, older one saved", func(t *testing.T, h *Host) { foreign(t, h); h.put(t, savedPath, "# older\n", 0o600) }},
	{"no links", func(t *testing.T, h *Host) { foreign(t, h); h.noLinks = unix.EPERM }},
}

var ways = []way{
	{"/sbin", "request-key", takeOver, disable, takeoverStates},
	{rulesDir, dropInName, dropIn, disable, dropInStates},
}

// TestInterrupted stops each run after each of its steps, as a kill would, runs
// enable or disable next, then disable, and compares the whole directory.
func TestInterrupted(t *testing.T) {
	for _, w := range ways {
		for _, s := range w.states {
			t.Run(w.file+"/"+s.name, func(t *testing.T) {
				steps := 0
				for _, first := range []func(*Host) error{w.enable, w.disable} {
					for _, next := range []func(*Host) error{w.enable, w.disable} {
						for n := 1; ; n++ {
							if !interruptAt(t, w, s, n, first, next) {
								steps += n
								break
							}
						}
					}
				}
				if steps < 8 {
					t.Errorf("only %d runs: the steps are not seen", steps)
				}
			})
		}
	}
}

// interruptAt reports whether the first run had an n-th step.
func interruptAt(t *testing.T, w way, s state, n int, first, next func(*Host) error) bool {
	t.Helper()
	h := newHost(t)
	s.setup(t, h)
	before := h.folder(t, w.dir) // where our file stands here, something of theirs is saved
	stopped := runUntil(t, h, n, first)
	if _, was := before[w.file]; was {
		if _, is := h.folder(t, w.dir)[w.file]; !is {
			t.Errorf("step %d: no %s at that moment", n, w.file)
		}
	}
	must(t, next(h))
	must(t, disable(h))
	check(t, h, w, before, n)
	must(t, disable(h)) // again: nothing more happens
	check(t, h, w, before, n)
	return stopped
}

// runUntil runs f and stops it by a panic after its n-th step.
func runUntil(t *testing.T, h *Host, n int, f func(*Host) error) (stopped bool) {
	t.Helper()
	seen := 0
	h.step = func(string) {
		if seen++; seen == n {
			panic("stop")
		}
	}
	defer func() {
		h.step = nil
		if p := recover(); p != nil && p != "stop" {
			panic(p)
		} else if p != nil {
			stopped = true
		}
	}()
	must(t, f(h))
	return false
}

// check compares what is there with what was there before, ours aside.
func check(t *testing.T, h *Host, w way, before map[string]shape, n int) {
	t.Helper()
	after := h.folder(t, w.dir)
	precious := make(map[uint64]shape)
	for name, s := range before {
		if isOurs(s.text) || name == ".request-key.upcalld-new" {
			continue
		}
		precious[s.ino] = s
	}
	for name, s := range after {
		was, ok := precious[s.ino]
		if !ok {
			t.Errorf("step %d: left behind: %s %q", n, name, s.text)
		}
		if was.mode != s.mode || !was.mtime.Equal(s.mtime) || was.uid != s.uid || was.text != s.text || s.nlink != 1 {
			t.Errorf("step %d: %s was %+v, is %+v", n, name, was, s)
		}
	}
	if len(after) != len(precious) {
		t.Errorf("step %d: %d files, want %d: lost one, or one stands twice", n, len(after), len(precious))
	}
	want := before[w.file]
	if (want.ino == 0 || isOurs(want.text)) && before[w.file+suffix(w)].ino != 0 {
		want = before[w.file+suffix(w)]
	}
	if want.ino != 0 && !isOurs(want.text) && after[w.file].ino != want.ino {
		t.Errorf("step %d: at %s stands %q, want %q", n, w.file, after[w.file].text, want.text)
	}
}

func suffix(w way) string {
	if w.file == "request-key" {
		return ".stock"
	}
	return ".saved"
}

func isOurs(text string) bool {
	return len(text) >= len(stubText) && text[:len(stubText)] == stubText ||
		len(text) >= len(header) && text[:len(header)] == header
}
