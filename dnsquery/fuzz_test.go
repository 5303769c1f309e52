package dnsquery

import (
	"testing"

	"github.com/miekg/dns"
)

// FuzzParse: whatever arrives, nothing panics, and every address believed is
// in the answer section under the name asked or a CNAME that leads from it.
func FuzzParse(f *testing.F) {
	q := question{"h.test.", dns.TypeA}
	for _, lines := range [][]string{
		{"h.test. 9 A 192.0.2.1"},
		{"h.test. 9 CNAME b.test.", "b.test. 9 A 192.0.2.1"},
		{"h.test. 9 CNAME b.test.", "b.test. 9 CNAME h.test."},
		{"evil.test. 9 A 192.0.2.66"},
	} {
		m := new(dns.Msg)
		m.SetQuestion(q.name, q.qtype)
		m.Id, m.Response, m.Compress = 1, true, true
		m.Answer, m.Ns = rr(f, lines...), rr(f, soa)
		p, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		d, err := q.parse(packet, 1)
		if err != nil || len(d.addrs) == 0 {
			return
		}
		m := new(dns.Msg)
		if err := m.Unpack(packet); err != nil {
			t.Fatalf("addresses %v out of a packet that does not unpack: %v", d.addrs, err)
		}
		if len(d.path) > MaxChain || len(d.addrs) > MaxAddrs || d.ttl > MaxTTL {
			t.Fatalf("over the limits: %+v", d)
		}
		owner := linked(t, m.Answer, q.name, d.path)
		for _, a := range d.addrs {
			if !contains(m.Answer, owner, a.String()) {
				t.Fatalf("%v is not an address of %q in %v", a, owner, m.Answer)
			}
		}
	})
}

// linked checks that CNAMEs of the section lead along path, and returns its end.
func linked(t *testing.T, rrs []dns.RR, owner string, path []string) string {
	owner = dns.CanonicalName(owner)
next:
	for _, target := range path {
		for _, r := range rrs {
			c, ok := r.(*dns.CNAME)
			if ok && c.Hdr.Class == dns.ClassINET && dns.CanonicalName(c.Hdr.Name) == owner && dns.CanonicalName(c.Target) == target {
				owner = target
				continue next
			}
		}
		t.Fatalf("no CNAME from %q to %q in %v", owner, target, rrs)
	}
	return owner
}

func contains(rrs []dns.RR, owner, addr string) bool {
	for _, r := range rrs {
		a, ok := r.(*dns.A)
		if ok && a.Hdr.Class == dns.ClassINET && dns.CanonicalName(a.Hdr.Name) == owner && a.A.String() == addr {
			return true
		}
	}
	return false
}
