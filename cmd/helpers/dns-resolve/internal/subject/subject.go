// Package subject reads what a dns_resolver key asks: its description
// ("[type:]name") and its callout ("ipv4 list"). Both are a stranger's text.
package subject

import (
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"github.com/upcalld/upcalld/dnsquery"
)

// Limits on what is accepted.
const (
	maxName    = 253 // bytes without the dot at the end (RFC 1035, section 2.3.4)
	maxLabel   = 63
	maxOptions = 256
	maxType    = 16
	maxQuoted  = 64 // bytes of bad input that an error repeats
)

// Query is a question that can be asked.
type Query struct {
	// Name is a host name of letters, digits, '-', '_' and '.', as it was given.
	Name string
	// Literal is valid if the name is an IP address: it is its own answer.
	Literal netip.Addr
	Want    dnsquery.Family
	List    bool // all addresses, not the best one
}

// Error is a question that cannot be asked. Errno is EINVAL for what breaks
// the grammar, EPROTONOSUPPORT for a type that is not answered here.
type Error struct {
	Errno syscall.Errno
	What  string
	Text  []byte // the part of the question, not escaped
}

// Error repeats the bad part escaped and cut to 64 bytes.
func (e *Error) Error() string {
	return e.What + ": " + strconv.Quote(string(e.Text[:min(len(e.Text), maxQuoted)]))
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// Parse reads a question. A type outranks the family that the options name.
// "a:" and "aaaa:" are types wherever a name or an address follows, although
// "aaaa:1::2" could also be an address.
func Parse(description, options []byte) (Query, error) {
	q, err := parseOptions(options)
	if err != nil {
		return Query{}, err
	}
	whole := string(description)
	typ, name, typed := strings.Cut(whole, ":")
	if typed {
		if want, known := types[typ]; known && q.named(name) {
			q.Want = want
			return q, nil
		}
		if q.literal(whole) {
			return q, nil
		}
		return Query{}, badType(typ, name, description)
	}
	if !q.named(whole) {
		return Query{}, &Error{syscall.EINVAL, "not a host name", description}
	}
	return q, nil
}

// types are the record types a description may ask for.
var types = map[string]dnsquery.Family{"a": dnsquery.IPv4, "aaaa": dnsquery.IPv6}

// badType tells a type that could be served one day from nonsense.
func badType(typ, name string, description []byte) error {
	if _, known := types[typ]; known || !hostName(name) {
		return &Error{syscall.EINVAL, "not a host name", description}
	}
	if typ == "" || len(typ) > maxType || strings.Trim(typ, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return &Error{syscall.EINVAL, "not a query type", description}
	}
	return &Error{syscall.EPROTONOSUPPORT, "query type is not supported", description}
}

// named takes s as an IP address or as a host name.
func (q *Query) named(s string) bool {
	if q.literal(s) {
		return true
	}
	q.Name = s
	return hostName(s)
}

func (q *Query) literal(s string) bool {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return false
	}
	q.Name, q.Literal = s, addr
	return true
}

// hostName says whether s is labels of 1 to 63 good bytes, 253 in all, with at
// most one dot at the end.
func hostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > maxLabel {
			return false
		}
		for i := range len(label) {
			if !good(label[i]) {
				return false
			}
		}
	}
	return true
}

func good(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// parseOptions reads the callout. Unknown words are ignored, as key.dns_resolver
// of keyutils ignores them; of "ipv4" and "ipv6" the last one counts.
func parseOptions(b []byte) (Query, error) {
	q := Query{Want: dnsquery.Both}
	if len(b) > maxOptions {
		return q, &Error{syscall.EINVAL, "options are too long", b}
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f || c == ',' {
			return q, &Error{syscall.EINVAL, "odd byte in the options", b}
		}
	}
	for word := range strings.SplitSeq(string(b), " ") {
		switch word {
		case "ipv4":
			q.Want = dnsquery.IPv4
		case "ipv6":
			q.Want = dnsquery.IPv6
		case "list":
			q.List = true
		}
	}
	return q, nil
}
