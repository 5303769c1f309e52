package kernel

import (
	"fmt"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
)

// testRing is the keyring that a test build of the stub takes for one that the
// kernel shares among containers.
const testRing = "upcalld-lab-ring"

// sharedRingLane runs two containers that share one keyring against a stub
// built for it, with the named guards off.
func sharedRingLane(t *testing.T, off string, o lab.RequesterOptions) (*lab.Lab, *lab.Broker, []side) {
	t.Helper()
	l := newLab(t)
	bin := needPrograms(t)
	flags := "-X main.testRing=" + testRing
	if off != "" {
		flags += " -X main.testOff=" + off
	}
	stub, err := l.BuildOne("cmd/request-key", "-tags", "upcalldtest", "-ldflags", flags)
	if err != nil {
		t.Fatal(err)
	}
	broker := startBroker(t, l, bin, "")
	hook(t, broker, "--takeover", stub)
	if _, err := l.Ring(testRing); err != nil {
		t.Fatal(err)
	}
	o.Ring = testRing
	a, b, sides := twoPorts(t, l, o)
	register(t, broker, a, b)
	return l, broker, sides
}

// No foreign answer, whatever the moment; refusing is allowed and counted.
func TestSharedRing(t *testing.T) {
	for name, jitter := range map[string]time.Duration{"lockstep": 0, "jitter": 2 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			_, broker, sides := sharedRingLane(t, "", lab.RequesterOptions{})
			c := sameMoment(t, rounds(t, 400), jitter, sides...)
			if err := c.verdict(true); err != nil {
				t.Error(err)
			}
			// A refusal may reach both requesters, but is one upcall's.
			if n := counter(t, broker, "refused"); (n > 0) != (c.refused > 0) || n > uint64(c.refused) {
				t.Errorf("the broker counted %d refusals, the requesters %d", n, c.refused)
			}
		})
	}
}

// Far enough apart nothing is refused: the guard is no denial of service.
func TestSharedRingInTurn(t *testing.T) {
	_, _, sides := sharedRingLane(t, "", lab.RequesterOptions{})
	c := new(tally)
	for i := range rounds(t, 50) {
		name := fmt.Sprintf("turn%d.bar", i)
		for _, s := range sides { // the shared ring is NOT emptied in between
			a, _ := one(t, s.by, lab.DNS(name))
			c.add(s.name, name, a, s.want)
		}
	}
	t.Log(c)
	if err := c.verdict(false); err != nil {
		t.Error(err)
	}
}

// The host's answer never reaches a container through a ring that all share,
// whoever asks first. The host itself cannot read its isolated answer here, as
// the kernel could: stock links it nowhere.
func TestSharedRingWithHost(t *testing.T) {
	l, _, sides := sharedRingLane(t, "", lab.RequesterOptions{})
	needStock(t)
	server := hostResolver(t, l)
	host, err := l.HostRequester(lab.RequesterOptions{Ring: testRing})
	if err != nil {
		t.Fatal(err)
	}
	c := new(tally)
	for i := range rounds(t, 20) {
		name := fmt.Sprintf("host%d.bar", i)
		if i%2 == 0 {
			one(t, host, lab.DNS(name))
		}
		for _, s := range sides {
			a, _ := one(t, s.by, lab.DNS(name))
			c.add(s.name, name, a, s.want)
		}
		if a, _ := one(t, host, lab.DNS(name)); a.Errno == 0 && a.Text() != answerHost {
			t.Errorf("%s: the host got %v", name, a)
		}
		if server.Count(name) == 0 {
			t.Errorf("%s: the host's upcall never came to its resolver", name)
		}
	}
	t.Log(c)
	if err := c.verdict(false); err != nil {
		t.Error(err)
	}
}

// With the unlink and the guard off the lane leaks: it is able to.
func TestSharedRingLeaksUnguarded(t *testing.T) {
	_, _, sides := sharedRingLane(t, "unlink,guard", lab.RequesterOptions{})
	if c := sameMoment(t, rounds(t, 400), 0, sides...); c.wrong == 0 {
		t.Errorf("no leak with the unlink and the guard off: the lane proves nothing: %v", c)
	}
}
