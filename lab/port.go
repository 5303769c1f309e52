package lab

import (
	"fmt"
	"net/netip"
	"strings"
)

// Family says which addresses a port's wire has.
type Family int

// The families.
const (
	IPv4 Family = 1 << iota
	IPv6
	Dual = IPv4 | IPv6
)

// The addresses on every port's wire, the same on all ports: nothing but the
// namespace tells one port's name server from another's.
var (
	Server4    = netip.MustParseAddr("10.77.0.1")
	Server6    = netip.MustParseAddr("fd77::1")
	container4 = netip.MustParsePrefix("10.77.0.2/24")
	container6 = netip.MustParsePrefix("fd77::2/64")
)

// Port is one network port of the host as a container sees it: the container's
// namespace and a server's, joined by a wire.
type Port struct {
	Name      string // the container's, also what a test registers
	Family    Family
	Container Netns
	Server    Netns

	lab *Lab
}

// Port makes both namespaces and the wire, with addresses of the family and a
// resolv.conf that names the server. The name must be short and free of "/".
func (l *Lab) Port(name string, family Family) (*Port, error) {
	p := &Port{Name: name, Family: family, lab: l}
	var err error
	if p.Container, err = l.Netns(name); err != nil {
		return nil, err
	}
	if p.Server, err = l.Netns(name + "-srv"); err != nil {
		return nil, err
	}
	if err := p.wire(); err != nil {
		return nil, err
	}
	return p, p.WriteEtc("resolv.conf", []byte(p.ResolvConf()))
}

// wire joins the two. Both ends get the same name: neither is ever on the host.
func (p *Port) wire() error {
	link := fmt.Sprintf("link add up0 type veth peer name up0 netns %s", p.Server.Name)
	if err := ip(p.Container.Name, link); err != nil {
		return err
	}
	if err := ip(p.Server.Name, p.addresses(Server4, Server6)...); err != nil {
		return err
	}
	return ip(p.Container.Name, append(p.addresses(container4.Addr(), container6.Addr()), p.routes()...)...)
}

// addresses are usable at once: duplicate address detection would take a second.
func (p *Port) addresses(v4, v6 netip.Addr) []string {
	var cmds []string
	if p.Family&IPv4 != 0 {
		cmds = append(cmds, fmt.Sprintf("addr add %s/%d dev up0", v4, container4.Bits()))
	}
	if p.Family&IPv6 != 0 {
		cmds = append(cmds, fmt.Sprintf("addr add %s/%d dev up0 nodad", v6, container6.Bits()))
	}
	return append(cmds, "link set up0 up")
}

func (p *Port) routes() []string {
	var cmds []string
	if p.Family&IPv4 != 0 {
		cmds = append(cmds, fmt.Sprintf("route add default via %s", Server4))
	}
	if p.Family&IPv6 != 0 {
		cmds = append(cmds, fmt.Sprintf("route add ::/0 via %s", Server6))
	}
	return cmds
}

// ServerAddrs are the server's own addresses, IPv4 first.
func (p *Port) ServerAddrs() []netip.Addr {
	var addrs []netip.Addr
	if p.Family&IPv4 != 0 {
		addrs = append(addrs, Server4)
	}
	if p.Family&IPv6 != 0 {
		addrs = append(addrs, Server6)
	}
	return addrs
}

// ResolvConf is the container's resolv.conf: the port's server and nothing else.
func (p *Port) ResolvConf() string {
	var b strings.Builder
	for _, a := range p.ServerAddrs() {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	return b.String()
}
