package kernel

import (
	"fmt"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

const record = "foo.bar. 60 IN A " + answerA

// badServers are name servers and the documented errno for each; without one
// the question is answered in spite of the server.
var badServers = []struct {
	name   string
	server lab.Behaviour
	want   unix.Errno
}{
	{"dead", lab.Dead, unix.ETIMEDOUT},
	{"slow", lab.Slow(30*time.Second, zone(answerA)), unix.ETIMEDOUT},
	{"a little slow", lab.Slow(300*time.Millisecond, zone(answerA)), 0},
	{"lies about the id", lab.LyingID(record), unix.EBADMSG},
	{"lies about the question", lab.LyingQuestion(record), unix.EBADMSG},
	{"truncates", lab.Truncating(zone(answerA)), 0},
	{"truncates always", lab.AlwaysTruncating, unix.EBADMSG},
	{"CNAME loop", lab.CNAMELoop, unix.ELOOP},
	{"endless CNAMEs", lab.EndlessCNAME, unix.ELOOP},
	{"64 kB", lab.Huge(record), 0},
	{"garbage", lab.Garbage, unix.EBADMSG},
	{"NXDOMAIN", lab.NXDomain(60), unix.ENODATA},
	{"no address", lab.Zone("*.bar. 60 IN TXT none"), unix.EDESTADDRREQ},
	{"SERVFAIL", lab.Servfail, unix.EAGAIN},
	{"refused", lab.Refused, unix.ECONNREFUSED},
}

func TestBadServers(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	good := newContainer(t, l, "good", lab.IPv4, zone(answerB4), lab.RequesterOptions{})
	register(t, broker, good)
	for i, tc := range badServers {
		t.Run(tc.name, func(t *testing.T) {
			// A container each: what a helper learnt of one server is not
			// carried to the next.
			bad := newContainer(t, l, fmt.Sprintf("s%d", i), lab.IPv4, tc.server, lab.RequesterOptions{})
			register(t, broker, bad)
			a := whileOthersStayQuick(t, good, bad.Name, func() lab.Answer {
				a, took := one(t, bad.by, lab.DNS("foo.bar"))
				if took > deadline+slack {
					t.Errorf("took %v", took)
				}
				return a
			})
			if a.Errno != tc.want || (tc.want == 0 && a.Text() != answerA) {
				t.Errorf("got %v, want %s %s", a, answerA, unix.ErrnoName(tc.want))
			}
			if bad.server.Total() == 0 {
				t.Error("the server was never asked")
			}
		})
	}
}
