package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// helper is a running dns-resolve.
type helper struct {
	cmd    *exec.Cmd
	path   string // of its socket
	stderr *bytes.Buffer
}

func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "dns-resolve")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return bin
}

// launch starts the helper as the entry program would: an unprivileged user, a pid
// namespace of its own, the socket as descriptor 3.
func launch(t *testing.T, bin string, uid uint32, env []string, args ...string) *helper {
	t.Helper()
	h := &helper{path: filepath.Join(testnet.Root(t, nil), "s"), stderr: new(bytes.Buffer)}
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: h.path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	defer f.Close()
	script := `mount -t proc proc /proc && exec setpriv --reuid $0 --regid $0 --clear-groups "$@"`
	h.cmd = exec.Command("sh", append([]string{"-c", script, strconv.Itoa(int(uid)), bin}, args...)...)
	h.cmd.ExtraFiles = []*os.File{f}
	h.cmd.Env = append([]string{"LISTEN_FDS=1", "LISTEN_PID=1", "PATH=" + os.Getenv("PATH")}, env...)
	h.cmd.Stderr = h.stderr
	h.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); _, _ = h.cmd.Process.Wait() })
	return h
}

// wait returns the exit status.
func (h *helper) wait(t *testing.T) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- h.cmd.Wait() }()
	select {
	case err := <-done:
		var e *exec.ExitError
		if err != nil && !errors.As(err, &e) {
			t.Fatal(err)
		}
		return h.cmd.ProcessState.ExitCode()
	case <-time.After(10 * time.Second):
		t.Fatal("the helper does not end")
	}
	return -1
}

func (h *helper) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: h.path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c *net.UnixConn, root int, id uint64, subject string) {
	t.Helper()
	q := wire.Question{ID: id, MillisLeft: 5000, Ask: wire.AskAnswer, Subject: []byte(subject)}
	if _, _, err := c.WriteMsgUnix(q.AppendTo(nil), unix.UnixRights(root), nil); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *net.UnixConn) *wire.Reply {
	t.Helper()
	buf, r := make([]byte, wire.MaxMessage), new(wire.Reply)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Parse(buf[:n]); err != nil {
		t.Fatal(err)
	}
	return r
}

func openRoot(t *testing.T, files map[string]string) int {
	t.Helper()
	fd, err := unix.Open(testnet.Root(t, files), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// fds counts the helper's descriptors; its pid is ours to see.
func (h *helper) fds(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestEndToEnd(t *testing.T) {
	testnet.Run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	testnet.Run("ip", "link", "set", "v0", "up")
	testnet.Run("ip", "link", "set", "v1", "up")
	testnet.Run("ip", "-6", "addr", "add", "2001:db8::1/64", "dev", "v0", "nodad") // and no IPv4
	t.Cleanup(func() { testnet.Run("ip", "link", "del", "v0") })
	testnet.Serve(t, "127.0.0.1", "foo.bar. 33 A 192.0.2.1", "foo.bar. 44 AAAA 2001:db8::7")
	testnet.Serve(t, "127.0.0.2", "foo.bar. 33 A 192.0.2.2", "foo.bar. 33 AAAA 2001:db8::8")
	one := openRoot(t, map[string]string{"etc/resolv.conf": "nameserver 127.0.0.1\n", "etc/hosts": "2001:db8::5 db\n"})
	two := openRoot(t, map[string]string{"etc/resolv.conf": "nameserver 127.0.0.2\n"})

	h := launch(t, build(t), 65534, []string{"UPCALLD_NETNS=7:99"})
	c := h.dial(t)
	for _, tc := range []struct {
		root    int
		subject string
		want    string
		errno   syscall.Errno
		ttl     uint32
	}{
		{one, "foo.bar", "2001:db8::7", 0, 33}, // the only family this namespace can reach
		{two, "foo.bar", "2001:db8::8", 0, 33},
		{one, "a:foo.bar", "192.0.2.1", 0, 33}, // unreachable, but all there is
		{one, "db", "2001:db8::5", 0, 5},
		{one, "none.bar", "", syscall.ENODATA, 5},
		{two, "refused.bar", "", syscall.ECONNREFUSED, 5},
		{two, "no good", "", syscall.EINVAL, 5},
	} {
		send(t, c, tc.root, 1, tc.subject)
		r := receive(t, c)
		if string(r.Payload) != tc.want || r.Errno != uint16(tc.errno) || r.TTL != tc.ttl || r.NSDev != 7 || r.NSIno != 99 {
			t.Errorf("%s: %+v: payload %q, note %q", tc.subject, r, r.Payload, r.Note)
		}
	}
	manyQuestions(t, h, c, one, two)
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := h.wait(t); code != 0 || h.stderr.Len() > 0 {
		t.Errorf("exit status %d, %s", code, h.stderr)
	}
}

// manyQuestions asks 1,000 times over two connections, 50 at a time, and
// leaves no descriptor behind in the helper.
func manyQuestions(t *testing.T, h *helper, c *net.UnixConn, one, two int) {
	before := h.fds(t)
	d := h.dial(t)
	for range 10 {
		for id := range uint64(50) {
			send(t, c, one, id, "foo.bar")
			send(t, d, two, id, "foo.bar")
		}
		for range 50 {
			if r := receive(t, c); string(r.Payload) != "2001:db8::7" {
				t.Fatalf("root one got %+v: %s %s", r, r.Payload, r.Note)
			}
			if r := receive(t, d); string(r.Payload) != "2001:db8::8" {
				t.Fatalf("root two got %+v: %s %s", r, r.Payload, r.Note)
			}
		}
	}
	d.Close()
	deadline := time.Now().Add(5 * time.Second)
	for h.fds(t) > before+1 { // the runtime may have opened one of its own
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors open, %d before", h.fds(t), before)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestIdleExit(t *testing.T) {
	h := launch(t, build(t), 65534, nil, "--idle=300ms")
	root := openRoot(t, map[string]string{"etc/hosts": "192.0.2.1 h\n"})
	c := h.dial(t)
	send(t, c, root, 1, "h")
	r := receive(t, c)
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	if string(r.Payload) != "192.0.2.1" || r.NSDev != st.Dev || r.NSIno != st.Ino {
		t.Errorf("reply %+v %q, want namespace %d:%d", r, r.Note, st.Dev, st.Ino)
	}
	if code := h.wait(t); code != 0 || h.stderr.Len() > 0 {
		t.Errorf("exit status %d, %s", code, h.stderr)
	}
}

// TestMisuse: what is wrong at the start is said in one line.
func TestMisuse(t *testing.T) {
	bin := build(t)
	for _, tc := range []struct {
		env  []string
		want string
	}{
		{nil, "no listening socket"},
		{[]string{"LISTEN_FDS=1", "LISTEN_PID=1"}, "no listening socket"}, // meant for another
		{[]string{"UPCALLD_NETNS=x"}, "UPCALLD_NETNS"},
		{[]string{"UPCALLD_NETNS=1:-2"}, "UPCALLD_NETNS"},
	} {
		cmd := exec.Command(bin)
		cmd.Env = tc.env
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tc.want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%v: %v, %q", tc.env, err, out)
		}
	}
}
