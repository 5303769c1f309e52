package dnsquery

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

const soa = "example.test. 120 IN SOA ns. root. 1 2 3 4 60"

func wantAddrs(t *testing.T, a *Answer, f *Failure, ttl uint32, want ...string) {
	t.Helper()
	if f != nil {
		t.Fatalf("failed: %v (%v)", f, f.Errno)
	}
	var got []string
	for _, addr := range a.Addrs {
		got = append(got, addr.String())
	}
	if !slices.Equal(got, want) || a.TTL != ttl {
		t.Fatalf("got %v for %d s, want %v for %d s", got, a.TTL, want, ttl)
	}
}

func wantErrno(t *testing.T, f *Failure, want syscall.Errno, ttl uint32) {
	t.Helper()
	if f == nil {
		t.Fatalf("got an answer, want errno %v", want)
	}
	if !errors.Is(f, want) || f.TTL != ttl {
		t.Fatalf("got %v (errno %v) for %d s, want errno %v for %d s", f, f.Errno, f.TTL, want, ttl)
	}
}

// TestAnswers: what is taken out of well-formed answers.
func TestAnswers(t *testing.T) {
	const n = "host.example.test. "
	for _, tc := range []struct {
		name  string
		rcode int
		lines []string
		want  Family
		ttl   uint32
		addrs []string
		errno syscall.Errno
	}{
		{"both families", 0, []string{n + "300 A 192.0.2.1", n + "200 AAAA 2001:db8::1"}, Both, 200, []string{"192.0.2.1", "2001:db8::1"}, 0},
		{"one family asked", 0, []string{n + "300 A 192.0.2.1", n + "200 AAAA 2001:db8::1"}, IPv4, 300, []string{"192.0.2.1"}, 0},
		{"one family exists", 0, []string{n + "300 AAAA 2001:db8::1", soa}, Both, 300, []string{"2001:db8::1"}, 0},
		{"least TTL of the set", 0, []string{n + "300 A 192.0.2.1", n + "7 A 192.0.2.2"}, IPv4, 7, []string{"192.0.2.1", "192.0.2.2"}, 0},
		{"least TTL of the chain", 0, []string{n + "9 CNAME b.test.", "b.test. 300 A 192.0.2.1"}, IPv4, 9, []string{"192.0.2.1"}, 0},
		{"chain out of order", 0, []string{"c.test. 300 A 192.0.2.1", "b.test. 9 CNAME c.test.", n + "20 CNAME b.test."}, IPv4, 9, []string{"192.0.2.1"}, 0},
		{"duplicates", 0, []string{n + "9 A 192.0.2.1", n + "9 A 192.0.2.1"}, IPv4, 9, []string{"192.0.2.1"}, 0},
		{"mixed case", 0, []string{"HOST.Example.TEST. 9 A 192.0.2.1"}, IPv4, 9, []string{"192.0.2.1"}, 0},
		{"year-long TTL", 0, []string{n + "31536000 A 192.0.2.1"}, IPv4, MaxTTL, []string{"192.0.2.1"}, 0},
		{"TTL with the top bit", 0, []string{n + "2147483648 A 192.0.2.1"}, IPv4, 0, []string{"192.0.2.1"}, 0},
		{"other name beside it", 0, []string{n + "9 A 192.0.2.1", "evil.test. 9 A 192.0.2.66"}, IPv4, 9, []string{"192.0.2.1"}, 0},
		{"other names only", 0, []string{"evil.test. 9 A 192.0.2.66"}, IPv4, 5, nil, Malformed},
		{"other class", 0, []string{n + "9 CH A 192.0.2.66"}, IPv4, 5, nil, Malformed},
		{"NXDOMAIN with SOA", dns.RcodeNameError, []string{soa}, Both, 60, nil, NotFound},
		{"NXDOMAIN with a long SOA", dns.RcodeNameError, []string{"test. 9999 SOA ns. root. 1 2 3 4 9999"}, Both, MaxNegTTL, nil, NotFound},
		{"NXDOMAIN, short SOA TTL", dns.RcodeNameError, []string{"test. 3 SOA ns. root. 1 2 3 4 9999"}, Both, 3, nil, NotFound},
		{"NXDOMAIN without SOA", dns.RcodeNameError, nil, Both, FailureTTL, nil, NotFound},
		{"NXDOMAIN with addresses", dns.RcodeNameError, []string{n + "9 A 192.0.2.66"}, IPv4, FailureTTL, nil, NotFound},
		{"NXDOMAIN behind a CNAME", dns.RcodeNameError, []string{n + "9 CNAME b.test.", soa}, IPv4, 9, nil, NotFound},
		{"NODATA with SOA", 0, []string{soa}, Both, 60, nil, NoAddress},
		{"NODATA behind a CNAME", 0, []string{n + "300 CNAME b.test.", soa}, IPv4, 60, nil, NoAddress},
		{"nothing at all", 0, nil, Both, FailureTTL, nil, NoAddress},
		{"loop in the packet", 0, []string{n + "9 CNAME b.test.", "b.test. 9 CNAME " + n}, Both, FailureTTL, nil, Loop},
		{"CNAME to itself", 0, []string{n + "9 CNAME " + n}, Both, FailureTTL, nil, Loop},
		{"SERVFAIL", dns.RcodeServerFailure, nil, Both, FailureTTL, nil, ServFail},
		{"REFUSED", dns.RcodeRefused, nil, Both, FailureTTL, nil, Refused},
		{"YXDOMAIN", dns.RcodeYXDomain, nil, Both, FailureTTL, nil, OtherRcode},
		{"FORMERR, EDNS or not", dns.RcodeFormatError, nil, Both, FailureTTL, nil, OtherRcode},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := config(serve(t, answer(t, tc.rcode, tc.lines...)))
			a, f := ask(t, c, "host.example.test", tc.want)
			if tc.errno != 0 {
				wantErrno(t, f, tc.errno, tc.ttl)
				return
			}
			wantAddrs(t, a, f, tc.ttl, tc.addrs...)
		})
	}
}

