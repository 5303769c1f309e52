package kernel

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/upcalld/upcalld/lab"
)

// TestHelperHasNothing looks at a running helper from outside: a compromised
// one has this, and no more.
func TestHelperHasNothing(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	c := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
	register(t, broker, c)
	if out := ctl(t, broker, "resolve", "--as", c.Name, "foo.bar"); !strings.HasPrefix(out, answerA) {
		t.Fatal(out)
	}
	pids := broker.Helpers("dns-resolve")
	if len(pids) != 1 {
		t.Fatalf("%d helpers", len(pids))
	}
	proc := filepath.Join("/proc", strconv.Itoa(pids[0]))
	checkStatus(t, proc)
	checkNamespaces(t, proc, c)
	checkFiles(t, proc)
	checkEnvironment(t, proc)
}

func checkStatus(t *testing.T, proc string) {
	t.Helper()
	threads, err := filepath.Glob(proc + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		status := make(map[string]string)
		for line := range strings.Lines(string(text)) {
			k, v, _ := strings.Cut(line, ":")
			status[k] = strings.Join(strings.Fields(v), " ")
		}
		const none = "0000000000000000"
		for k, want := range map[string]string{
			"Groups": "", "CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
			"NoNewPrivs": "1", "Seccomp": "2",
		} {
			if status[k] != want {
				t.Errorf("%s: %s is %q, want %q", file, k, status[k], want)
			}
		}
		for _, k := range []string{"Uid", "Gid"} {
			if slices.Contains(strings.Fields(status[k]), "0") {
				t.Errorf("%s: %s is %q", file, k, status[k])
			}
		}
		if ns := strings.Fields(status["NSpid"]); len(ns) != 2 {
			t.Errorf("%s: NSpid is %q, not one level below the host's", file, status["NSpid"])
		}
	}
}

func checkNamespaces(t *testing.T, proc string, c *container) {
	t.Helper()
	ns := func(dir, kind string) string {
		name, err := os.Readlink(filepath.Join(dir, "ns", kind))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	var st syscall.Stat_t
	if err := syscall.Stat(c.Container.Path(), &st); err != nil {
		t.Fatal(err)
	}
	if got, want := ns(proc, "net"), fmt.Sprintf("net:[%d]", st.Ino); got != want {
		t.Errorf("%s, want the container's %s", got, want)
	}
	for _, kind := range []string{"mnt", "pid", "ipc", "uts"} {
		for _, other := range []string{"/proc/self", filepath.Join("/proc", strconv.Itoa(c.by.PID()))} {
			if ns(proc, kind) == ns(other, kind) {
				t.Errorf("shares its %s namespace with %s", kind, other)
			}
		}
	}
}

func checkFiles(t *testing.T, proc string) {
	t.Helper()
	root, err := os.ReadDir(proc + "/root")
	if err != nil || len(root) != 1 || root[0].Name() != "proc" {
		t.Errorf("its root holds %v: %v", root, err)
	}
	if err := os.WriteFile(proc+"/root/x", nil, 0o600); err == nil {
		t.Error("its root can be written to")
	}
	mounts, err := os.ReadFile(proc + "/mounts")
	if n := strings.Count(string(mounts), "\n"); err != nil || n != 2 {
		t.Errorf("it sees %d mounts, %v:\n%s", n, err, mounts)
	}
	fds, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		kind, _, _ := strings.Cut(target, ":")
		if !slices.Contains([]string{"socket", "pipe", "anon_inode", "/dev/null"}, kind) {
			t.Errorf("descriptor %s is %s", fd.Name(), target)
		}
	}
	// What is not dumpable belongs to root there (fs/proc/base.c, task_dump_owner).
	var st syscall.Stat_t
	if err := syscall.Stat(proc+"/environ", &st); err != nil || st.Uid != 0 {
		t.Errorf("it is dumpable: owned by %d, %v", st.Uid, err)
	}
}

func checkEnvironment(t *testing.T, proc string) {
	t.Helper()
	text, err := os.ReadFile(proc + "/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range strings.Split(strings.TrimRight(string(text), "\x00"), "\x00") {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains([]string{"LISTEN_FDS", "LISTEN_PID", "UPCALLD_NETNS"}, name) {
			t.Errorf("it has %s in its environment", name)
		}
	}
}
