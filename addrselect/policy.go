package addrselect

import (
	"math/bits"
	"net/netip"
)

// policy is a line of the policy table (RFC 6724, section 2.1).
type policy struct {
	prefix            netip.Prefix
	precedence, label int
}

// table is the default policy table, longest prefix first.
var table = [...]policy{
	{netip.MustParsePrefix("::1/128"), 50, 0},
	{netip.PrefixFrom(netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff}), 96), 35, 4}, // IPv4
	{netip.MustParsePrefix("::/96"), 1, 3},
	{netip.MustParsePrefix("2001::/32"), 5, 5},
	{netip.MustParsePrefix("2002::/16"), 30, 2},
	{netip.MustParsePrefix("3ffe::/16"), 1, 12},
	{netip.MustParsePrefix("fec0::/10"), 1, 11},
	{netip.MustParsePrefix("fc00::/7"), 3, 13},
	{netip.MustParsePrefix("::/0"), 40, 1},
}

// policyOf finds the line for an address; IPv4 counts as IPv4-mapped IPv6.
func policyOf(a netip.Addr) policy {
	bytes := a.As16()
	for _, p := range table {
		if within(bytes, p.prefix.Addr().As16(), p.prefix.Bits()) {
			return p
		}
	}
	return policy{} // not reached: the last line matches everything
}

// within compares the first n bits. netip.Prefix.Contains never matches an
// IPv4-mapped address, which is what is compared here.
func within(a, prefix [16]byte, n int) bool { return common(a, prefix) >= n }

func common(a, b [16]byte) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 128
}

// commonBits counts equal leading bits, of IPv6 up to 64: the rest names the
// interface, not the network.
func commonBits(a, b netip.Addr) int {
	n := common(a.As16(), b.As16())
	if a.Unmap().Is4() {
		return n
	}
	return min(n, 64)
}

// The scopes that occur (RFC 4007; RFC 6724, section 3.1).
const (
	linkLocal = 0x2
	siteLocal = 0x5
	global    = 0xe
)

// scope of an address; for a multicast address it is written in it. That of
// the zero Addr is none.
func scope(a netip.Addr) int {
	a = a.Unmap()
	switch {
	case !a.IsValid():
		return 0
	case a.IsLoopback(), a.IsLinkLocalUnicast():
		return linkLocal
	case a.Is6() && a.IsMulticast():
		return int(a.As16()[1] & 0xf)
	case a.Is6() && a.As16()[0] == 0xfe && a.As16()[1]&0xc0 == 0xc0:
		return siteLocal
	}
	return global
}
