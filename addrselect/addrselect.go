// Package addrselect puts a name's addresses into the order in which this
// network namespace should try them (RFC 6724, section 6).
//
// The files: addrselect.go the ordering, a pure function; policy.go the tables
// it uses; routes.go asks the kernel by which source each destination would be
// reached, and connect.go asks it the slow way.
package addrselect

import (
	"context"
	"net/netip"
	"slices"
)

// MaxDestinations is how many addresses are considered; Sort drops the rest.
const MaxDestinations = 64

// Destination is an address with what decides about its place.
type Destination struct {
	Addr netip.Addr
	// Source is what the kernel would send from; if it is the zero Addr, the
	// destination cannot be reached.
	Source     netip.Addr
	Deprecated bool // of Source: its preferred lifetime is over
	Home       bool // of Source: a Mobile IPv6 home address
	// OnLink says that an IPv4 destination is in the source's own subnet.
	OnLink bool
}

// Sort returns addrs, at most MaxDestinations, best first. It asks the kernel
// about the calling process's network namespace, needs no privilege, and gives
// up asking when ctx ends. It has no failure: what could not be found out
// counts as unreachable, and unreachable addresses come last.
func Sort(ctx context.Context, addrs []netip.Addr) []netip.Addr {
	addrs = addrs[:min(len(addrs), MaxDestinations)]
	if len(addrs) < 2 {
		return slices.Clone(addrs)
	}
	ds := lookUp(ctx, addrs)
	Order(ds)
	sorted := make([]netip.Addr, len(ds))
	for i, d := range ds {
		sorted[i] = d.Addr
	}
	return sorted
}

// Order sorts by the rules of RFC 6724, section 6. Rule 7 (avoid encapsulated
// transport) is left out, as in glibc's default: the kernel does not tell.
// Where no rule decides, the order stays (rule 10).
func Order(ds []Destination) { slices.SortStableFunc(ds, compare) }

// compare is negative if a is to be tried before b.
func compare(a, b Destination) int {
	for _, rule := range rules {
		if c := rule(a, b); c != 0 {
			return c
		}
	}
	return 0
}

var rules = [...]func(a, b Destination) int{
	// 1: avoid unusable destinations.
	func(a, b Destination) int { return first(a.usable(), b.usable()) },
	// 2: prefer matching scope.
	func(a, b Destination) int {
		return first(scope(a.Addr) == scope(a.Source), scope(b.Addr) == scope(b.Source))
	},
	// 3: avoid deprecated sources.
	func(a, b Destination) int { return first(!a.Deprecated, !b.Deprecated) },
	// 4: prefer home addresses.
	func(a, b Destination) int { return first(a.Home, b.Home) },
	// 5: prefer matching label.
	func(a, b Destination) int { return first(a.sameLabel(), b.sameLabel()) },
	// 6: prefer higher precedence.
	func(a, b Destination) int { return policyOf(b.Addr).precedence - policyOf(a.Addr).precedence },
	// 8: prefer smaller scope.
	func(a, b Destination) int { return scope(a.Addr) - scope(b.Addr) },
	// 9: prefer the longest prefix in common with the source.
	func(a, b Destination) int {
		if a.Addr.Unmap().Is4() != b.Addr.Unmap().Is4() {
			return 0
		}
		return b.inCommon() - a.inCommon()
	},
}

func (d Destination) usable() bool { return d.Source.IsValid() }

func (d Destination) sameLabel() bool {
	return d.usable() && policyOf(d.Addr).label == policyOf(d.Source).label
}

// inCommon is how many leading bits destination and source share. Between IPv4
// addresses of different subnets it says nothing, and would undo round robin:
// there it is 0, as in glibc (sysdeps/posix/getaddrinfo.c, rfc3484_sort).
func (d Destination) inCommon() int {
	if !d.usable() || d.Addr.Unmap().Is4() != d.Source.Unmap().Is4() {
		return 0
	}
	if d.Addr.Unmap().Is4() && !d.OnLink {
		return 0
	}
	return commonBits(d.Addr, d.Source)
}

// first puts the one for which it holds first.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
