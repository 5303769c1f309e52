package kernel

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/upcalld/upcalld/lab"
)

var hostServerAddr = netip.MustParseAddr("127.0.0.153")

// hostServer is the resolver the host has without a lab.
func hostServer(t *testing.T) string {
	t.Helper()
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(conf)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			return netip.AddrPortFrom(netip.MustParseAddr(f[1]), 53).String()
		}
	}
	return "127.0.0.1:53"
}

// With stock keyutils the two-port test must fail: the judge is known to be
// able to say no, and why upcalld exists can be seen.
func TestStockAnswersFromTheHost(t *testing.T) {
	l := newLab(t)
	needStock(t)
	server := hostResolver(t, l)
	_, _, sides := twoPorts(t, l, lab.RequesterOptions{})
	c := sameMoment(t, rounds(t, 1000), 0, sides...)
	err := c.verdict(true)
	if err == nil {
		t.Fatal("stock keyutils passes the two-port test: the test cannot fail")
	}
	t.Log("as expected: ", err)
	if c.wrong == 0 || server.Count("foo.bar") == 0 {
		t.Errorf("wrong answers %d, questions at the host's resolver %d: want both above 0", c.wrong, server.Count("foo.bar"))
	}
}

// The same where the ports differ in nothing a container can see.
func TestStockIdenticalPorts(t *testing.T) {
	l := newLab(t)
	needStock(t)
	hostResolver(t, l)
	_, _, sides := identicalPorts(t, l, lab.RequesterOptions{})
	if c := sameMoment(t, rounds(t, 20), 0, sides...); c.wrong == 0 {
		t.Errorf("stock keyutils gives no wrong answer: %v", c)
	}
}
