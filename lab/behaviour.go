package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Behaviour answers one question, or does not. It must end soon after
// Reply.Stopped is closed and may be called concurrently.
type Behaviour func(w Reply, q *dns.Msg)

// Reply sends answers to one question.
type Reply struct {
	w       dns.ResponseWriter
	stopped <-chan struct{}
}

// Send sends a message, cut to what the asker can take on UDP.
func (r Reply) Send(m *dns.Msg) {
	_ = r.w.WriteMsg(m) // an asker that left is a case, not a failure
}

// Raw sends bytes as they are, on TCP after their length.
func (r Reply) Raw(b []byte) { _, _ = r.w.Write(b) }

// TCP says whether the question came by TCP.
func (r Reply) TCP() bool { return r.w.RemoteAddr().Network() == "tcp" }

// Stopped is closed when the server stops.
func (r Reply) Stopped() <-chan struct{} { return r.stopped }

// Dead drops every question.
func Dead(Reply, *dns.Msg) {}

// Slow answers as b does, d later.
func Slow(d time.Duration, b Behaviour) Behaviour {
	return func(w Reply, q *dns.Msg) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			b(w, q)
		case <-w.Stopped():
		}
	}
}

// Rcode answers every question with a response code alone.
func Rcode(code int) Behaviour {
	return func(w Reply, q *dns.Msg) { w.Send(new(dns.Msg).SetRcode(q, code)) }
}

// The answers that say no.
var (
	Servfail = Rcode(dns.RcodeServerFailure)
	Refused  = Rcode(dns.RcodeRefused)
)

// NXDomain says that no name exists, with an SOA record of the given minimum
// in seconds.
func NXDomain(minimum uint32) Behaviour {
	return func(w Reply, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		m.Ns = []dns.RR{soa(minimum)}
		w.Send(m)
	}
}

// LyingID answers with record under another message id.
func LyingID(record string) Behaviour {
	return func(w Reply, q *dns.Msg) {
		m := forged(q, record)
		m.Id ^= 0x5555
		w.Send(m)
	}
}

// LyingQuestion answers another question, with record for the asked name.
func LyingQuestion(record string) Behaviour {
	return func(w Reply, q *dns.Msg) {
		m := forged(q, record)
		m.Question = []dns.Question{{Name: "lie." + q.Question[0].Name, Qtype: q.Question[0].Qtype, Qclass: dns.ClassINET}}
		w.Send(m)
	}
}

// forged is an answer to q with the record under the asked name.
func forged(q *dns.Msg, record string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	rr, err := dns.NewRR(record)
	if err != nil {
		panic(fmt.Sprintf("lab: record %q: %v", record, err))
	}
	rr.Header().Name = q.Question[0].Name
	m.Answer = []dns.RR{rr}
	return m
}

// Truncating says "truncated" on UDP and answers as b does on TCP.
func Truncating(b Behaviour) Behaviour {
	return func(w Reply, q *dns.Msg) {
		if w.TCP() {
			b(w, q)
			return
		}
		AlwaysTruncating(w, q)
	}
}

// AlwaysTruncating says "truncated" on UDP and TCP.
func AlwaysTruncating(w Reply, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Truncated = true
	w.Send(m)
}

// CNAMELoop says that a name is an alias of another, which is one of the first.
func CNAMELoop(w Reply, q *dns.Msg) {
	asked := q.Question[0].Name
	other := "loop." + asked
	if rest, ok := strings.CutPrefix(asked, "loop."); ok {
		other = rest
	}
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{alias(asked, other), alias(other, asked)}
	w.Send(m)
}

// EndlessCNAME answers every name with an alias to a new one.
func EndlessCNAME(w Reply, q *dns.Msg) {
	asked := q.Question[0].Name
	var n int
	_, _ = fmt.Sscanf(asked, "n%d.", &n)
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{alias(asked, fmt.Sprintf("n%d.endless.", n+1))}
	w.Send(m)
}

func alias(from, to string) dns.RR {
	return &dns.CNAME{Hdr: dns.RR_Header{Name: from, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}, Target: to}
}

// Huge answers on TCP with close to 64 kB of address records, and on UDP
// that the answer is truncated. The first record is record.
func Huge(record string) Behaviour {
	return Truncating(func(w Reply, q *dns.Msg) {
		m := forged(q, record)
		for i := 0; i < 4000; i++ {
			rr := dns.Copy(m.Answer[0])
			m.Answer = append(m.Answer, rr)
		}
		m.Compress = true
		w.Send(m)
	})
}

// Garbage answers with the question's id and then noise.
func Garbage(w Reply, q *dns.Msg) {
	noise := []byte{byte(q.Id >> 8), byte(q.Id), 0x84, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for i := range 200 {
		noise = append(noise, byte(i*7)|0xc0)
	}
	w.Raw(noise)
}

// OnlyFor answers as b does for names that match, as otherwise does for others.
func OnlyFor(match func(name string) bool, b, otherwise Behaviour) Behaviour {
	return func(w Reply, q *dns.Msg) {
		if match(strings.ToLower(q.Question[0].Name)) {
			b(w, q)
			return
		}
		otherwise(w, q)
	}
}

// Forward asks another server, so that the rest of the host keeps its names
// while a lab server stands in for its resolver.
func Forward(server string) Behaviour {
	return func(w Reply, q *dns.Msg) {
		c := dns.Client{Net: "udp", Timeout: 4 * time.Second}
		if w.TCP() {
			c.Net = "tcp"
		}
		m, _, err := c.Exchange(q, server)
		if err != nil {
			m = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		w.Send(m)
	}
}
