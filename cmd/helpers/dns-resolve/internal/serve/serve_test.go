package serve

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// start runs a server; done gives what Run returned.
func start(t *testing.T, s *Server) (path string, stop func(), done <-chan error) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	end := make(chan error, 1)
	go func() { end <- s.Run(ctx, []*net.UnixListener{l}) }()
	t.Cleanup(cancel)
	return path, cancel, end
}

func dial(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

// send sends a question with n handles on "/".
func send(t *testing.T, c *net.UnixConn, q wire.Question, n int) {
	t.Helper()
	var fds []int
	for range n {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	var oob []byte
	if n > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := c.WriteMsgUnix(q.AppendTo(nil), oob, nil); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *net.UnixConn) *wire.Reply {
	t.Helper()
	buf := make([]byte, wire.MaxMessage)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	r := new(wire.Reply)
	if err := r.Parse(buf[:n]); err != nil {
		t.Fatal(err)
	}
	return r
}

func question(id uint64) wire.Question {
	return wire.Question{ID: id, MillisLeft: 5000, Ask: wire.AskAnswer, Subject: []byte("foo")}
}

func openFDs(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// noFinalizers keeps the garbage collector from closing what was forgotten.
func noFinalizers(t *testing.T) {
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
}

// noMoreFDs waits for the server to close what it has seen the end of.
func noMoreFDs(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); openFDs(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors open, %d before", openFDs(t), before)
		}
	}
}

func echo(_ context.Context, q *wire.Question, root *os.File) *wire.Reply {
	return &wire.Reply{Payload: q.Subject}
}

func TestHandles(t *testing.T) {
	noFinalizers(t)
	path, _, _ := start(t, &Server{Handler: echo})
	c := dial(t, path)
	send(t, c, question(1), 1)
	if r := receive(t, c); r.ID != 1 || r.Errno != 0 || string(r.Payload) != "foo" {
		t.Errorf("one handle: %+v", r)
	}
	before := openFDs(t)
	for _, n := range []int{0, 2, maxFDs, maxFDs + 3} {
		send(t, c, question(uint64(n)), n)
		if r := receive(t, c); r.ID != uint64(n) || r.Errno != uint16(syscall.EINVAL) {
			t.Errorf("%d handles: %+v", n, r)
		}
	}
	noMoreFDs(t, before)
}

// TestGarbage: what is no question ends the connection, and only that one.
func TestGarbage(t *testing.T) {
	noFinalizers(t)
	path, _, _ := start(t, &Server{Handler: echo})
	other := dial(t, path)
	send(t, other, question(1), 1)
	receive(t, other)
	before := openFDs(t)
	for _, packet := range [][]byte{{0}, []byte("GET / HTTP/1.0\r\n\r\n"), make([]byte, wire.MaxMessage+1), (&wire.Reply{}).AppendTo(nil)} {
		c := dial(t, path)
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.WriteMsgUnix(packet, unix.UnixRights(fd), nil); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		if n, err := c.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("%d bytes of garbage: read %d, %v", len(packet), n, err)
		}
		c.Close()
	}
	send(t, other, question(2), 1)
	if r := receive(t, other); r.ID != 2 {
		t.Errorf("the other connection got %+v", r)
	}
	noMoreFDs(t, before)
}

// TestBusy: questions run at the same time, up to the bound, and replies come
// in any order.
func TestBusy(t *testing.T) {
	release := make(chan struct{})
	path, _, _ := start(t, &Server{Handler: func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
		<-release
		return &wire.Reply{Payload: []byte("ok")}
	}})
	c := dial(t, path)
	for id := range uint64(MaxInFlight) {
		send(t, c, question(id), 1)
	}
	send(t, c, question(9999), 1)
	if r := receive(t, c); r.ID != 9999 || r.Errno != uint16(syscall.EBUSY) {
		t.Fatalf("over the bound: %+v", r)
	}
	close(release)
	seen := map[uint64]bool{}
	for range MaxInFlight {
		r := receive(t, c)
		if r.Errno != 0 || seen[r.ID] {
			t.Fatalf("reply %+v", r)
		}
		seen[r.ID] = true
	}
}

func TestDeadline(t *testing.T) {
	path, _, _ := start(t, &Server{Handler: func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
		<-ctx.Done()
		return &wire.Reply{Errno: uint16(syscall.ETIMEDOUT)}
	}})
	c := dial(t, path)
	for _, millis := range []uint32{0, 1, 200} {
		q := question(uint64(millis))
		q.MillisLeft = millis
		begin := time.Now()
		send(t, c, q, 1)
		r := receive(t, c)
		took := time.Since(begin)
		if r.Errno != uint16(syscall.ETIMEDOUT) || millis == 200 && took > 200*time.Millisecond {
			t.Errorf("%d ms: %+v after %v", millis, r, took)
		}
	}
}

// TestIdle: an open connection without a question does not keep it alive, a
// question under way does.
func TestIdle(t *testing.T) {
	release := make(chan struct{})
	path, _, done := start(t, &Server{Idle: 50 * time.Millisecond, Handler: func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
		<-release
		return &wire.Reply{Payload: []byte("late")}
	}})
	c := dial(t, path)
	send(t, c, question(1), 1)
	select {
	case err := <-done:
		t.Fatalf("ended with a question under way: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	if r := receive(t, c); string(r.Payload) != "late" {
		t.Errorf("got %+v", r)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("did not end when idle")
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a send after the end: %v, want EPIPE", err)
	}
}

// TestStop: told to stop, it answers what was sent before, and no more.
func TestStop(t *testing.T) {
	began, release := make(chan struct{}, 10), make(chan struct{})
	path, stop, done := start(t, &Server{Handler: func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
		began <- struct{}{}
		<-release
		return &wire.Reply{Payload: []byte("ok")}
	}})
	c := dial(t, path)
	for id := range uint64(3) {
		send(t, c, question(id), 1)
	}
	<-began
	stop()
	close(release)
	for range 3 {
		if r := receive(t, c); r.Errno != 0 {
			t.Errorf("reply %+v", r)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestStopStuck: an answer that does not come holds the end up for two seconds
// at most, and its context ends.
func TestStopStuck(t *testing.T) {
	began := make(chan struct{})
	ended := make(chan struct{})
	path, stop, done := start(t, &Server{Handler: func(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
		close(began)
		<-ctx.Done()
		close(ended)
		return &wire.Reply{}
	}})
	q := question(1)
	q.MillisLeft = 60000
	send(t, dial(t, path), q, 1)
	<-began
	begin := time.Now()
	stop()
	<-done
	if took := time.Since(begin); took > finishTime+time.Second {
		t.Errorf("took %v", took)
	}
	<-ended
}

// TestForeignPeer: another user's process is turned away.
func TestForeignPeer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become another user")
	}
	path, _, _ := start(t, &Server{Handler: echo})
	for _, p := range []string{path, filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		if err := os.Chmod(p, 0o777); err != nil { // t.TempDir is two directories deep
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // deliberately not unlocked: this thread changes its user
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0))
		if errno != 0 {
			done <- errno
			return
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(fd)
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		}
		if err == nil {
			var n int
			if n, err = unix.Read(fd, make([]byte, 10)); n != 0 {
				err = errors.New("got an answer")
			}
		}
		done <- err
	}()
	if err := <-done; err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("uid 65534: %v", err)
	}
}
