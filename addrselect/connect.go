package addrselect

import (
	"context"
	"net"
	"net/netip"
)

// connect finds the source of a destination by connecting a UDP socket, which
// sends nothing. It does not tell the source's flags.
func connect(ctx context.Context, addr netip.Addr) Destination {
	d := Destination{Addr: addr}
	var dialer net.Dialer
	const discard = 9 // any port does
	c, err := dialer.DialUDP(ctx, "udp", netip.AddrPort{}, netip.AddrPortFrom(addr.Unmap(), discard))
	if err != nil {
		return d
	}
	defer c.Close()
	if local, err := netip.ParseAddrPort(c.LocalAddr().String()); err == nil {
		d.Source = local.Addr().Unmap().WithZone("")
	}
	return d
}
