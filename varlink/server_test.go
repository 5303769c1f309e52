package varlink

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCallErrors(t *testing.T) {
	s := newTestServer(t, func(s *Server) {
		s.Authorize = func(p Peer, method string) error {
			if method == "io.test.Silent" {
				return errors.New("not you")
			}
			return nil
		}
	})
	c := dial(t, s)
	type m = map[string]any
	for _, tt := range []struct {
		method    string
		in        any
		name, key string
		value     string
	}{
		{"io.test.Echo", m{"text": "a", "bad": 1}, InvalidParameterName, "parameter", "bad"},
		{"io.test.Echo", m{"TEXT": "a"}, InvalidParameterName, "parameter", "text"},
		{"io.test.Echo", m{"text": "a", "Text": "b"}, InvalidParameterName, "parameter", "Text"},
		{"io.test.Echo", m{"text": nil}, InvalidParameterName, "parameter", "text"},
		{"io.test.Echo", m{"text": 7}, InvalidParameterName, "parameter", "text"},
		{"io.test.Echo", m{"text": "a", "sub": m{"n": 1, "x": 2}}, InvalidParameterName, "parameter", "sub.x"},
		{"io.test.Echo", m{"text": "a", "sub": m{}}, InvalidParameterName, "parameter", "sub.n"},
		{"io.test.Echo", m{"text": "a", "labels": m{"k": 1}}, InvalidParameterName, "parameter", "labels"},
		{"io.test.Echo", []int{1}, InvalidParameterName, "parameter", "parameters"},
		{"io.test.Echo", nil, InvalidParameterName, "parameter", "text"},
		{"io.test.Count", m{"to": 3}, ExpectedMore, "", ""},
		{"io.test.Absent", nil, MethodNotImplemented, "method", "io.test.Absent"},
		{"io.test.Nope", nil, MethodNotFound, "method", "io.test.Nope"},
		{"io.nope.Nope", nil, InterfaceNotFound, "interface", "io.nope"},
		{"Nope", nil, InvalidParameterName, "parameter", "method"},
		{"", nil, InvalidParameterName, "parameter", "method"},
		{"io.test.Panic", nil, InternalError, "", ""},
		{"io.test.Fail", nil, InternalError, "", ""},
		{"io.test.Huge", nil, InternalError, "", ""},
		{"io.test.Silent", nil, PermissionDenied, "", ""},
		{"org.varlink.service.GetInterfaceDescription", m{"interface": "a.b"}, InterfaceNotFound, "interface", "a.b"},
	} {
		err := c.Call(t.Context(), tt.method, tt.in, nil)
		var e *Error
		if !errors.As(err, &e) || e.Name != tt.name || e.Message() == "" || strings.Contains(e.Message(), "secret") {
			t.Errorf("%s(%s): %v, want %s", tt.method, text(tt.in), err, tt.name)
			continue
		}
		var got map[string]any
		if err := e.Decode(&got); err != nil || tt.key != "" && !strings.HasPrefix(fmt.Sprint(got[tt.key]), tt.value) {
			t.Errorf("%s(%s): parameters %v, want %s=%s", tt.method, text(tt.in), got, tt.key, tt.value)
		}
	}
	var out struct{ Text string }
	if err := c.Call(t.Context(), "io.test.Echo", m{"text": "ü\x00", "labels": m{"A": "1", "a": "2"}}, &out); err != nil || out.Text != "ü\x00" {
		t.Errorf("the connection is not usable after errors: %q, %v", out.Text, err)
	}
}

