package varlink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestMain fails the package where descriptors or goroutines are left.
func TestMain(m *testing.M) {
	if r, w, err := os.Pipe(); err == nil { // starts the runtime's poller, which keeps two descriptors
		r.Close()
		w.Close()
	}
	fds := countFDs()
	code := m.Run()
	if code == 0 {
		code = leaks(fds)
	}
	os.Exit(code)
}

func countFDs() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// leaks gives goroutines that are just ending a moment to do so.
func leaks(fds int) int {
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		if runtime.NumGoroutine() <= 2 && countFDs() <= fds {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 64<<10)
	fmt.Printf("leak: fds %d -> %d\n%s\n", fds, countFDs(), buf[:runtime.Stack(buf, true)])
	return 1
}

const testText = `interface io.test

method Echo(text: string, sub: ?(n: int), labels: ?[string]string) -> (text: string)
method Who() -> (pid: int, uid: int)
method Count(to: int) -> (n: int)
method Wait() -> ()
method Panic() -> ()
method Fail() -> ()
method Huge() -> ()
method Silent() -> ()
method Absent() -> ()

error NoSuch (name: string)
`

type echoIn struct {
	Text string `json:"text"`
	Sub  *struct {
		N int `json:"n"`
	} `json:"sub"`
	Labels map[string]string `json:"labels,omitempty"`
}

// testServer serves testText on a socket in a temporary folder; waits gets a
// value when Wait begins, ended when it ends.
type testServer struct {
	*Server
	path         string
	waits, ended chan struct{}
	brief        bool // no handler waits or streams for long
}

func newTestServer(t testing.TB, change func(*Server)) *testServer {
	t.Helper()
	s := &testServer{waits: make(chan struct{}, 256), ended: make(chan struct{}, 256)}
	s.Server = &Server{Vendor: "v", Product: "p", Version: "1", URL: "u", Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(s.Server)
	}
	if err := s.Register(testText, s.handlers()); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "vl")
	if err != nil {
		t.Fatal(err)
	}
	s.path = filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		if err := <-served; !errors.Is(err, ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		os.RemoveAll(dir)
	})
	return s
}

func (s *testServer) handlers() map[string]Handler {
	return map[string]Handler{
		"Echo": func(_ context.Context, c *Call) error {
			var in echoIn
			if err := c.Decode(&in); err != nil {
				return err
			}
			return c.Reply(map[string]string{"text": in.Text})
		},
		"Who": func(_ context.Context, c *Call) error {
			return c.Reply(map[string]int64{"pid": int64(c.Peer.PID), "uid": int64(c.Peer.UID)})
		},
		"Count": s.count,
		"Wait": func(ctx context.Context, c *Call) error {
			if s.brief {
				return nil
			}
			s.waits <- struct{}{}
			<-ctx.Done()
			s.ended <- struct{}{}
			return ctx.Err()
		},
		"Panic": func(context.Context, *Call) error { panic("on purpose") },
		"Fail":  func(context.Context, *Call) error { return errors.New("secret") },
		"Huge": func(_ context.Context, c *Call) error {
			_ = c.Reply(map[string]string{"x": string(make([]byte, MaxMessage))}) // overlooked, as a handler might
			return nil
		},
		"Silent": func(context.Context, *Call) error { return nil },
	}
}

func (s *testServer) count(_ context.Context, c *Call) error {
	var in struct {
		To int `json:"to"`
	}
	if err := c.Decode(&in); err != nil {
		return err
	}
	if s.brief {
		in.To = min(in.To, 10)
	}
	for n := range in.To {
		if err := c.ReplyContinues(map[string]int{"n": n}); err != nil {
			return err
		}
	}
	return c.Reply(map[string]int{"n": in.To})
}

func dial(t testing.TB, s *testServer) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// raw connects without a Client, with a deadline so that no test hangs.
func raw(t testing.TB, s *testServer) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
