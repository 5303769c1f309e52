package dnsquery

import (
	"slices"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

func TestBrokenTCP(t *testing.T) {
	for _, tc := range []struct {
		name  string
		bytes []byte // sent after the question, then closed
		errno syscall.Errno
	}{
		{"closed", nil, Malformed},
		{"cut off", []byte{0xff, 0xff, 1, 2, 3}, Malformed},
		{"empty frames", make([]byte, 40), Malformed},
		{"noise", append([]byte{0, 64}, make([]byte, 64)...), Malformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := listen(t)
			go func() {
				for {
					c, err := s.tcp.Accept()
					if err != nil {
						return
					}
					_, _ = readFrame(c)
					_, _ = c.Write(tc.bytes)
					c.Close()
				}
			}()
			c := config(s.addr)
			c.UseTCP = true
			_, f := ask(t, c, "h.test", IPv4)
			wantErrno(t, f, tc.errno, FailureTTL)
		})
	}
}

// TestBareFormErr: an old server's FORMERR is a header and nothing else.
func TestBareFormErr(t *testing.T) {
	addr := serveRaw(t, func(q []byte) [][]byte {
		m := new(dns.Msg)
		if m.Unpack(q) != nil {
			return nil
		}
		if m.IsEdns0() != nil {
			return [][]byte{{q[0], q[1], 0x80, dns.RcodeFormatError, 0, 0, 0, 0, 0, 0, 0, 0}}
		}
		r := new(dns.Msg).SetReply(m)
		r.Answer = rr(t, "h.test. 9 A 192.0.2.1")
		p, _ := r.Pack()
		return [][]byte{p}
	})
	a, f := ask(t, config(addr), "h.test", IPv4)
	wantAddrs(t, a, f, 9, "192.0.2.1")
}

// lie makes a well-formed answer with a wrong address, then spoils it.
func lie(t testing.TB, q []byte, spoil func(*dns.Msg)) []byte {
	m := new(dns.Msg)
	if err := m.Unpack(q); err != nil {
		t.Error(err)
		return nil
	}
	r := new(dns.Msg).SetReply(m)
	a := rr(t, m.Question[0].Name+" 9 A 192.0.2.66")
	r.Answer = a
	if spoil != nil {
		spoil(r)
	}
	p, err := r.Pack()
	if err != nil {
		t.Error(err)
	}
	return p
}

// TestLiars: what does not answer the question is ignored, and the truth that
// comes after it wins.
func TestLiars(t *testing.T) {
	for name, spoil := range map[string]func(*dns.Msg){
		"id":       func(m *dns.Msg) { m.Id++ },
		"name":     func(m *dns.Msg) { m.Question[0].Name = "evil.test."; m.Answer[0].Header().Name = "evil.test." },
		"type":     func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAAAA },
		"class":    func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"query":    func(m *dns.Msg) { m.Response = false },
		"opcode":   func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate },
		"no quest": func(m *dns.Msg) { m.Question = nil },
		"two":      func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			honest := true
			addr := serveRaw(t, func(q []byte) [][]byte {
				ps := [][]byte{lie(t, q, spoil)}
				if honest {
					ps = append(ps, lie(t, q, func(m *dns.Msg) { m.Answer = rr(t, "h.test. 9 A 192.0.2.1") }))
				}
				return ps
			})
			a, f := ask(t, config(addr), "h.test", IPv4)
			wantAddrs(t, a, f, 9, "192.0.2.1")
			addr = serveRaw(t, func(q []byte) [][]byte { return [][]byte{lie(t, q, spoil)} })
			_, f = ask(t, config(addr), "h.test", IPv4)
			wantErrno(t, f, Malformed, FailureTTL)
		})
	}
}

func TestGarbage(t *testing.T) {
	for name, reply := range map[string]func(q []byte) []byte{
		"empty":      func(q []byte) []byte { return nil },
		"noise":      func(q []byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") },
		"cut record": func(q []byte) []byte { p := lie(t, q, nil); return p[:len(p)-3] },
		"pointer loop": func(q []byte) []byte {
			return append(append(slices.Clone(q[:2]), 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0), 0xc0, 12)
		},
		"question back": func(q []byte) []byte { return slices.Clone(q) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serveRaw(t, func(q []byte) [][]byte { return [][]byte{reply(q)} })
			_, f := ask(t, config(addr), "h.test", IPv4)
			wantErrno(t, f, Malformed, FailureTTL)
		})
	}
}
