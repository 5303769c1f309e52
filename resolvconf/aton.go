package resolvconf

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
)

// maxAddr is the longest text taken for an address: 45 bytes of IPv6, '%' and
// an interface name (IFNAMSIZ - 1 = 15 bytes).
const maxAddr = 45 + 1 + maxZone

const maxZone = 15

// parseAton reads an IPv4 address as inet_aton(3) does: one to four parts, each
// decimal, octal (leading 0) or hexadecimal (0x), the last filling the rest.
// glibc reads name servers this way: 010.0.0.1 is 8.0.0.1 to it, and 127.1 is
// 127.0.0.1. Reading them otherwise would ask another server.
func parseAton(text string) (netip.Addr, bool) {
	if len(text) > maxAddr || strings.ContainsAny(text, "_oO") {
		return netip.Addr{}, false // ParseUint's digit separator and octal prefix
	}
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		n, err := strconv.ParseUint(part, 0, bits)
		if err != nil || len(part) > 1 && part[1]|0x20 == 'b' { // Go's binary prefix
			return netip.Addr{}, false
		}
		value = value<<bits | n
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(value))
	return netip.AddrFrom4(b), true
}

// parseAddr reads an address with an optional zone. An IPv4-mapped one becomes
// IPv4: that is what the kernel would talk to.
func parseAddr(text string) (netip.Addr, bool) {
	if len(text) > maxAddr {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !zoneOK(addr.Zone()) {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// zoneOK allows what an interface may be called (net/core/dev.c,
// dev_valid_name), less what is not printable ASCII.
func zoneOK(zone string) bool {
	if len(zone) > maxZone || zone == "." || zone == ".." {
		return false
	}
	for i := range len(zone) {
		if c := zone[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == '%' || c == '#' || c == ';' {
			return false
		}
	}
	return true
}
