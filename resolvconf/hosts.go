package resolvconf

import (
	"bytes"
	"net/netip"
)

// MaxHostsSize bounds a hosts file.
const MaxHostsSize = 8 << 20

// MatchHosts tells whether a line of hosts gives name an address, and which. It
// allocates only for lines that do. Names are compared without ASCII case, each
// in full; a final dot of name is dropped. A line whose address is malformed
// matches nothing; an IPv4-mapped address becomes IPv4, as glibc takes it.
func MatchHosts(line []byte, name string) (netip.Addr, bool) {
	if n := len(name); n > 1 && name[n-1] == '.' {
		name = name[:n-1]
	}
	if i := bytes.IndexByte(line, '#'); i >= 0 {
		line = line[:i]
	}
	first, rest := field(line)
	for len(rest) > 0 && name != "" {
		var alias []byte
		if alias, rest = field(rest); len(alias) == len(name) && equalFold(alias, name) {
			return hostAddr(first)
		}
	}
	return netip.Addr{}, false
}

// ScanHosts returns the addresses of name in a whole hosts file, in its order.
func ScanHosts(data []byte, name string) []netip.Addr {
	var out []netip.Addr
	for line := range bytes.Lines(data) {
		if addr, ok := MatchHosts(line, name); ok {
			out = append(out, addr)
		}
	}
	return out
}

func hostAddr(text []byte) (netip.Addr, bool) {
	if len(text) > maxAddr {
		return netip.Addr{}, false
	}
	return parseAddr(string(text))
}

// field splits off the first word of b, between isspace bytes as in C.
func field(b []byte) (word, rest []byte) {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for i, c := range b {
		if isSpace(c) {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// equalFold compares strings of the same length without ASCII case. Unicode
// folding would be wrong: to it the Kelvin sign is a k.
func equalFold(b []byte, s string) bool {
	for i, c := range b {
		if lower(c) != lower(s[i]) {
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
