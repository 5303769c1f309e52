package main

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/hook"
	"github.com/upcalld/upcalld/keyring"
)

func TestParseArgs(t *testing.T) {
	kernel := []string{"/sbin/request-key", "create", "42", "0", "-2", "100", "0", "300"}
	c, err := parseArgs(kernel)
	want := command{argv: kernel, key: 42, gid: 1<<32 - 2, thread: 100}
	if err != "" || !reflect.DeepEqual(c, want) {
		t.Errorf("%+v %s", c, err)
	}
	line := append(append([]string{}, kernel...), "--", "/sbin/key.dns_resolver", "42", "--")
	c, err = parseArgs(line)
	if err != "" || !reflect.DeepEqual(c.stock, []string{"/sbin/key.dns_resolver", "42", "--"}) || !reflect.DeepEqual(c.argv, kernel) {
		t.Errorf("%+v %s", c, err)
	}
}

func TestParseArgsRefuses(t *testing.T) {
	for _, bad := range []string{
		"", "rk", "rk create", "rk create 1 0 0 0 0", "rk create 1 0 0 0 0 0 0", "rk negate 1 0 0 0 0 0", "rk create 0 0 0 0 0 0",
		"rk create -1 0 0 0 0 0", "rk create 99999999999 0 0 0 0 0", "rk create x 0 0 0 0 0", "rk create 1 0 0 0 0 0 --",
		"rk create 1 0 0 0 0 y", "rk -- create 1 0 0 0 0 0",
	} {
		if _, err := parseArgs(strings.Fields(bad)); err == "" {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestSharedRing(t *testing.T) {
	ring := func(typ, text string, uid uint32) keyring.Description {
		return keyring.Description{Type: typ, UID: uid, Text: []byte(text)}
	}
	for _, c := range []struct {
		d    keyring.Description
		want bool
	}{
		{ring("keyring", ".dns_resolver", 0), true},
		{ring("keyring", ".id_resolver", 0), true},
		{ring("keyring", ".dns_resolver", 1000), false},
		{ring("user", ".dns_resolver", 0), false},
		{ring("keyring", "_ses", 0), false},
		{ring("keyring", ".dns_resolver2", 0), false},
	} {
		if got := sharedRing(c.d); got != c.want {
			t.Errorf("%+v: %v", c.d, got)
		}
	}
}

// hook recognises the stub by this text.
func TestMarker(t *testing.T) {
	if marker != hook.Marker {
		t.Errorf("the stub says %q, hook looks for %q", marker, hook.Marker)
	}
}

func TestGuardCounts(t *testing.T) {
	var g guard
	if g.saw(5); g.waiters != 0 || g.pending() {
		t.Error("a guard that is not needed counted")
	}
	g.begin()
	if g.saw(ownUsage + 2); g.clear || g.waiters != 2 || !g.pending() {
		t.Errorf("two more: %+v", g)
	}
	if g.saw(0); g.clear {
		t.Error("a key that cannot be seen settled it")
	}
	if g.saw(ownUsage); !g.clear || g.pending() {
		t.Errorf("nobody else: %+v", g)
	}
}

func TestHostTask(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !hostTask(unix.Gettid()) {
		t.Error("this thread is not in its own namespaces")
	}
	if hostTask(1 << 30) {
		t.Error("a thread that does not exist is the host's")
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, flag := range []uintptr{unix.CLONE_NEWNET, unix.CLONE_NEWNS, unix.CLONE_NEWUSER} {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flag, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if hostTask(cmd.Process.Pid) {
			t.Errorf("a task with a namespace of its own (%#x) is the host's", flag)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// Nobody waits for a key in this test; but every task can be looked at.
func TestWaitingTasks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("stacks need root")
	}
	seen := 0
	eachTask(func(task string) bool {
		if strings.HasPrefix(task, strconv.Itoa(os.Getpid())+"/task/") {
			seen++
		}
		return true
	})
	if names, _ := os.ReadDir("/proc/self/task"); seen < len(names)-1 || seen == 0 {
		t.Errorf("%d of %d threads seen", seen, len(names))
	}
	// Other processes come and go, and one that has just gone is counted as it
	// should: so this one may not be complete at the first try.
	complete := false
	for range 20 {
		complete = complete || lookAround(os.Getpid(), time.Minute).complete
	}
	if !complete {
		t.Error("stacks cannot be read")
	}
	if lookAround(os.Getpid(), -time.Minute).complete {
		t.Error("it did not stop when time had run out")
	}
	if lookAround(1<<30, time.Minute).complete {
		t.Error("a requester that has gone was compared with")
	}
}
