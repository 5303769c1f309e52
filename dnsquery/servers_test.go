package dnsquery

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestTruncatedAndHuge(t *testing.T) {
	var overTCP atomic.Int32
	full := make([]dns.RR, 0, 4000)
	for i := range 4000 { // compressed, 16 bytes each: close to 64 kB
		full = append(full, &dns.A{
			Hdr: dns.RR_Header{Name: "big.test.", Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 77},
			A:   net.IPv4(10, 0, byte(i>>8), byte(i)),
		})
	}
	handle := func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			m.Truncated = true
			m.Answer = rr(t, "big.test. 1 A 192.0.2.66") // half an answer is no answer
		} else {
			overTCP.Add(1)
			m.Compress, m.Answer = true, full
		}
		_ = w.WriteMsg(m)
	}
	addr := serve(t, handle)
	a, f := ask(t, config(addr), "big.test", IPv4)
	if f != nil || len(a.Addrs) != MaxAddrs || a.TTL != 77 || a.Addrs[0] != netip.MustParseAddr("10.0.0.0") {
		t.Fatalf("got %v, %v: want %d addresses by TCP", a, f, MaxAddrs)
	}
	c := config(addr)
	c.UseTCP = true
	if _, f = ask(t, c, "big.test", IPv4); f != nil || overTCP.Load() != 2 {
		t.Fatalf("use-vc: %v, %d questions by TCP", f, overTCP.Load())
	}
}

func TestEDNS(t *testing.T) {
	for _, rcode := range []int{dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeBadVers} {
		var with, without atomic.Int32
		addr := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if opt := q.IsEdns0(); opt != nil {
				if with.Add(1); opt.UDPSize() != udpSize {
					t.Errorf("EDNS size %d", opt.UDPSize())
				}
				m.SetEdns0(512, false)
				m.Rcode = rcode
			} else {
				without.Add(1)
				m.Answer = rr(t, "h.test. 9 A 192.0.2.1")
			}
			_ = w.WriteMsg(m)
		})
		a, f := ask(t, config(addr), "h.test", IPv4)
		wantAddrs(t, a, f, 9, "192.0.2.1")
		if with.Load() != 1 || without.Load() != 1 {
			t.Errorf("rcode %d: %d with EDNS, %d without", rcode, with.Load(), without.Load())
		}
	}
}

func TestServers(t *testing.T) {
	good := serve(t, answer(t, 0, "h.test. 9 A 192.0.2.1", "h.test. 9 AAAA 2001:db8::1"))
	dead := listen(t).addr // bound, so no ICMP error, and never read
	servfail := serve(t, answer(t, dns.RcodeServerFailure))
	refused := serve(t, answer(t, dns.RcodeRefused))
	closed := closedPort(t)
	for _, tc := range []struct {
		name    string
		servers []netip.AddrPort
		errno   syscall.Errno
	}{
		{"dead first", []netip.AddrPort{dead, good}, 0},
		{"two dead first", []netip.AddrPort{dead, dead, good}, 0},
		{"nobody listens on the first", []netip.AddrPort{closed, good}, 0},
		{"SERVFAIL first", []netip.AddrPort{servfail, good}, 0},
		{"all dead", []netip.AddrPort{dead, dead}, TimedOut},
		{"nobody listens", []netip.AddrPort{closed, closed}, Unreachable},
		{"none", nil, Unreachable},
		{"silence and SERVFAIL", []netip.AddrPort{dead, servfail}, ServFail},
		{"REFUSED and SERVFAIL", []netip.AddrPort{refused, servfail}, ServFail},
		{"REFUSED and silence", []netip.AddrPort{refused, dead}, Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := config(tc.servers...)
			c.Timeout = 5 * time.Second // more than ask's deadline: it must be scaled down
			a, f := ask(t, c, "h.test", Both)
			if tc.errno != 0 {
				wantErrno(t, f, tc.errno, FailureTTL)
				return
			}
			wantAddrs(t, a, f, 9, "192.0.2.1", "2001:db8::1")
			for _, rotate := range []bool{true, false} {
				c.Rotate, c.SingleRequest = rotate, true
				a, f = ask(t, c, "h.test", Both)
				wantAddrs(t, a, f, 9, "192.0.2.1", "2001:db8::1")
			}
		})
	}
}

