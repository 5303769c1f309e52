package lab

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Zone answers from records in master file form, "foo.bar. 60 IN A 192.0.2.1".
// An owner "*.bar." stands for every name below bar. that has no records of
// its own. A CNAME is followed inside the zone. Any other name is NXDOMAIN with
// an SOA record, a name without the type an empty answer with one.
// It panics on a record that does not parse: the caller wrote it.
func Zone(records ...string) Behaviour {
	z := make(zone)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil || rr == nil {
			panic(fmt.Sprintf("lab: zone record %q: %v", text, err))
		}
		owner := strings.ToLower(rr.Header().Name)
		z[owner] = append(z[owner], rr)
	}
	return z.answer
}

type zone map[string][]dns.RR

func (z zone) answer(w Reply, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name, found := q.Question[0].Name, false
	for range 8 { // longer chains are a behaviour of their own
		rrs, exists := z.lookup(name)
		found = found || exists
		target := ""
		for _, rr := range rrs {
			target = take(m, rr, name, q.Question[0].Qtype, target)
		}
		if target == "" {
			break
		}
		name = target
	}
	if !found {
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		m.Ns = []dns.RR{soa(60)}
	}
	w.Send(m)
}

// take adds a record that answers the question, and returns a CNAME's target.
func take(m *dns.Msg, rr dns.RR, name string, qtype uint16, target string) string {
	cname, alias := rr.(*dns.CNAME)
	if rr.Header().Rrtype != qtype && !alias {
		return target
	}
	rr = dns.Copy(rr)
	rr.Header().Name = name
	m.Answer = append(m.Answer, rr)
	if alias && qtype != dns.TypeCNAME {
		return cname.Target
	}
	return target
}

func (z zone) lookup(name string) ([]dns.RR, bool) {
	name = strings.ToLower(name)
	if rrs, ok := z[name]; ok {
		return rrs, true
	}
	for off, end := dns.NextLabel(name, 0); !end; off, end = dns.NextLabel(name, off) {
		if rrs, ok := z["*."+name[off:]]; ok {
			return rrs, true
		}
	}
	return nil, false
}

// soa is the record that a negative answer's lifetime comes from (RFC 2308).
func soa(minimum uint32) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: minimum},
		Ns:  "ns.lab.", Mbox: "root.lab.", Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: minimum,
	}
}
