package addrselect

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// d reads "destination source flags"; a source of "-" cannot be reached.
func d(t testing.TB, line string) Destination {
	f := strings.Fields(line)
	dst := Destination{Addr: netip.MustParseAddr(f[0])}
	if f[1] != "-" {
		dst.Source = netip.MustParseAddr(f[1])
	}
	for _, flag := range f[2:] {
		switch flag {
		case "deprecated":
			dst.Deprecated = true
		case "home":
			dst.Home = true
		case "onlink":
			dst.OnLink = true
		default:
			t.Fatalf("unknown flag %q", flag)
		}
	}
	return dst
}

// TestOrder: the examples of RFC 6724, section 10.2, in its order, then ours.
// Each table line is given in the wanted order and must come out of any.
func TestOrder(t *testing.T) {
	for _, tc := range []struct {
		rule string
		want []string
	}{
		{"10.2: matching scope, IPv6", []string{"2001:db8:1::1 2001:db8:1::2", "198.51.100.121 169.254.13.78"}},
		{"10.2: matching scope, IPv4", []string{"198.51.100.121 198.51.100.117", "2001:db8:1::1 fe80::1"}},
		{"10.2: higher precedence", []string{"2001:db8:1::1 2001:db8:1::2", "10.1.2.3 10.1.2.4"}},
		{"10.2: smaller scope", []string{"fe80::1 fe80::2", "2001:db8:1::1 2001:db8:1::2"}},
		{"10.2: home address", []string{"2001:db8:1::1 2001:db8:3::1 home", "fe80::1 fe80::2"}},
		{"10.2: deprecated", []string{"2001:db8:1::1 2001:db8:1::2", "fe80::1 fe80::2 deprecated"}},
		{"10.2: longest prefix", []string{"2001:db8:1::1 2001:db8:1::2", "2001:db8:3ffe::1 2001:db8:3f44::2"}},
		{"10.2: matching label", []string{"2002:c633:6401::1 2002:c633:6401::2", "2001:db8:1::1 2002:c633:6401::2"}},
		{"10.2: higher precedence of IPv6", []string{"2001:db8:1::1 2001:db8:1::2", "2002:c633:6401::1 2002:c633:6401::2"}},
		{"no IPv6 here", []string{"192.0.2.1 10.0.0.1", "2001:db8::1 -"}},
		{"no IPv4 here", []string{"2001:db8::1 2001:db8::2", "192.0.2.1 -"}},
		{"unusable beats everything", []string{"198.51.100.121 169.254.13.78 deprecated", "2001:db8:1::1 -"}},
		{"unique local source, global world", []string{"192.0.2.1 10.0.0.1", "2001:db8::1 fd00::1"}},
		{"unique local both", []string{"192.0.2.1 10.0.0.1", "fd00::1 fd00::2"}},
		{"own subnet, IPv4", []string{"10.0.0.9 10.0.0.1 onlink", "10.0.1.9 10.0.0.1"}},
		{"loopback", []string{"::1 ::1", "127.0.0.1 127.0.0.1"}},
		{"mapped counts as IPv4", []string{"2001:db8::1 2001:db8::2", "::ffff:192.0.2.1 10.0.0.1"}},
	} {
		var ds []Destination
		for _, line := range tc.want {
			ds = append(ds, d(t, line))
		}
		want := slices.Clone(ds)
		for range 2 {
			slices.Reverse(ds)
			in := slices.Clone(ds)
			if Order(in); !slices.Equal(in, want) {
				t.Errorf("%s: %v, want %v", tc.rule, in, want)
			}
		}
	}
}

// TestRoundRobin: where no rule decides, the servers' order stays.
func TestRoundRobin(t *testing.T) {
	ds := []Destination{d(t, "203.0.113.9 10.0.0.1"), d(t, "10.99.0.1 10.0.0.1"), d(t, "192.0.2.1 10.0.0.1")}
	want := slices.Clone(ds)
	if Order(ds); !slices.Equal(ds, want) {
		t.Errorf("got %v, want %v", ds, want)
	}
}

