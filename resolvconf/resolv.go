package resolvconf

import (
	"bytes"
	"net/netip"
	"strings"
	"time"
)

// Limits on resolv.conf. Those of the first group are glibc's (resolv/resolv.h,
// resolv/bits/types/res_state.h); glibc has none on the search list, and these
// are what Kubernetes allows a pod (DNSConfig).
const (
	MaxServers  = 3                // MAXNS
	MaxNDots    = 15               // RES_MAXNDOTS
	MaxTimeout  = 30 * time.Second // RES_MAXRETRANS
	MaxAttempts = 5                // RES_MAXRETRY

	MaxSearch      = 32
	MaxSearchBytes = 2048 // names and one separator each

	MaxResolvSize = 64 << 10
)

// Resolv is the meaning of a resolv.conf.
type Resolv struct {
	// Servers has 1 to MaxServers addresses, asked at port 53. An IPv6 address
	// may have a zone, which is an interface's name or number in the container.
	Servers []netip.Addr
	// Search has the domains to try, lower case, without a final dot; the root
	// is ".". Empty if the file has none: glibc then takes the domain part of
	// the host name, which only the caller can know.
	Search   []string
	NDots    int           // dots that make a name be tried as it is first
	Attempts int           // rounds over all servers, at least 1
	Timeout  time.Duration // for one answer, at least one second

	Rotate              bool // begin with another server each time
	UseTCP              bool // use-vc: never UDP
	EDNS0               bool
	SingleRequest       bool // A and AAAA one after the other
	SingleRequestReopen bool // and from a new socket
	NoAAAA              bool
	NoTLDQuery          bool // never try a name without a dot as it is
	TrustAD             bool // the answer's AD bit may be believed
	NoReload            bool // do not look at a changed file
}

// DefaultResolv is what an empty or missing resolv.conf means to glibc.
func DefaultResolv() Resolv {
	return Resolv{
		Servers:  []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})},
		NDots:    1,
		Attempts: 2,
		Timeout:  5 * time.Second,
	}
}

// ParseResolv reads a resolv.conf as glibc's res_init.c does. Two differences:
// a carriage return at a line's end is dropped (musl does so too), and a line
// with a NUL byte is ignored whole. Data beyond MaxResolvSize is ignored.
func ParseResolv(data []byte) (Resolv, []Note) {
	r, notes, _ := parseResolv(data)
	return r, notes
}

// parseResolv also says whether the name server is the default, since the file
// names none.
func parseResolv(data []byte) (r Resolv, notes []Note, implied bool) {
	p := resolvParser{out: DefaultResolv()}
	p.out.Servers = nil
	for n, line := range lines(&p.notes, data, MaxResolvSize) {
		p.line(n, line)
	}
	if implied = len(p.out.Servers) == 0; implied {
		p.out.Servers = DefaultResolv().Servers
	}
	return p.out, p.notes, implied
}

type resolvParser struct {
	out   Resolv
	notes notes
}

func (p *resolvParser) line(n int, line string) {
	if line == "" || line[0] == '#' || line[0] == ';' {
		return
	}
	fields := strings.FieldsFunc(line, isBlank)
	if len(fields) == 0 {
		return
	}
	word, args := fields[0], fields[1:]
	switch {
	case isBlank(rune(line[0])):
		p.notes.add(n, "ignored, since it begins with a blank")
	case len(args) == 0:
		p.notes.add(n, "ignored, since nothing follows %s", quote(word))
	case word == "nameserver":
		p.server(n, args[0])
	case word == "domain":
		p.search(n, args[:1])
	case word == "search":
		p.search(n, args)
	case word == "options":
		for _, o := range args {
			p.option(n, o)
		}
	default: // sortlist too: answers are ordered by RFC 6724
		p.notes.add(n, "ignored %s", quote(word))
	}
}

func (p *resolvParser) server(n int, text string) {
	if len(p.out.Servers) == MaxServers {
		p.notes.add(n, "ignored the name server %s: there are %d already", quote(text), MaxServers)
		return
	}
	addr, ok := parseAton(text)
	if !ok {
		addr, ok = parseAddr(text)
	}
	if !ok {
		p.notes.add(n, "ignored the name server %s: not an address", quote(text))
		return
	}
	p.out.Servers = append(p.out.Servers, addr)
}

// search replaces the list: the last domain or search line wins.
func (p *resolvParser) search(n int, names []string) {
	p.out.Search = nil
	left := MaxSearchBytes
	for _, name := range names {
		clean, ok := cleanName(name)
		switch {
		case !ok:
			p.notes.add(n, "ignored the search domain %s: not a domain name", quote(name))
		case len(p.out.Search) == MaxSearch || len(clean)+1 > left:
			p.notes.add(n, "ignored the search domains from %s on: too many", quote(name))
			return
		default:
			p.out.Search = append(p.out.Search, clean)
			left -= len(clean) + 1
		}
	}
}

// cleanName lowers the case, drops a final dot and checks a domain name:
// letters, digits, '-' and '_', labels of 1 to 63 bytes, 253 in all.
func cleanName(s string) (string, bool) {
	if s == "." {
		return s, true
	}
	s = strings.TrimSuffix(s, ".")
	if len(s) == 0 || len(s) > 253 {
		return "", false
	}
	b, label := []byte(s), 0
	for i, c := range b {
		switch {
		case c == '.' && label > 0:
			label = 0
			continue
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return "", false
		}
		if label++; label > 63 {
			return "", false
		}
	}
	return string(b), label > 0
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// lines yields the lines of a text with their numbers, without line ends, and
// without those a C program would see only in part.
func lines(notes *notes, data []byte, limit int) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		if len(data) > limit {
			notes.add(0, "ignored what follows the first %d bytes", limit)
			data = data[:1+bytes.LastIndexByte(data[:limit], '\n')]
		}
		n := 0
		for line := range bytes.Lines(data) {
			n++
			line = bytes.TrimSuffix(line, []byte("\n"))
			line = bytes.TrimSuffix(line, []byte("\r"))
			if bytes.IndexByte(line, 0) >= 0 {
				notes.add(n, "ignored, since it holds a NUL byte")
				continue
			}
			if !yield(n, string(line)) {
				return
			}
		}
	}
}
