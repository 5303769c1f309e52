package kernel

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// neighbours are a container with two processes, which the host would answer
// definitely and wrongly.
func neighbours(t *testing.T, threads int) (l *lab.Lab, broker *lab.Broker, c *container, first *lab.Requester) {
	t.Helper()
	l = newLab(t)
	needStock(t)
	broker = startUpcalld(t, l, "--takeover", "")
	hostResolver(t, l)
	c = newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{Files: true, Threads: threads})
	return l, broker, c, another(t, c)
}

// another starts one more process in the container.
func another(t *testing.T, c *container) *lab.Requester {
	t.Helper()
	r, err := c.Requester(lab.RequesterOptions{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The process a container was registered by has ended, another of its processes
// has not: it gets an errno, never the host's answer, until it is registered.
func TestAbsent(t *testing.T) {
	_, broker, c, first := neighbours(t, 1)
	registerPID(t, broker, "first", first)
	answered(t, c.by, "before.bar", answerA)
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, c.by, lab.DNS("atonce.bar"), unix.ESRCH)
	eventually(t, quick, "the registration is gone", func() bool { return !registered(t, broker, "first") })
	refusedWith(t, c.by, lab.DNS("later.bar"), unix.ESRCH)
	if counter(t, broker, "absent") == 0 {
		t.Error("the broker counted no upcall of an absent container")
	}
	registerPID(t, broker, "second", c.by)
	answered(t, c.by, "after.bar", answerA)
}

// The same with questions on their way at the very moment of the death, and of
// the next registration.
func TestAbsentInMidFlight(t *testing.T) {
	const threads, each = 8, 30
	_, broker, c, first := neighbours(t, threads)
	own, gone := new(tally), 0
	for i := range rounds(t, 10) {
		name := strconv.Itoa(i)
		registerPID(t, broker, "first"+name, first)
		per := make([][]lab.Question, threads)
		for j := range per {
			for k := range each {
				per[j] = append(per[j], lab.DNS(fmt.Sprintf("n%d.t%d.r%s.bar", k, j, name)))
			}
		}
		answers := during(t, c.by, per, func() {
			if err := first.Kill(); err != nil {
				t.Error(err)
			}
			registerPID(t, broker, "second"+name, c.by)
		})
		for j, all := range answers {
			for k, a := range all {
				if a.Errno == unix.ESRCH {
					gone++
					continue
				}
				own.add(c.Name, string(per[j][k].Desc), a, answerA)
			}
		}
		ctl(t, broker, "unregister", "second"+name)
		first = another(t, c)
	}
	t.Logf("%v, and ESRCH %d", own, gone)
	if err := own.verdict(false); err != nil {
		t.Error(err)
	}
	if gone == 0 {
		t.Error("nobody asked after the death: the lane proves nothing")
	}
}

// during asks, and lets something happen in the middle of it.
func during(t *testing.T, by *lab.Requester, per [][]lab.Question, happen func()) [][]lab.Answer {
	t.Helper()
	type outcome struct {
		answers [][]lab.Answer
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		answers, err := by.AskAll(t.Context(), time.Time{}, per)
		done <- outcome{answers, err}
	}()
	time.Sleep(40 * time.Millisecond) // to be in the middle; no verdict hangs on it
	happen()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.answers
}

// listing is what upcallctl list tells.
type listing struct {
	Contexts []struct {
		ID   uint64
		Name string
	}
	Lost []string
}

func list(t *testing.T, b *lab.Broker) (l listing) {
	t.Helper()
	if err := json.Unmarshal([]byte(ctl(t, b, "list", "--json")), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// A container that was registered when its broker was killed is lost, until it
// is registered again or unregistered. The host is answered all the time.
func TestLost(t *testing.T) {
	for _, tc := range []struct {
		name string
		then func(t *testing.T, b *lab.Broker, c *container, last uint64)
		want string
	}{
		{"unregistered", forgotten, answerHost},
		{"registered again", registeredAgain, answerA},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			needStock(t)
			broker := startUpcalld(t, l, "--takeover", "")
			hostResolver(t, l)
			c := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
			host := hostRequester(t, l)
			answered(t, host, "h0.bar", answerHost)
			register(t, broker, c)
			id := list(t, broker).Contexts[0].ID
			answered(t, c.by, "c0.bar", answerA)
			answered(t, host, "h1.bar", answerHost)
			lose(t, broker, c, host)
			tc.then(t, broker, c, id)
			answered(t, c.by, "c3.bar", tc.want)
			answered(t, host, "h4.bar", answerHost)
		})
	}
}

func hostRequester(t *testing.T, l *lab.Lab) *lab.Requester {
	t.Helper()
	r, err := l.HostRequester(lab.RequesterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lose kills the broker and starts it again.
func lose(t *testing.T, broker *lab.Broker, c *container, host *lab.Requester) {
	t.Helper()
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, c.by, lab.DNS("c1.bar"), unix.ENOTCONN) // the stub says so
	answered(t, host, "h2.bar", answerHost)
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, c.by, lab.DNS("c2.bar"), unix.ENOTCONN) // and now the broker
	if n := counter(t, broker, "absent"); n != 1 {
		t.Errorf("the broker counted %d upcalls of absent containers, want 1", n)
	}
	answered(t, host, "h3.bar", answerHost)
	if got := list(t, broker); len(got.Contexts) != 0 || len(got.Lost) != 1 || got.Lost[0] != c.Name {
		t.Errorf("list tells %+v, want %s lost", got, c.Name)
	}
}

func forgotten(t *testing.T, b *lab.Broker, c *container, _ uint64) {
	t.Helper()
	ctl(t, b, "unregister", c.Name)
	if got := list(t, b); len(got.Lost) != 0 {
		t.Errorf("still lost: %v", got.Lost)
	}
}

func registeredAgain(t *testing.T, b *lab.Broker, c *container, last uint64) {
	t.Helper()
	register(t, b, c)
	if got := list(t, b); len(got.Lost) != 0 || len(got.Contexts) != 1 || got.Contexts[0].ID <= last {
		t.Errorf("list tells %+v, want one with an id above %d", got, last)
	}
}
