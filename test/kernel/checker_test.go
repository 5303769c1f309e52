package kernel

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// tally is the one judge of all lanes: what came of many questions.
type tally struct {
	asked, right, wrong, refused, failed int

	errnos  map[syscall.Errno]int
	samples []string // the first few that were not right
	micros  []int64  // of those that were right
}

// refusal is the errno for an answer withheld because a foreign requester waited
// for the same key.
const refusal = unix.EBUSY

// add judges one answer. Who and name only serve the report.
func (c *tally) add(who, name string, a lab.Answer, want string) {
	c.asked++
	switch {
	case a.Errno == 0 && a.Text() == want:
		c.right++
		c.micros = append(c.micros, a.Micros)
		return
	case a.Errno == 0:
		c.wrong++
	case a.Errno == refusal && a.Call == "request_key":
		c.refused++
	default:
		c.failed++
	}
	if a.Errno != 0 {
		if c.errnos == nil {
			c.errnos = make(map[syscall.Errno]int)
		}
		c.errnos[a.Errno]++
	}
	if len(c.samples) < 5 {
		c.samples = append(c.samples, fmt.Sprintf("%s asked %s: want %q, got %v", who, name, want, a))
	}
}

// verdict is what a broker that keeps answers apart must never cause: a wrong
// answer, a failure, a refusal where none is allowed, or no question at all.
func (c *tally) verdict(refusalsAllowed bool) error {
	switch {
	case c.asked == 0:
		return fmt.Errorf("nothing was asked")
	case c.wrong > 0, c.failed > 0, c.refused > 0 && !refusalsAllowed:
		return fmt.Errorf("%v\n\t%s", c, strings.Join(c.samples, "\n\t"))
	case c.right == 0 && !refusalsAllowed:
		return fmt.Errorf("no right answer: %v", c)
	}
	return nil
}

func (c *tally) String() string {
	text := fmt.Sprintf("asked %d: right %d, wrong %d, refused %d, failed %d", c.asked, c.right, c.wrong, c.refused, c.failed)
	for errno, n := range c.errnos {
		text += fmt.Sprintf(", %s %d", unix.ErrnoName(errno), n)
	}
	if len(c.micros) > 0 {
		slices.Sort(c.micros)
		text += fmt.Sprintf("; us p50 %d p99 %d", c.micros[len(c.micros)/2], c.micros[len(c.micros)*99/100])
	}
	return text
}

func TestVerdict(t *testing.T) {
	right := lab.Answer{Payload: []byte("192.0.2.1\x00")}
	foreign := lab.Answer{Payload: []byte("192.0.2.2\x00")}
	refused := lab.Answer{Call: "request_key", Errno: unix.EBUSY}
	failed := lab.Answer{Call: "request_key", Errno: unix.ENOKEY}
	unread := lab.Answer{Call: "read", Errno: unix.EBUSY}
	for _, tc := range []struct {
		name            string
		answers         []lab.Answer
		plain, refusals bool // passes without, and with refusals allowed
	}{
		{"nothing", nil, false, false},
		{"right", []lab.Answer{right, right}, true, true},
		{"one wrong", []lab.Answer{right, foreign}, false, false},
		{"one refused", []lab.Answer{right, refused}, false, true},
		{"one failed", []lab.Answer{right, failed}, false, false},
		{"one unreadable", []lab.Answer{right, unread}, false, false},
		{"all refused", []lab.Answer{refused, refused}, false, true},
	} {
		var c tally
		for _, a := range tc.answers {
			c.add("a", "foo.bar", a, "192.0.2.1")
		}
		if got := c.verdict(false) == nil; got != tc.plain {
			t.Errorf("%s: passes = %t, want %t", tc.name, got, tc.plain)
		}
		if got := c.verdict(true) == nil; got != tc.refusals {
			t.Errorf("%s with refusals allowed: passes = %t, want %t", tc.name, got, tc.refusals)
		}
	}
}
