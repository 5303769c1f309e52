// Package dnsquery asks name servers for the addresses of a name.
//
// Every byte that arrives is taken to be a stranger's: an answer counts only
// if it echoes the question, and it counts only for the names that question
// leads to. Everything is bounded by the caller's context and by the limits
// below.
//
// The files: dnsquery.go configuration and entry point, search.go the search
// list, families.go A beside AAAA, chain.go CNAMEs over several answers,
// servers.go which server is asked for how long, exchange.go one question on
// the wire, packet.go packing and matching, digest.go what is taken out of an
// answer, failure.go the errnos.
package dnsquery

import (
	"context"
	"net/netip"
	"time"
)

// Limits on what one lookup believes, whatever the servers send.
const (
	MaxAddrs   = 64    // addresses kept of one record set
	MaxChain   = 16    // CNAMEs followed, within and across answers
	MaxServers = 8     // name servers asked; glibc stops at 3
	MaxTTL     = 86400 // seconds a positive answer may be kept
	MaxNegTTL  = 300   // seconds "does not exist" may be kept
	FailureTTL = 5     // seconds any other failure is kept (RFC 9520, section 3.2)
)

// Family is a set of address families.
type Family uint8

// The families.
const (
	IPv4 Family = 1 << iota
	IPv6
	Both = IPv4 | IPv6
)

// Config says whom to ask and how; the names are those of resolv.conf(5).
type Config struct {
	Servers       []netip.AddrPort // asked in this order; none is a failure
	Search        []string         // domains appended to names that are not absolute
	Ndots         int              // names with fewer dots go through Search first
	Timeout       time.Duration    // of one try; if zero 5 s
	Attempts      int              // rounds over all servers; if zero 2
	Rotate        bool             // begin with a random server
	UseTCP        bool             // never ask by UDP
	SingleRequest bool             // ask AAAA after A instead of beside it
	NoTLDQuery    bool             // a name without a dot is never asked as it is
}

// Answer is a name's addresses. TTL is the least, in seconds, of the records
// it came from, CNAMEs included, and at most [MaxTTL].
type Answer struct {
	Addrs []netip.Addr // never empty, no duplicates, A before AAAA
	TTL   uint32
	// Missing is why one of two families was left out although it may have
	// addresses; TTL is then at most [FailureTTL]. Usually nil.
	Missing *Failure
}

// Lookup finds the addresses of name in the wanted families. It returns before
// ctx is over, with an answer or with a failure, never with both. It may be
// called concurrently; it opens a new socket for each question it sends.
func Lookup(ctx context.Context, c *Config, name string, want Family) (*Answer, *Failure) {
	if !validName(name) || want&Both == 0 {
		return nil, failed(BadName, name, "not a host name")
	}
	l := &lookup{servers: newServers(c), single: c.SingleRequest}
	return l.search(ctx, c, name, want)
}

// lookup is the state of one call of Lookup.
type lookup struct {
	servers *servers
	single  bool
}

// validName says whether name can be packed: labels of 1 to 63 bytes, 253 in
// all, one optional dot at the end.
func validName(name string) bool {
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	label := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c <= ' ' || c >= 0x7f || c == '\\':
			// A backslash is an escape in miekg/dns's presentation format.
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0 && len(name) <= 253
}
