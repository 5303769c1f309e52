package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// A broker that hangs: to the host the stub is then what was there before, and a
// container gets an errno at the deadline.
func TestBrokerHangs(t *testing.T) {
	const hostLimit = 4 * time.Second // hostPatience in cmd/request-key, and a second
	l := newLab(t)
	needStock(t)
	broker := startUpcalld(t, l, "--takeover", "")
	hostResolver(t, l)
	c := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
	host := hostRequester(t, l)
	register(t, broker, c)
	answered(t, c.by, "before.bar", answerA)
	signal(t, broker, unix.SIGSTOP)
	t.Cleanup(func() { signal(t, broker, unix.SIGCONT) })
	got, err := lab.Together(t.Context(), 0, lab.Ask{By: host, Question: lab.DNS("h.bar")}, lab.Ask{By: c.by, Question: lab.DNS("c.bar")})
	if err != nil {
		t.Fatal(err)
	}
	if a := got[0]; a.Errno != 0 || a.Text() != answerHost || took(a) > hostLimit {
		t.Errorf("the host got %v, want %s within %v", a, answerHost, hostLimit)
	}
	if a := got[1]; a.Errno != unix.ETIME || took(a) > deadline+slack {
		t.Errorf("the container got %v, want ETIME before the deadline", a)
	}
	signal(t, broker, unix.SIGCONT)
	answered(t, host, "again.bar", answerHost)
	answered(t, c.by, "again.bar", answerA)
}

func signal(t *testing.T, b *lab.Broker, s unix.Signal) {
	t.Helper()
	if err := unix.Kill(b.PID(), s); err != nil {
		t.Error(err)
	}
}

func took(a lab.Answer) time.Duration { return time.Duration(a.Micros) * time.Microsecond }

// A process that hangs in execve, of which there may be one in any container,
// hangs whoever reads its stack. The guard reads all stacks: it must give up.
func TestSharedRingWithHangingExec(t *testing.T) {
	const (
		most  = 6 * time.Second // a host on which ps hangs is nobody's friend
		limit = 2 * time.Second // of one answer, far below the deadline
	)
	l, _, sides := sharedRingLane(t, "", lab.RequesterOptions{})
	pid, end, err := l.HangingExec(filepath.Join(t.TempDir(), "file"), most)
	if errors.Is(err, lab.ErrNoFUSE) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = end() })
	start := time.Now()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stack", pid)) // what it says is of no matter
	}()
	c := new(tally)
	for i := 0; c.refused < 4 && time.Since(start) < most-limit; i++ {
		begin := time.Now()
		round(t, c, fmt.Sprintf("r%d.bar", i), 0, sides)
		if d := time.Since(begin); d > limit {
			t.Errorf("round %d took %v", i, d)
		}
	}
	select {
	case <-read:
		t.Error("a stack was read that should have hung its reader: the lane proves nothing")
	default:
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	<-read
	t.Log(c)
	if c.refused == 0 {
		t.Error("the guard never had to look at the stacks: the lane proves nothing")
	}
	if err := c.verdict(true); err != nil {
		t.Error(err)
	}
}

// opposites are two containers that share a ring: the server of the first says
// that no name exists, that of the second knows all of them. It returns what
// became of the same questions at the same moment.
func opposites(t *testing.T, off string, jitter time.Duration) (no, yes *tally) {
	t.Helper()
	l, broker, _ := sharedRingLane(t, off, lab.RequesterOptions{})
	o := lab.RequesterOptions{Ring: testRing}
	a := newContainer(t, l, "no", lab.IPv4, lab.NXDomain(60), o)
	b := newContainer(t, l, "yes", lab.IPv4, zone(answerB4), o)
	register(t, broker, a, b)
	no, yes = new(tally), new(tally)
	for i := range rounds(t, 100) {
		name := fmt.Sprintf("r%d.bar", i)
		got := meet(t, name, jitter, a.by, b.by)
		no.add(a.Name, name, got[0], "nothing")
		yes.add(b.Name, name, got[1], answerB4)
	}
	t.Logf("NXDOMAIN: %v", no)
	t.Logf("%s: %v", answerB4, yes)
	return no, yes
}

// meet lets all ask the same name at the same moment, with nothing in the
// kernel's cache.
func meet(t *testing.T, name string, jitter time.Duration, all ...*lab.Requester) []lab.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	asks := make([]lab.Ask, len(all))
	for i, by := range all {
		if err := by.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		asks[i] = lab.Ask{By: by, Question: lab.DNS(name)}
	}
	answers, err := lab.Together(ctx, jitter, asks...)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// "There is no such name" is an answer too, and nobody else's.
func TestSharedRingRejections(t *testing.T) {
	for name, jitter := range map[string]time.Duration{"lockstep": 0, "jitter": 2 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			no, yes := opposites(t, "", jitter)
			if err := yes.verdict(true); err != nil {
				t.Error(err)
			}
			if n := no.errnos[unix.ENODATA]; no.asked == 0 || no.refused+n != no.asked {
				t.Errorf("want ENODATA or EBUSY, and nothing else: %v\n%v", no, no.samples)
			}
		})
	}
}

// With the unlink and the guard off a rejection is handed on: the lane is able
// to see it.
func TestSharedRingRejectionsUnguarded(t *testing.T) {
	if _, yes := opposites(t, "unlink,guard", 0); yes.errnos[unix.ENODATA] == 0 {
		t.Errorf("no foreign ENODATA with the guards off: the lane proves nothing: %v", yes)
	}
}
