package main

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/broker"
	"github.com/upcalld/upcalld/lab"
	"github.com/upcalld/upcalld/varlink"
)

func TestMain(m *testing.M) {
	lab.MaybeChild()
	os.Exit(m.Run())
}

// serve runs a real broker with its API on a socket of the test's own.
func serve(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	b, err := broker.New(broker.Options{RuntimeDir: dir, LibexecDir: dir, Policy: broker.DefaultPolicy(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s, err := api.NewServer(b, "test", log)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, api.Socket)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != varlink.ErrServerClosed {
			t.Error(err)
		}
		b.Close()
	})
	return path
}

// ctl runs one command as main would.
func ctl(socket string, args ...string) (code int, out, errout string) {
	var o, e bytes.Buffer
	if socket != "" {
		args = append(args, "--socket", socket)
	}
	code = dispatch(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func container(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

func TestLifeOfARegistration(t *testing.T) {
	socket := serve(t)
	pid := fmt.Sprint(container(t).Process.Pid)
	steps := []struct {
		args []string
		code int
		want string // in either output
	}{
		{[]string{"list"}, exitOK, "no container is registered"},
		{[]string{"register", "box", "--pid", pid, "--label", "a=b", "--label", "c="}, exitOK, "registered box as context 1"},
		{[]string{"register", "--pid", pid, "box"}, exitFailed, "name is taken by context 1"},
		{[]string{"list"}, exitOK, "pid " + pid},
		{[]string{"show", "box"}, exitOK, "a=b"},
		{[]string{"show", "box", "--json"}, exitOK, `"name": "box"`},
		{[]string{"show", "bix"}, exitUnknown, `no such context: "bix"`},
		{[]string{"flush", "box"}, exitOK, "forgot 0 answers"},
		{[]string{"flush", "bix"}, exitUnknown, "no such context"},
		{[]string{"resolve", "--as", "box", "foo.bar"}, exitErrno, "EREMOTEIO"}, // no helper is installed here
		{[]string{"resolve", "--as", "bix", "foo.bar"}, exitUnknown, "no such context"},
		{[]string{"resolve", "--as", "box", "foo.bar", "--type", "mx"}, exitFailed, `"a" or "aaaa"`},
		{[]string{"status"}, exitOK, "misses"},
		{[]string{"unregister", "box"}, exitOK, "unregistered box"},
		{[]string{"unregister", "box"}, exitUnknown, "no such context"},
		{[]string{"register", "box", "--pid", pid}, exitOK, "context 2"},
		{[]string{"register", "b x", "--pid", pid}, exitFailed, "bad name"},
		{[]string{"register", "bax", "--pid", "999999999"}, exitFailed, "is gone"},
		{[]string{"register", "bax", "--netns", "/dev/null"}, exitFailed, "not a namespace"},
		{[]string{"register", "bax", "--netns", "/does/not/exist"}, exitFailed, "no such file"},
	}
	for _, s := range steps {
		code, out, errout := ctl(socket, s.args...)
		if code != s.code || !strings.Contains(out+errout, s.want) {
			t.Errorf("%v: exit %d, want %d\n%s%swant %q", s.args, code, s.code, out, errout, s.want)
		}
	}
}

func TestJSONIsJSON(t *testing.T) {
	socket := serve(t)
	pid := fmt.Sprint(container(t).Process.Pid)
	for _, args := range [][]string{
		{"register", "box", "--pid", pid}, {"list"}, {"show", "box"}, {"resolve", "--as", "box", "foo.bar"},
		{"flush"}, {"status"}, {"unregister", "box"}, {"hook", "status"}, {"doctor"},
	} {
		_, out, errout := ctl(socket, append(args, "--json")...)
		if !json.Valid([]byte(out)) {
			t.Errorf("%v: %s%s", args, out, errout)
		}
	}
}

// More contexts than fit into one reply.
func TestLongList(t *testing.T) {
	socket := serve(t)
	pid := fmt.Sprint(container(t).Process.Pid)
	const number = 600
	for n := range number {
		if code, _, errout := ctl(socket, "register", fmt.Sprintf("box%d", n), "--pid", pid); code != exitOK {
			t.Fatal(errout)
		}
	}
	_, out, errout := ctl(socket, "list", "--json")
	var list api.ListOut
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v: %s", err, errout)
	}
	if len(list.Contexts) != number {
		t.Fatalf("%d contexts, want %d", len(list.Contexts), number)
	}
	for n, c := range list.Contexts {
		if want := fmt.Sprintf("box%d", n); c.Name != want || c.ID != uint64(n+1) {
			t.Fatalf("context %d is %s (%d), want %s", n, c.Name, c.ID, want)
		}
	}
	if _, out, _ := ctl(socket, "list"); strings.Count(out, "\n") != number+1 {
		t.Errorf("%d lines", strings.Count(out, "\n"))
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"no-such-command"}, {"register"}, {"register", "a", "b"}, {"register", "a"}, {"register", "a", "--pid", "1", "--netns", "/x"},
		{"register", "a", "--pid", "x"}, {"register", "a", "--label", "x", "--pid", "1"}, {"resolve", "foo.bar"}, {"list", "x"},
		{"hook"}, {"hook", "on"}, {"hook", "enable", "--takeover", "--drop-in"}, {"show", "a", "--unknown"},
	} {
		if code, _, errout := ctl("", args...); code != exitUsage || len(args) > 0 && errout == "" {
			t.Errorf("%v: exit %d, %q", args, code, errout)
		}
	}
}

func TestOffline(t *testing.T) {
	code, _, errout := ctl(filepath.Join(t.TempDir(), "none"), "list")
	if code != exitOffline || !strings.Contains(errout, "Is it running?") {
		t.Errorf("exit %d, %q", code, errout)
	}
}

// The help names every command, and the manual page too.
func TestHelpAndManualAreComplete(t *testing.T) {
	_, out, _ := ctl("", "help")
	page, err := os.ReadFile("../../docs/upcallctl.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		if !strings.Contains(out, "upcallctl "+c.name+" ") || !strings.Contains(string(page), c.name) {
			t.Errorf("%s is missing in help or in upcallctl(1)", c.name)
		}
	}
}
