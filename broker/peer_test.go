package broker

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// asStub makes the test binary play a stub: it sends one request on the socket
// named by the variable and prints what comes back.
const asStub = "UPCALLD_TEST_STUB"

func TestMain(m *testing.M) {
	if path := os.Getenv(asStub); path != "" {
		playStub(path)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func playStub(path string) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	defer conn.Close()
	r := wire.Request{MillisLeft: 5000, Key: 1, Auth: 2, Thread: int32(unix.Gettid()), Op: wire.OpCreate, Type: []byte("user"), Description: []byte("x")}
	if os.Getenv("UPCALLD_TEST_GARBAGE") != "" {
		_, err = conn.Write([]byte("hello"))
	} else {
		_, err = conn.Write(r.AppendTo(nil))
	}
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	buf := make([]byte, wire.MaxMessage)
	n, err := conn.Read(buf)
	var v wire.Verdict
	if err != nil || v.Parse(buf[:n]) != nil {
		fmt.Println("refused:", err)
		return
	}
	fmt.Println("verdict", v.Action, v.Errno)
	_, _ = conn.Write((&wire.Done{Key: 1, Outcome: wire.DoneRejected}).AppendTo(nil))
}

// startServer serves stubs on a socket that everybody can connect to, so that
// only the broker itself keeps strangers out.
func startServer(t *testing.T) (*Broker, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("", "upcalld-broker-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := New(Options{RuntimeDir: dir, LibexecDir: dir, Policy: DefaultPolicy(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "upcall")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o777} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.ServeUpcalls(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		b.Close()
	})
	return b, path
}

func TestOnlyTheHostsRootMaySpeak(t *testing.T) {
	b, path := startServer(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Where another user can execute it.
	public := filepath.Join(filepath.Dir(path), "stub")
	if out, err := exec.Command("install", "-m", "0755", self, public).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	for name, c := range map[string]struct {
		attr *syscall.SysProcAttr
		env  string
		want string
	}{
		"the host's root":                          {&syscall.SysProcAttr{}, "", "verdict"},
		"root in a network namespace of its own":   {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}, "", "verdict"},
		"another user":                             {&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "", "refused"},
		"root of another user namespace":           {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids}, "", "refused"},
		"root in a mount namespace of its own":     {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}, "", "refused"},
		"root in a pid namespace of its own":       {&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}, "", "refused"},
		"the host's root, speaking something else": {&syscall.SysProcAttr{}, "UPCALLD_TEST_GARBAGE=1", "refused"},
	} {
		before := b.counters.Strangers.Load()
		cmd := exec.Command(public)
		cmd.Env = []string{asStub + "=" + path, c.env}
		cmd.SysProcAttr = c.attr
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("%s: %v %q, want %s", name, err, out, c.want)
		}
		if turned := b.counters.Strangers.Load() - before; (turned == 1) != (c.want == "refused") {
			t.Errorf("%s: %d strangers counted", name, turned)
		}
	}
}