// TestChainAcrossAnswers: CNAMEs whose targets must be asked for.
func TestChainAcrossAnswers(t *testing.T) {
	names := map[string]dns.HandlerFunc{
		"a.test.":    answer(t, 0, "a.test. 50 CNAME b.test."),
		"b.test.":    answer(t, 0, "b.test. 30 CNAME c.test."),
		"c.test.":    answer(t, 0, "c.test. 300 A 192.0.2.3"),
		"loop.test.": answer(t, 0, "loop.test. 50 CNAME pool.test."),
		"pool.test.": answer(t, 0, "pool.test. 50 CNAME LOOP.test."),
		"gone.test.": answer(t, 0, "gone.test. 50 CNAME nowhere.test."),
	}
	for i := range 100 {
		n := fmt.Sprintf("n%d.test.", i)
		names[n] = answer(t, 0, fmt.Sprintf("%s 50 CNAME n%d.test.", n, i+1))
	}
	names["n100.test."] = answer(t, 0, "n100.test. 9 A 192.0.2.100")
	c := config(serve(t, zone(t, names)))

	a, f := ask(t, c, "a.test.", IPv4)
	wantAddrs(t, a, f, 30, "192.0.2.3")
	a, f = ask(t, c, "n84.test.", IPv4) // 16 CNAMEs
	wantAddrs(t, a, f, 9, "192.0.2.100")
	_, f = ask(t, c, "n83.test.", IPv4) // 17
	wantErrno(t, f, Loop, FailureTTL)
	_, f = ask(t, c, "loop.test.", Both)
	wantErrno(t, f, Loop, FailureTTL)
	_, f = ask(t, c, "gone.test.", Both)
	wantErrno(t, f, NotFound, FailureTTL)
}