func TestService(t *testing.T) {
	c := dial(t, newTestServer(t, nil))
	var info struct {
		Vendor, Product, Version, URL string
		Interfaces                    []string
	}
	if err := c.Call(t.Context(), "org.varlink.service.GetInfo", nil, &info); err != nil {
		t.Fatal(err)
	}
	if got := text(info); got != `{"Vendor":"v","Product":"p","Version":"1","URL":"u","Interfaces":["org.varlink.service","io.test"]}` {
		t.Error(got)
	}
	for name, want := range map[string]string{"io.test": testText, serviceName: serviceText} {
		var out struct{ Description string }
		err := c.Call(t.Context(), "org.varlink.service.GetInterfaceDescription", map[string]string{"interface": name}, &out)
		if err != nil || out.Description != want {
			t.Errorf("%s: %q, %v", name, out.Description, err)
		}
	}
	var who struct{ PID, UID int }
	if err := c.Call(t.Context(), "io.test.Who", nil, &who); err != nil || who.PID != os.Getpid() || who.UID != os.Getuid() {
		t.Errorf("peer %+v, %v", who, err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	h := func(context.Context, *Call) error { return nil }
	for _, tt := range []struct{ text, want string }{
		{"method A() -> ()", "no interface line"},
		{"interface org.varlink.service\n", "the server's own"},
		{"interface io.a\nmethod A() -> ()\n", "describes no method B"},
		{"interface io.twice\nmethod B() -> ()\n", "registered twice"},
	} {
		var s Server
		if err := s.Register("interface io.twice\n", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Register(tt.text, map[string]Handler{"B": h}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// TestRaw sends bytes and compares all that comes back before the end.
func TestRaw(t *testing.T) {
	const ok = `{"parameters":{"text":"a"}}`
	const call = `{"method":"io.test.Echo","parameters":{"text":"a"}`
	s := newTestServer(t, nil)
	for name, tt := range map[string]struct{ in, want string }{
		"one":               {call + "}\x00", ok + "\x00"},
		"two at once":       {call + "}\x00" + call + "}\x00", ok + "\x00" + ok + "\x00"},
		"oneway":            {call + `,"oneway":true}` + "\x00" + call + "}\x00", ok + "\x00"},
		"oneway error":      {`{"method":"io.test.Fail","oneway":true}` + "\x00" + call + "}\x00", ok + "\x00"},
		"oneway more":       {`{"method":"io.test.Count","parameters":{"to":2},"oneway":true,"more":true}` + "\x00" + call + "}\x00", ok + "\x00"},
		"more, one reply":   {call + `,"more":true}` + "\x00", ok + "\x00"},
		"silent":            {`{"method":"io.test.Silent"}` + "\x00", `{"parameters":{}}` + "\x00"},
		"unknown member":    {call + `,"extra":1}` + "\x00", ""},
		"no method":         {`{}` + "\x00", ""},
		"method twice":      {`{"method":"io.test.Who","method":"io.test.Who"}` + "\x00", ""},
		"parameter twice":   {`{"method":"io.test.Echo","parameters":{"text":"a","text":"b"}}` + "\x00", ""},
		"trailing":          {call + "}}\x00", ""},
		"two objects":       {call + "}{}\x00", ""},
		"array":             {"[]\x00", ""},
		"empty":             {"\x00", ""},
		"not utf-8":         {"{\"method\":\"\xff\"}\x00", ""},
		"deep":              {`{"method":"io.test.Echo","parameters":` + strings.Repeat(`{"a":`, 100000) + "1" + strings.Repeat("}", 100001) + "\x00", ""},
		"deep unclosed":     {strings.Repeat("[", MaxMessage/2) + "\x00", ""},
		"half":              {call, ""},
		"nothing":           {"", ""},
		"parameters number": {`{"method":"io.test.Echo","parameters":5}` + "\x00", `"parameter":"parameters"`},
		"parameters null":   {`{"method":"io.test.Who","parameters":null}` + "\x00", `{"parameters":{"pid"`},
		"upgrade":           {`{"method":"io.test.Who","upgrade":true}` + "\x00", `"parameter":"upgrade"`},
	} {
		t.Run(name, func(t *testing.T) {
			c := raw(t, s)
			if _, err := io.WriteString(c, tt.in); err != nil {
				t.Logf("write: %v", err) // the server may have closed before the end
			}
			_ = c.CloseWrite()
			got, _ := io.ReadAll(c)
			whole := strings.HasSuffix(tt.want, "\x00") || tt.want == ""
			if whole && string(got) != tt.want || !strings.Contains(string(got), tt.want) {
				t.Errorf("got %.300q, want %q", got, tt.want)
			}
		})
	}
}

func TestOversized(t *testing.T) {
	s := newTestServer(t, nil)
	pad := func(n int) []byte {
		head, tail := `{"method":"io.test.Echo","parameters":{"text":"`, "\"}}\x00"
		return []byte(head + strings.Repeat("x", n-len(head)-len(tail)+1) + tail)
	}
	for _, tt := range []struct {
		size   int
		answer bool
	}{{MaxMessage - 100, true}, {MaxMessage, true}, {MaxMessage + 1, false}, {4 * MaxMessage, false}} {
		c := raw(t, s)
		go func() { _, _ = c.Write(pad(tt.size)); _ = c.CloseWrite() }()
		got, _ := io.ReadAll(c)
		if answered := len(got) > 0; answered != tt.answer {
			t.Errorf("%d bytes: answered %v (%.80q)", tt.size, answered, got)
		}
	}
}

// TestSlowLoris: a half-sent message is cut off although bytes keep coming; a
// connection that was idle for longer is still served.
func TestSlowLoris(t *testing.T) {
	s := newTestServer(t, func(s *Server) { s.Timeout = 100 * time.Millisecond })
	idle := dial(t, s)
	if err := idle.Call(t.Context(), "io.test.Who", nil, nil); err != nil {
		t.Fatal(err)
	}
	c := raw(t, s)
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for {
			if _, err := c.Write([]byte(" ")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	if got, err := io.ReadAll(c); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	<-stop
	if err := idle.Call(t.Context(), "io.test.Who", nil, nil); err != nil {
		t.Errorf("idle connection: %v", err)
	}
}

// TestUnreadReplies: a peer that takes no replies is cut off.
func TestUnreadReplies(t *testing.T) {
	s := newTestServer(t, func(s *Server) { s.Timeout = 100 * time.Millisecond })
	c := raw(t, s)
	_, err := io.WriteString(c, `{"method":"io.test.Count","parameters":{"to":100000000},"more":true}`+"\x00")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // the server has noticed when the connection is gone from its table
		s.mu.Lock()
		n, seen := len(s.conns), s.ctx != nil
		s.mu.Unlock()
		if seen && n == 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("still connected")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestTooManyConnections(t *testing.T) {
	s := newTestServer(t, func(s *Server) { s.MaxConns = 2 })
	a, b := dial(t, s), dial(t, s)
	for _, c := range []*Client{a, b} {
		if err := c.Call(t.Context(), "io.test.Who", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := dial(t, s).Call(t.Context(), "io.test.Who", nil, nil); !IsError(err, TooManyConnections) {
		t.Fatalf("third connection: %v", err)
	}
	a.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		err := dial(t, s).Call(t.Context(), "io.test.Who", nil, nil)
		if err == nil {
			return
		}
		if !IsError(err, TooManyConnections) || time.Now().After(deadline) {
			t.Fatalf("after one left: %v", err)
		}
	}
}

func TestConcurrentCalls(t *testing.T) {
	s := newTestServer(t, nil)
	shared := dial(t, s)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			c := shared
			if i%2 == 0 {
				c = dial(t, s)
			}
			for j := range 20 {
				want := fmt.Sprint(i, " ", j)
				var out struct{ Text string }
				if err := c.Call(t.Context(), "io.test.Echo", map[string]string{"text": want}, &out); err != nil || out.Text != want {
					t.Errorf("got %q, want %q, %v", out.Text, want, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestStream(t *testing.T) {
	s := newTestServer(t, nil)
	c := dial(t, s)
	var got []int
	each := func(raw json.RawMessage) error {
		var m struct{ N int }
		err := json.Unmarshal(raw, &m)
		got = append(got, m.N)
		return err
	}
	for range 2 { // the second shows that the stream's watcher left the connection whole
		got = nil
		if err := c.Stream(t.Context(), "io.test.Count", map[string]int{"to": 3}, each); err != nil || text(got) != "[0,1,2,3]" {
			t.Fatalf("%v, %v", got, err)
		}
	}
	stop := NewError("io.test.Stop", "stop", nil)
	err := c.Stream(t.Context(), "io.test.Count", map[string]int{"to": 1000}, func(json.RawMessage) error { return stop })
	if err != stop {
		t.Errorf("callback's error: %v", err)
	}
	if err := c.Call(t.Context(), "io.test.Who", nil, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("after a stream cut short: %v", err)
	}
}

// TestCallerLeaves: a stream's handler is told when its caller is gone.
func TestCallerLeaves(t *testing.T) {
	s := newTestServer(t, nil)
	c := dial(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-s.waits; cancel() }()
	if err := c.Stream(ctx, "io.test.Wait", nil, func(json.RawMessage) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Stream: %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(10 * time.Second):
		t.Error("the handler was not told")
	}
}

func TestShutdown(t *testing.T) {
	s := newTestServer(t, nil)
	idle, half := raw(t, s), raw(t, s)
	if _, err := io.WriteString(half, `{"method"`); err != nil {
		t.Fatal(err)
	}
	busy := make(chan error, 1)
	c := dial(t, s)
	go func() { busy <- c.Call(context.Background(), "io.test.Wait", nil, nil) }()
	<-s.waits
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	for _, c := range []io.Reader{idle, half} {
		if got, err := io.ReadAll(c); len(got) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection between calls: %q, %v", got, err)
		}
	}
	select {
	case err := <-done:
		t.Errorf("Shutdown did not wait for the running call: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	<-s.ended
	if err := <-busy; err == nil {
		t.Error("the call that was cut off got an answer")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("second Shutdown: %v", err)
	}
}

func TestPanicIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := newTestServer(t, func(s *Server) { s.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	c := dial(t, s)
	if err := c.Call(t.Context(), "io.test.Panic", nil, nil); !IsError(err, InternalError) {
		t.Fatal(err)
	}
	if err := s.Shutdown(t.Context()); err != nil { // also orders the log before the read
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "on purpose") || !strings.Contains(log.String(), "io.test.Panic") {
		t.Errorf("log: %s", log.String())
	}
}

func TestReadFrameBuffersLittle(t *testing.T) {
	r := bufio.NewReaderSize(io.LimitReader(zeroless{}, 64<<20), readBuffer)
	if _, err := readFrame(r); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
}

// zeroless never ends a message.
type zeroless struct{}

func (zeroless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
