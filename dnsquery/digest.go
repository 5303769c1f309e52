package dnsquery

import (
	"net/netip"

	"github.com/miekg/dns"
)

// digest is all that is kept of an accepted answer; its size is bounded while
// the packet's is not.
type digest struct {
	rcode     int
	truncated bool
	path      []string     // canonical CNAME targets followed, in order
	addrs     []netip.Addr // of the last of them, or of the name asked
	ttl       uint32       // the least of what path and addrs came from
	nxdomain  bool
	soa       bool
	negTTL    uint32 // RFC 2308: how long "no such thing" holds
	referral  bool   // "ask those": of no use to a stub
	stray     bool   // has records, and none of the name asked
}

// open says that a CNAME was followed and the answer does not tell what is at
// its end.
func (d *digest) open() bool {
	return len(d.path) > 0 && len(d.addrs) == 0 && !d.soa && !d.nxdomain
}

// digestOf reads what m says about q, and nothing else that it contains.
func digestOf(m *dns.Msg, q question) *digest {
	d := &digest{rcode: m.Rcode, truncated: m.Truncated, ttl: MaxTTL, negTTL: FailureTTL}
	d.nxdomain = m.Rcode == dns.RcodeNameError
	p := newPath(q.name)
	for d.take(m.Answer, p.last(), q.qtype) == 0 {
		target, ttl, ok := cname(m.Answer, p.last())
		if !ok {
			break
		}
		d.path = append(d.path, target)
		d.ttl = min(d.ttl, ttl)
		if p.extend([]string{target}) != nil {
			break // chain finds the same fault in path
		}
	}
	d.stray = len(m.Answer) > 0 && !mentions(m.Answer, q.name)
	d.authority(m)
	return d
}

// take adds the addresses of owner and returns how many there are.
func (d *digest) take(rrs []dns.RR, owner string, qtype uint16) int {
	for _, rr := range rrs {
		h := rr.Header()
		if h.Class != dns.ClassINET || h.Rrtype != qtype || !sameName(h.Name, owner) {
			continue
		}
		if a, ok := address(rr); ok {
			d.add(a)
			d.ttl = min(d.ttl, ttlOf(h))
		}
	}
	return len(d.addrs)
}

func (d *digest) add(a netip.Addr) {
	for _, have := range d.addrs {
		if have == a {
			return
		}
	}
	if len(d.addrs) < MaxAddrs {
		d.addrs = append(d.addrs, a)
	}
}

// authority reads how long a negative answer holds, and whether it is one.
func (d *digest) authority(m *dns.Msg) {
	for _, rr := range m.Ns {
		switch rr := rr.(type) {
		case *dns.SOA:
			if rr.Hdr.Class == dns.ClassINET {
				d.soa = true
				d.negTTL = min(ttlOf(&rr.Hdr), rr.Minttl, MaxNegTTL)
			}
		case *dns.NS:
			d.referral = !m.Authoritative && !m.RecursionAvailable && len(m.Answer) == 0
		}
	}
	d.referral = d.referral && !d.soa
}

func address(rr dns.RR) (netip.Addr, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		return netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		return netip.AddrFromSlice(rr.AAAA.To16())
	}
	return netip.Addr{}, false
}

func cname(rrs []dns.RR, owner string) (target string, ttl uint32, ok bool) {
	for _, rr := range rrs {
		c, isCNAME := rr.(*dns.CNAME)
		if isCNAME && c.Hdr.Class == dns.ClassINET && sameName(c.Hdr.Name, owner) {
			return canonical(c.Target), ttlOf(&c.Hdr), true
		}
	}
	return "", 0, false
}

func mentions(rrs []dns.RR, owner string) bool {
	for _, rr := range rrs {
		if rr.Header().Class == dns.ClassINET && sameName(rr.Header().Name, owner) {
			return true
		}
	}
	return false
}

// ttlOf reads a TTL; with the top bit set it is zero (RFC 2181, section 8).
func ttlOf(h *dns.RR_Header) uint32 {
	if h.Ttl > 1<<31-1 {
		return 0
	}
	return min(h.Ttl, MaxTTL)
}

// sameName compares names without regard to ASCII case.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// canonical makes a name lower case and absolute.
func canonical(name string) string { return dns.CanonicalName(name) }
