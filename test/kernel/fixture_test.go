package kernel

import (
	"os"
	"strings"
	"testing"

	"github.com/upcalld/upcalld/lab"
)

// What foo.bar and everything else below bar. is, depending on whom one asks.
const (
	answerA    = "192.0.2.1"
	answerB4   = "192.0.2.2"
	answerB6   = "2001:db8::b"
	answerHost = "198.51.100.99"
)

// newLab makes a lab that a lane's end closes, with the host's hook saved.
func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New()
	if err != nil {
		missing(t, err)
	}
	before, err := lab.HookState()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if after, err := lab.HookState(); err != nil || after != before {
			t.Errorf("the key hook is not as it was: %v\nbefore:\n%s\nafter:\n%s", err, before, after)
		}
	})
	if err := l.SaveHook(); err != nil {
		t.Fatal(err)
	}
	return l
}

// zone answers every name below bar. with the address.
func zone(address string) lab.Behaviour {
	kind := "A"
	if strings.Contains(address, ":") {
		kind = "AAAA"
	}
	return lab.Zone("*.bar. 60 IN "+kind+" "+address, "plain.bar. 60 IN TXT none")
}

// container is a port with its name server and a requester in it.
type container struct {
	*lab.Port
	server *lab.NameServer
	by     *lab.Requester
}

func newContainer(t *testing.T, l *lab.Lab, name string, f lab.Family, b lab.Behaviour, o lab.RequesterOptions) *container {
	t.Helper()
	p, err := l.Port(name, f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.NameServer(b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Requester(o)
	if err != nil {
		t.Fatal(err)
	}
	return &container{p, s, r}
}

func (c *container) side(want string) side { return side{c.Name, c.by, want} }

// twoPorts are two containers whose servers call the same names differently,
// the second with nothing but IPv6.
func twoPorts(t *testing.T, l *lab.Lab, o lab.RequesterOptions) (a, b *container, sides []side) {
	t.Helper()
	a = newContainer(t, l, "a", lab.IPv4, zone(answerA), o)
	b = newContainer(t, l, "b", lab.IPv6, zone(answerB6), o)
	return a, b, []side{a.side(answerA), b.side(answerB6)}
}

// identicalPorts differ in nothing that a container could see.
func identicalPorts(t *testing.T, l *lab.Lab, o lab.RequesterOptions) (a, b *container, sides []side) {
	t.Helper()
	a = newContainer(t, l, "a", lab.IPv4, zone(answerA), o)
	b = newContainer(t, l, "b", lab.IPv4, zone(answerB4), o)
	if a.ResolvConf() != b.ResolvConf() {
		t.Fatal("the resolv.conf files differ")
	}
	return a, b, []side{a.side(answerA), b.side(answerB4)}
}

// hostResolver gives the host a resolver of the lab, which calls the names
// below bar. something else again and forwards every other name.
func hostResolver(t *testing.T, l *lab.Lab) *lab.NameServer {
	t.Helper()
	below := func(name string) bool { return strings.HasSuffix(name, ".bar.") }
	s, err := l.HostNameServer(lab.OnlyFor(below, zone(answerHost), lab.Forward(hostServer(t))), hostServerAddr)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Overlay("/etc/resolv.conf", []byte("nameserver "+hostServerAddr.String()+"\n")); err != nil {
		t.Fatal(err)
	}
	return s
}

// needStock skips a lane that needs keyutils as the host's own handler.
func needStock(t *testing.T) {
	t.Helper()
	conf, err := os.ReadFile("/etc/request-key.conf")
	if err != nil || !strings.Contains(string(conf), "key.dns_resolver") {
		missing(t, "keyutils with its dns_resolver line in /etc/request-key.conf")
	}
	for _, program := range []string{lab.HookProgram, "/sbin/key.dns_resolver"} {
		if _, err := os.Stat(program); err != nil {
			missing(t, err)
		}
	}
}