// FuzzOrder: the result has the same members, comparison is antisymmetric and
// no unreachable address stands before a reachable one.
func FuzzOrder(f *testing.F) {
	f.Add([]byte("seed of several destinations, thirty-three bytes for each one.."))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ds []Destination
		for len(b) >= 33 && len(ds) < MaxDestinations {
			x := Destination{Addr: netip.AddrFrom16([16]byte(b[:16])), Deprecated: b[32]&1 != 0, Home: b[32]&2 != 0, OnLink: b[32]&4 != 0}
			if b[32]&8 != 0 {
				x.Source = netip.AddrFrom16([16]byte(b[16:32]))
			}
			ds, b = append(ds, x), b[33:]
		}
		before := map[Destination]int{}
		for _, x := range ds {
			before[x]++
			for _, y := range ds {
				if c, r := compare(x, y), compare(y, x); (c < 0) != (r > 0) || (c > 0) != (r < 0) {
					t.Fatalf("%v and %v: %d and %d", x, y, c, r)
				}
			}
		}
		Order(ds)
		for i, x := range ds {
			if before[x]--; before[x] < 0 {
				t.Fatalf("%v appeared from nowhere", x)
			}
			if i > 0 && x.usable() && !ds[i-1].usable() {
				t.Fatalf("unreachable %v stands before %v", ds[i-1], x)
			}
		}
	})
}

// inNamespace runs f in a new network namespace, set up by ip(8) commands.
func inNamespace(t *testing.T, f func(t *testing.T), commands ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // deliberately not unlocked: the thread dies with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("new network namespace: %v", err)
			return
		}
		for _, c := range commands {
			if out, err := exec.Command("ip", strings.Fields(c)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v: %s", c, err, out)
				return
			}
		}
		f(t)
	}()
	<-done
}

func TestSort(t *testing.T) {
	const v4, v6 = "192.0.2.1", "2001:db8:ffff::1"
	link := []string{"link add d0 type veth peer name d1", "link set d1 up", "link set d0 up", "link set lo up"}
	for _, tc := range []struct {
		name  string
		setup []string
		in    []string
		want  []string
	}{
		{"IPv4 only", []string{"addr add 10.0.0.1/24 dev d0", "route add default via 10.0.0.2"},
			[]string{v6, v4}, []string{v4, v6}},
		{"IPv6 only", []string{"addr add 2001:db8::1/64 dev d0 nodad", "route add default via 2001:db8::2"},
			[]string{v4, v6}, []string{v6, v4}},
		{"both", []string{"addr add 10.0.0.1/24 dev d0", "route add default via 10.0.0.2",
			"addr add 2001:db8::1/64 dev d0 nodad", "route add default via 2001:db8::2"},
			[]string{v4, v6}, []string{v6, v4}},
		{"IPv6 deprecated", []string{"addr add 10.0.0.1/24 dev d0", "route add default via 10.0.0.2",
			"addr add 2001:db8::1/64 dev d0 nodad preferred_lft 0", "route add default via 2001:db8::2"},
			[]string{v6, v4}, []string{v4, v6}},
		{"IPv6 route is a black hole", []string{"addr add 10.0.0.1/24 dev d0", "route add default via 10.0.0.2",
			"addr add 2001:db8::1/64 dev d0 nodad", "route add blackhole 2001:db8:ffff::/48"},
			[]string{v6, v4}, []string{v4, v6}},
		{"nothing", nil, []string{v6, v4}, []string{v6, v4}},
		{"own subnet first", []string{"addr add 10.0.0.1/24 dev d0", "route add default via 10.0.0.2"},
			[]string{"10.0.7.7", "10.0.0.7"}, []string{"10.0.0.7", "10.0.7.7"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inNamespace(t, func(t *testing.T) {
				for via, ds := range map[string][]Destination{
					"netlink": lookUp(context.Background(), parse(tc.in)),
					"connect": connectAll(parse(tc.in)),
				} {
					Order(ds)
					var got []string
					for _, d := range ds {
						got = append(got, d.Addr.String())
					}
					flagless := strings.Contains(tc.name, "deprecated") || strings.Contains(tc.name, "own subnet")
					if !slices.Equal(got, tc.want) && !(via == "connect" && flagless) {
						t.Errorf("by %s: %v, want %v (%+v)", via, got, tc.want, ds)
					}
				}
			}, append(slices.Clone(link), tc.setup...)...)
		})
	}
}

func parse(in []string) []netip.Addr {
	var out []netip.Addr
	for _, s := range in {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func connectAll(addrs []netip.Addr) []Destination {
	var ds []Destination
	for _, a := range addrs {
		ds = append(ds, connect(context.Background(), a))
	}
	return ds
}

// TestSortBound: a flood of addresses is cut, and the input is left alone.
func TestSortBound(t *testing.T) {
	in := slices.Repeat(parse([]string{"127.0.0.1", "::1", "192.0.2.1"}), 100)
	before := slices.Clone(in)
	if got := Sort(context.Background(), in); len(got) != MaxDestinations || !slices.Equal(in, before) {
		t.Errorf("%d addresses come out", len(got))
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if got := Sort(cancelled, in[:3]); len(got) != 3 {
		t.Errorf("with a context that is over, %v comes out", got)
	}
}
