package addrselect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// patience is the longest that the kernel is waited for; it answers route
// questions in microseconds.
const patience = 500 * time.Millisecond

// lookUp finds the source of each address, by route netlink or else by
// connecting a socket.
func lookUp(ctx context.Context, addrs []netip.Addr) []Destination {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := dial(ctx)
	if err == nil {
		defer conn.Close()
	}
	ds := make([]Destination, len(addrs))
	for i, a := range addrs {
		known := err == nil
		if known {
			ds[i], known = route(conn, a)
		}
		if !known {
			ds[i] = connect(ctx, a)
		}
	}
	return ds
}

func dial(ctx context.Context) (*rtnetlink.Conn, error) {
	conn, err := rtnetlink.Dial(nil)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetReadDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// unreachable are the kernel's words for "no way there" (net/ipv4/route.c,
// net/ipv6/route.c): they are an answer.
var unreachable = []error{
	unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.ENETDOWN, unix.ENODEV,
}

// route asks for the route to one address. Nothing is dumped: a container may
// have any number of addresses and routes. known is false if the kernel's
// answer does not tell.
func route(conn *rtnetlink.Conn, addr netip.Addr) (d Destination, known bool) {
	d.Addr = addr
	dst := addr.Unmap()
	msgs, err := conn.Route.Get(&rtnetlink.RouteMessage{
		Family:     familyOf(dst),
		DstLength:  uint8(dst.BitLen()),
		Attributes: rtnetlink.RouteAttributes{Dst: dst.AsSlice()},
	})
	for _, u := range unreachable {
		if errors.Is(err, u) {
			return d, true
		}
	}
	if err != nil || len(msgs) != 1 {
		return d, false
	}
	switch msgs[0].Type {
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return d, true
	}
	attrs := &msgs[0].Attributes
	src, ok := netip.AddrFromSlice(attrs.Src)
	if !ok || src.IsUnspecified() {
		return d, false
	}
	d.Source = src.Unmap()
	d.OnLink = dst.Is4() && attrs.Gateway == nil && len(attrs.Multipath) == 0
	if d.Source.Is6() {
		d.Deprecated, d.Home = flags(conn, d.Source)
	}
	return d, true
}

// flags asks for one IPv6 address of ours. The kernel has no such question for
// IPv4, whose addresses are seldom deprecated and never home addresses.
func flags(conn *rtnetlink.Conn, src netip.Addr) (deprecated, home bool) {
	msgs, err := conn.Execute(&rtnetlink.AddressMessage{
		Family:       unix.AF_INET6,
		PrefixLength: 128,
		Attributes:   &rtnetlink.AddressAttributes{Address: net.IP(src.AsSlice())},
	}, unix.RTM_GETADDR, netlink.Request)
	if err != nil || len(msgs) != 1 {
		return false, false
	}
	m, ok := msgs[0].(*rtnetlink.AddressMessage)
	if !ok || m.Attributes == nil {
		return false, false
	}
	f := m.Attributes.Flags | uint32(m.Flags)
	return f&unix.IFA_F_DEPRECATED != 0, f&unix.IFA_F_HOMEADDRESS != 0
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