func closedPort(t *testing.T) netip.AddrPort {
	s := listen(t)
	s.udp.Close()
	s.tcp.Close()
	return s.addr
}

// TestSlowFamily: AAAA questions are dropped, A ones are answered.
func TestSlowFamily(t *testing.T) {
	addr := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeA {
			answer(t, 0, "h.test. 300 A 192.0.2.1")(w, q)
		}
	})
	for _, single := range []bool{false, true} {
		c := config(addr)
		c.SingleRequest = single
		a, f := ask(t, c, "h.test", Both)
		wantAddrs(t, a, f, FailureTTL, "192.0.2.1")
		if a.Missing == nil || a.Missing.Errno != TimedOut {
			t.Errorf("Missing = %v, want a timeout", a.Missing)
		}
	}
}

// TestStraggler: a long timeout does not keep back the family that answered.
func TestStraggler(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Qtype == dns.TypeAAAA {
			answer(t, 0, "h.test. 300 AAAA 2001:db8::1")(w, q)
		}
	})
	c := config(addr)
	c.Timeout = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	begin := time.Now()
	a, f := Lookup(ctx, c, "h.test.", Both)
	wantAddrs(t, a, f, FailureTTL, "2001:db8::1")
	if took := time.Since(begin); took > straggler+time.Second {
		t.Errorf("took %v", took)
	}
}

// TestNoLeak: lookups of every kind leave neither goroutines nor descriptors.
func TestNoLeak(t *testing.T) {
	good := serve(t, answer(t, 0, "h.test. 9 A 192.0.2.1"))
	dead, garbage := listen(t).addr, serveRaw(t, func(q []byte) [][]byte { return [][]byte{q} })
	use := func() {
		for _, addr := range []netip.AddrPort{good, dead, garbage, closedPort(t)} {
			for _, tcp := range []bool{false, true} {
				c := config(addr)
				c.Timeout, c.UseTCP = 20*time.Millisecond, tcp
				ask(t, c, "h.test", Both)
			}
		}
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if _, f := Lookup(cancelled, config(good), "h.test", Both); f == nil || f.Errno != TimedOut {
			t.Errorf("with a context that is over: %v", f)
		}
	}
	use() // what is made once, such as the poller
	goroutines, fds := runtime.NumGoroutine(), openFDs(t)
	for range 5 {
		use()
	}
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > goroutines || openFDs(t) > fds {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d descriptors; before %d, %d", runtime.NumGoroutine(), openFDs(t), goroutines, fds)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func openFDs(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestRetry: a lost packet is sent again, from another port with another id.
func TestRetry(t *testing.T) {
	type sent struct {
		id   uint16
		port string
	}
	var mu sync.Mutex
	var seen []sent // guarded by mu
	addr := serve(t, func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, sent{q.Id, w.RemoteAddr().String()})
		if len(seen) > 1 {
			answer(t, 0, "h.test. 9 A 192.0.2.1")(w, q)
		}
	})
	a, f := ask(t, config(addr), "h.test", IPv4)
	wantAddrs(t, a, f, 9, "192.0.2.1")
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 || seen[0].port == seen[1].port {
		t.Errorf("questions sent: %v", seen)
	}
}

// TestSilentGoesLast: a dead server costs its timeout once, not once for each
// domain of the search list.
func TestSilentGoesLast(t *testing.T) {
	var asked atomic.Int32
	dead := serveRaw(t, func([]byte) [][]byte { asked.Add(1); return nil })
	c := config(dead, serve(t, zone(t, nil)))
	c.Search = []string{"a.test", "b.test", "c.test", "d.test"}
	_, f := ask(t, c, "h", IPv4)
	wantErrno(t, f, NotFound, FailureTTL)
	if n := asked.Load(); n != 1 {
		t.Errorf("the dead server was asked %d times", n)
	}
}