func TestSearch(t *testing.T) {
	names := map[string]dns.HandlerFunc{
		"h.one.test.":   answer(t, 0, "h.one.test. 9 A 192.0.2.1"),
		"h.two.test.":   answer(t, 0, "h.two.test. 9 A 192.0.2.2"),
		"a.b.one.test.": answer(t, 0, "a.b.one.test. 9 A 192.0.2.3"),
		"a.b.":          answer(t, 0, "a.b. 9 A 192.0.2.4"),
		"x.y.one.test.": answer(t, 0, "x.y.one.test. 9 A 192.0.2.5"),
		"tld.":          answer(t, 0, "tld. 9 A 192.0.2.6"),
		"s.one.test.":   answer(t, dns.RcodeServerFailure),
		"s2.one.test.":  answer(t, dns.RcodeServerFailure),
		"s2.two.test.":  answer(t, 0, "s2.two.test. 9 A 192.0.2.7"),
		"d.two.test.":   answer(t, 0, soa),
		"r.one.test.":   answer(t, dns.RcodeRefused),
		"r.two.test.":   answer(t, 0, "r.two.test. 9 A 192.0.2.8"),
	}
	addr := serve(t, zone(t, names))
	for _, tc := range []struct {
		name  string
		ndots int
		noTLD bool
		want  string
		errno syscall.Errno
	}{
		{"h", 1, false, "192.0.2.1", 0},
		{"h.two.test", 1, false, "192.0.2.2", 0},
		{"h.", 1, false, "", NotFound},
		{"a.b", 1, false, "192.0.2.4", 0},   // enough dots: as it is first
		{"a.b", 2, false, "192.0.2.3", 0},   // too few: search first
		{"x.y", 1, false, "192.0.2.5", 0},   // as it is fails, search follows
		{"tld", 1, false, "192.0.2.6", 0},   // last resort
		{"tld", 1, true, "", NotFound},      // forbidden
		{"tld", 0, true, "192.0.2.6", 0},    // ndots:0 tries it anyway
		{"s", 1, false, "", ServFail},       // not NXDOMAIN
		{"s2", 1, false, "192.0.2.7", 0},    // SERVFAIL does not end the search
		{"d", 1, false, "", NoAddress},      // exists somewhere
		{"r", 1, false, "", Refused},        // ends the search
		{"nowhere", 1, false, "", NotFound}, // nowhere
		{"h..two", 1, false, "", BadName},   // empty label
		{"", 1, false, "", BadName},         // empty
		{".", 1, false, "", BadName},        // the root has no address
		{"a\\046b", 1, false, "", BadName},  // an escape is not a host name
		{"sp ace.test", 1, false, "", BadName},
	} {
		c := config(addr)
		c.Search, c.Ndots, c.NoTLDQuery = []string{"one.test", "two.test."}, tc.ndots, tc.noTLD
		a, f := ask(t, c, tc.name, IPv4)
		switch {
		case tc.errno != 0 && (f == nil || f.Errno != tc.errno):
			t.Errorf("%q ndots:%d: got %v, %v, want errno %v", tc.name, tc.ndots, a, f, tc.errno)
		case tc.errno == 0 && (a == nil || a.Addrs[0].String() != tc.want):
			t.Errorf("%q ndots:%d: got %v, %v, want %s", tc.name, tc.ndots, a, f, tc.want)
		}
	}
}

// TestShortestHolds: of several "no", the first to end ends the whole.
func TestShortestHolds(t *testing.T) {
	addr := serve(t, zone(t, map[string]dns.HandlerFunc{
		"h.one.test.": answer(t, 0, soa), // no address, for 60 s
		"h.two.test.": answer(t, dns.RcodeNameError, "two.test. 7 SOA ns. root. 1 2 3 4 7"),
		"h.":          answer(t, dns.RcodeNameError, ". 90 SOA ns. root. 1 2 3 4 90"),
	}))
	c := config(addr)
	c.Search = []string{"one.test", "two.test"}
	_, f := ask(t, c, "h", IPv4)
	wantErrno(t, f, NoAddress, 7)
}

// TestErrnos holds that no two outcomes share an errno.
func TestErrnos(t *testing.T) {
	have := map[syscall.Errno]bool{}
	for _, e := range ranks {
		if have[e] {
			t.Errorf("errno %v means two things", e)
		}
		have[e] = true
	}
	if !have[NotFound] || len(have) != 10 || !errors.Is(failed(Loop, "", ""), syscall.ELOOP) {
		t.Errorf("ranks = %v", ranks)
	}
	if errors.Is(failed(Loop, "", ""), io.EOF) {
		t.Error("a failure wraps its errno only")
	}
}
