package netconf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/upcalld/upcalld/dnsquery"
	"github.com/upcalld/upcalld/resolvconf"
	"github.com/upcalld/upcalld/rootfile"
)

// Hosts returns the addresses of name in the hosts file, of the wanted
// families, in the file's order. It takes no longer than ctx allows.
func (r *Reader) Hosts(ctx context.Context, root *os.File, c *Config, name string, want dnsquery.Family) ([]netip.Addr, error) {
	if c.hosts.path == "" || c.hosts.bad != "" {
		return nil, nil
	}
	var addrs []netip.Addr
	_, err := r.files.Scan(ctx, int(root.Fd()), c.hosts.path, resolvconf.MaxHostsSize, func(line []byte) bool {
		a, ok := resolvconf.MatchHosts(line, name)
		if ok && a.Zone() == "" && family(a)&want != 0 && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
		return len(addrs) < maxAddrs
	})
	if errors.Is(err, rootfile.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	return addrs, nil
}

func family(a netip.Addr) dnsquery.Family {
	if a.Is4() {
		return dnsquery.IPv4
	}
	return dnsquery.IPv6
}
