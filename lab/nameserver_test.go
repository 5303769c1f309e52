package lab

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var testAddr = netip.MustParseAddr("127.0.0.154")

// query asks the lab's server on the host. A nil message is no answer.
func query(t *testing.T, transport, name string, qtype uint16) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: transport, Timeout: 200 * time.Millisecond, UDPSize: 4096}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, qtype), netip.AddrPortFrom(testAddr, 53).String())
	if err != nil {
		t.Logf("%s %s: %v", transport, name, err)
		return nil
	}
	return m
}

// shape is what of an answer a test compares: "-" is no valid answer.
func shape(m *dns.Msg) string {
	if m == nil {
		return "-"
	}
	text := dns.RcodeToString[m.Rcode]
	if m.Truncated {
		text += " TC"
	}
	for i, rr := range m.Answer {
		if i == 2 {
			text += " ..."
			break
		}
		switch rr := rr.(type) {
		case *dns.A:
			text += " " + rr.A.String()
		case *dns.CNAME:
			text += " ->" + rr.Target
		}
	}
	if len(m.Ns) == 1 {
		text += " SOA"
	}
	return text
}

func TestBehaviours(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	plain := Zone("foo.bar. 60 IN A 192.0.2.1", "*.w.bar. 60 IN A 192.0.2.2", "c.bar. 60 IN CNAME foo.bar.", "txt.bar. 60 IN TXT x")
	s, err := l.HostNameServer(plain, testAddr)
	if err != nil {
		t.Fatal(err)
	}
	const rec = "foo.bar. 60 IN A 192.0.2.1"
	for _, tc := range []struct {
		name     string
		b        Behaviour
		asks     string
		udp, tcp string
	}{
		{"zone", plain, "foo.bar.", "NOERROR 192.0.2.1", "NOERROR 192.0.2.1"},
		{"zone, other case", plain, "FOO.bar.", "NOERROR 192.0.2.1", "NOERROR 192.0.2.1"},
		{"zone, below", plain, "x.y.w.bar.", "NOERROR 192.0.2.2", "NOERROR 192.0.2.2"},
		{"zone, alias", plain, "c.bar.", "NOERROR ->foo.bar. 192.0.2.1", "NOERROR ->foo.bar. 192.0.2.1"},
		{"zone, no such name", plain, "no.bar.", "NXDOMAIN SOA", "NXDOMAIN SOA"},
		{"zone, no such type", plain, "txt.bar.", "NOERROR SOA", "NOERROR SOA"},
		{"dead", Dead, "foo.bar.", "-", "-"},
		{"slow", Slow(time.Hour, plain), "foo.bar.", "-", "-"},
		{"servfail", Servfail, "foo.bar.", "SERVFAIL", "SERVFAIL"},
		{"refused", Refused, "foo.bar.", "REFUSED", "REFUSED"},
		{"nxdomain", NXDomain(5), "foo.bar.", "NXDOMAIN SOA", "NXDOMAIN SOA"},
		{"lying id", LyingID(rec), "foo.bar.", "-", "-"},
		{"truncating", Truncating(plain), "foo.bar.", "NOERROR TC", "NOERROR 192.0.2.1"},
		{"always truncating", AlwaysTruncating, "foo.bar.", "NOERROR TC", "NOERROR TC"},
		{"loop", CNAMELoop, "foo.bar.", "NOERROR ->loop.foo.bar. ->foo.bar.", "NOERROR ->loop.foo.bar. ->foo.bar."},
		{"loop, other end", CNAMELoop, "loop.foo.bar.", "NOERROR ->foo.bar. ->loop.foo.bar.", "NOERROR ->foo.bar. ->loop.foo.bar."},
		{"endless", EndlessCNAME, "n4.endless.", "NOERROR ->n5.endless.", "NOERROR ->n5.endless."},
		{"huge", Huge(rec), "foo.bar.", "NOERROR TC", "NOERROR 192.0.2.1 192.0.2.1 ..."},
		{"garbage", Garbage, "foo.bar.", "-", "-"},
	} {
		s.Set(tc.b)
		for transport, want := range map[string]string{"udp": tc.udp, "tcp": tc.tcp} {
			if got := shape(query(t, transport, tc.asks, dns.TypeA)); got != want {
				t.Errorf("%s by %s: %s, want %s", tc.name, transport, got, want)
			}
		}
	}
}

// A lie about the question is well-formed, with the asker's own id.
func TestLyingQuestion(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	if _, err := l.HostNameServer(LyingQuestion("x. 60 IN A 192.0.2.1"), testAddr); err != nil {
		t.Fatal(err)
	}
	q := new(dns.Msg).SetQuestion("foo.bar.", dns.TypeA)
	m := exchangeRaw(t, q)
	if m.Id != q.Id || m.Question[0].Name != "lie.foo.bar." || shape(m) != "NOERROR 192.0.2.1" {
		t.Errorf("got %v", m)
	}
}

// exchangeRaw takes any first message that comes back.
func exchangeRaw(t *testing.T, q *dns.Msg) *dns.Msg {
	t.Helper()
	conn, err := net.Dial("udp", netip.AddrPortFrom(testAddr, 53).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	c := dns.Conn{Conn: conn}
	if err := c.WriteMsg(q); err != nil {
		t.Fatal(err)
	}
	m, err := c.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHugeIsClose(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	if _, err := l.HostNameServer(Huge("x. 60 IN A 192.0.2.1"), testAddr); err != nil {
		t.Fatal(err)
	}
	m := query(t, "tcp", "foo.bar.", dns.TypeA)
	if m == nil {
		t.Fatal("no answer")
	}
	m.Compress = true
	if n := m.Len(); n < 60<<10 || n > dns.MaxMsgSize {
		t.Errorf("%d bytes, want nearly 64 kB", n)
	}
}

// Two servers of one address in two namespaces are two servers, and counters
// tell who was asked.
func TestNameServersOfOneAddress(t *testing.T) {
	needRoot(t)
	l := newLab(t)
	var ports [2]*Port
	var servers [2]*NameServer
	for i, address := range []string{"192.0.2.1", "192.0.2.2"} {
		var err error
		if ports[i], err = l.Port(string(rune('a'+i)), Dual); err != nil {
			t.Fatal(err)
		}
		if servers[i], err = ports[i].NameServer(Zone("foo.bar. 60 IN A " + address)); err != nil {
			t.Fatal(err)
		}
	}
	err := ports[1].Container.Do(func() error {
		for _, a := range ports[1].ServerAddrs() {
			m, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("foo.bar.", dns.TypeA), netip.AddrPortFrom(a, 53).String())
			if err != nil || shape(m) != "NOERROR 192.0.2.2" {
				t.Errorf("%s: %s, %v", a, shape(m), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := servers[0].Total(), servers[1].Count("foo.bar"); a != 0 || b != 2 {
		t.Errorf("the servers saw %d and %d questions, want 0 and 2", a, b)
	}
}
