package dnsquery

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// server is a name server on loopback, UDP and TCP on one port.
type server struct {
	addr netip.AddrPort
	udp  net.PacketConn
	tcp  net.Listener
}

// listen opens the two sockets; nobody answers on them yet.
func listen(t testing.TB) *server {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err != nil {
			tcp.Close() // somebody has the UDP port
			continue
		}
		t.Cleanup(func() { tcp.Close(); udp.Close() })
		return &server{netip.MustParseAddrPort(tcp.Addr().String()), udp, tcp}
	}
	t.Fatal("no port free for both UDP and TCP")
	return nil
}

// serve starts a name server with miekg/dns.
func serve(t testing.TB, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	s := listen(t)
	for _, d := range []*dns.Server{{PacketConn: s.udp, Handler: handle}, {Listener: s.tcp, Handler: handle}} {
		up := make(chan struct{})
		d.NotifyStartedFunc = func() { close(up) }
		go func() { _ = d.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = d.Shutdown() })
	}
	return s.addr
}

// serveRaw answers each UDP query with the packets that reply makes of it.
func serveRaw(t testing.TB, reply func(q []byte) [][]byte) netip.AddrPort {
	t.Helper()
	s := listen(t)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := s.udp.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, p := range reply(buf[:n]) {
				_, _ = s.udp.WriteTo(p, from)
			}
		}
	}()
	return s.addr
}

// rr reads records in zone file form.
func rr(t testing.TB, lines ...string) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	for _, l := range lines {
		r, err := dns.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, r)
	}
	return rrs
}

// answer is a handler that gives the records for the type asked, and adds the
// SOA lines to the authority section.
func answer(t testing.TB, rcode int, lines ...string) dns.HandlerFunc {
	all := rr(t, lines...)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, rcode)
		m.RecursionAvailable = true
		for _, r := range all {
			switch r.Header().Rrtype {
			case dns.TypeSOA:
				m.Ns = append(m.Ns, r)
			case q.Question[0].Qtype, dns.TypeCNAME:
				m.Answer = append(m.Answer, r)
			}
		}
		_ = w.WriteMsg(m)
	}
}

// zone is a handler with one answer per name; others do not exist.
func zone(t testing.TB, names map[string]dns.HandlerFunc) dns.HandlerFunc {
	none := answer(t, dns.RcodeNameError)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		if h, ok := names[dns.CanonicalName(q.Question[0].Name)]; ok {
			h(w, q)
			return
		}
		none(w, q)
	}
}

func config(servers ...netip.AddrPort) *Config {
	return &Config{Servers: servers, Ndots: 1, Timeout: 300 * time.Millisecond, Attempts: 2}
}

func ask(t testing.TB, c *Config, name string, want Family) (*Answer, *Failure) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	start := time.Now()
	a, f := Lookup(ctx, c, name, want)
	if d := time.Since(start); d > 4*time.Second { // a second for a busy machine
		t.Errorf("Lookup took %v, over its deadline", d)
	}
	if (a == nil) == (f == nil) {
		t.Fatalf("Lookup(%q) = %v, %v: want one of them", name, a, f)
	}
	return a, f
}
