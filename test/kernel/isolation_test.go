package kernel

import (
	"testing"

	"github.com/upcalld/upcalld/lab"
)

// Both ways in: in place of keyutils' request-key, and behind it.
var modes = []string{"--takeover", "--drop-in"}

func eachMode(t *testing.T, lane func(t *testing.T, l *lab.Lab, mode string)) {
	for _, mode := range modes {
		t.Run(mode[2:], func(t *testing.T) {
			l := newLab(t)
			if mode == "--drop-in" {
				needStock(t)
			}
			lane(t, l, mode)
		})
	}
}

// The main promise: the same name at the same moment, each its own answer.
func TestTwoPorts(t *testing.T) {
	eachMode(t, func(t *testing.T, l *lab.Lab, mode string) {
		broker := startUpcalld(t, l, mode, "")
		a, b, sides := twoPorts(t, l, lab.RequesterOptions{})
		register(t, broker, a, b)
		if err := sameMoment(t, rounds(t, 1000), 0, sides...).verdict(false); err != nil {
			t.Error(err)
		}
	})
}

func TestIdenticalPorts(t *testing.T) {
	eachMode(t, func(t *testing.T, l *lab.Lab, mode string) {
		broker := startUpcalld(t, l, mode, "")
		a, b, sides := identicalPorts(t, l, lab.RequesterOptions{})
		register(t, broker, a, b)
		if err := sameMoment(t, rounds(t, 1000), 0, sides...).verdict(false); err != nil {
			t.Error(err)
		}
	})
}

func TestUniqueNames(t *testing.T) {
	eachMode(t, func(t *testing.T, l *lab.Lab, mode string) {
		broker := startUpcalld(t, l, mode, "")
		a := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{Threads: 8})
		register(t, broker, a)
		before, err := broker.FDs()
		if err != nil {
			t.Fatal(err)
		}
		if err := uniqueNames(t, 8, rounds(t, 1000), a.side(answerA)).verdict(false); err != nil {
			t.Error(err)
		}
		// The helper's connection is all that may have come to stay.
		eventually(t, deadline, "the broker's descriptors are closed", func() bool {
			now, err := broker.FDs()
			return err == nil && now <= before+4
		})
	})
}

// A registration by process id is as good as one by path.
func TestRegisteredByPID(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a, b, sides := twoPorts(t, l, lab.RequesterOptions{Files: true})
	for _, c := range []*container{a, b} {
		registerPID(t, broker, c.Name, c.by)
	}
	if err := sameMoment(t, rounds(t, 100), 0, sides...).verdict(false); err != nil {
		t.Error(err)
	}
}

// A second question is answered from the broker's cache, and flush empties it.
func TestCacheAndFlush(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
	register(t, broker, a)
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			ctl(t, broker, "flush", a.Name)
		}
		c := new(tally)
		round(t, c, "foo.bar", 0, []side{a.side(answerA)})
		if err := c.verdict(false); err != nil {
			t.Error(err)
		}
		// One question is an A and an AAAA query, or one of the two.
		if got := a.server.Count("foo.bar"); (got+1)/2 != want {
			t.Errorf("after question %d the name server saw %d queries, want %d pairs", i+1, got, want)
		}
	}
}
