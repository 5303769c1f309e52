package kernel

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

const helper = "dns-resolve"

// fault is a container whose name server takes its time, and a broker.
func fault(t *testing.T, o lab.RequesterOptions) (*lab.Lab, *lab.Broker, *container) {
	t.Helper()
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a := newContainer(t, l, "a", lab.IPv4, lab.Slow(3*time.Second, zone(answerA)), o)
	return l, broker, a
}

// asking starts a question and returns when the container's name server got it.
func asking(t *testing.T, c *container, name string) <-chan lab.Answer {
	t.Helper()
	done := make(chan lab.Answer, 1)
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		a, err := c.by.Ask(ctx, lab.DNS(name))
		if err != nil {
			t.Error(err)
			return
		}
		done <- a
	}()
	eventually(t, 5*time.Second, "the question is at the name server", func() bool { return c.server.Count(name) > 0 })
	return done
}

// killHelpers kills every helper that runs, of which there must be one.
func killHelpers(t *testing.T, b *lab.Broker) {
	t.Helper()
	pids := b.Helpers(helper)
	if len(pids) == 0 {
		t.Fatalf("no %s runs", helper)
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Error(err)
		}
	}
	eventually(t, 5*time.Second, "the helpers are dead", func() bool {
		return !overlap(pids, b.Helpers(helper))
	})
}

func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(x int) bool { return slices.Contains(b, x) })
}

// Killed once, the helper is started again and the question answered.
func TestHelperKilledOnce(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	register(t, broker, a)
	done := asking(t, a, "foo.bar")
	killHelpers(t, broker)
	if got := <-done; got.Errno != 0 || got.Text() != answerA {
		t.Errorf("got %v, want %s", got, answerA)
	}
}

// Killed twice, the question ends with an errno, and the next is answered.
func TestHelperKilledTwice(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	register(t, broker, a)
	done := asking(t, a, "foo.bar")
	first := a.server.Count("foo.bar")
	killHelpers(t, broker)
	eventually(t, 5*time.Second, "the question is asked again", func() bool { return a.server.Count("foo.bar") > first })
	killHelpers(t, broker)
	if got := <-done; got.Errno != unix.EREMOTEIO {
		t.Errorf("got %v, want EREMOTEIO", got)
	}
	a.server.Set(zone(answerA))
	next := 0
	eventually(t, deadline, "a new helper answers", func() bool {
		next++ // a rejected name stays so for a while
		got, _ := one(t, a.by, lab.DNS(fmt.Sprintf("next%d.bar", next)))
		return got.Errno == 0
	})
}

// Nobody hangs when the broker dies with 20 upcalls in flight, and the next
// broker serves the same containers.
func TestBrokerKilled(t *testing.T) {
	const inFlight = 20
	_, broker, a := fault(t, lab.RequesterOptions{Threads: inFlight})
	a.server.Set(lab.Dead)
	register(t, broker, a)
	answers := make(chan [][]lab.Answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		per := make([][]lab.Question, inFlight)
		for i := range per {
			per[i] = []lab.Question{lab.DNS(fmt.Sprintf("f%d.bar", i))}
		}
		all, err := a.by.AskAll(ctx, time.Time{}, per)
		if err != nil {
			t.Error(err)
		}
		answers <- all
	}()
	eventually(t, 5*time.Second, "20 upcalls are in flight", func() bool {
		asked := 0
		for i := range inFlight {
			asked += min(1, a.server.Count(fmt.Sprintf("f%d.bar", i)))
		}
		return asked == inFlight
	})
	if err := broker.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, got := range <-answers {
		if got[0].Errno != unix.ECONNRESET || got[0].Micros > int64((deadline+slack)/time.Microsecond) {
			t.Errorf("requester %d: %v, want ECONNRESET before the deadline", i, got[0])
		}
	}
	worksAgain(t, broker, a)
}

func worksAgain(t *testing.T, broker *lab.Broker, a *container) {
	t.Helper()
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	a.server.Set(zone(answerA))
	if !registered(t, broker, a.Name) {
		t.Log("the registration did not outlive the broker; registering again")
		register(t, broker, a)
	}
	answered(t, a.by, "again.bar", answerA)
}

// A broker that stops answers what is in flight.
func TestBrokerStopsGracefully(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	a.server.Set(lab.Slow(500*time.Millisecond, zone(answerA)))
	register(t, broker, a)
	done := asking(t, a, "foo.bar")
	if err := broker.Stop(); err != nil {
		t.Error(err)
	}
	if got := <-done; got.Errno != 0 || got.Text() != answerA {
		t.Errorf("got %v, want %s", got, answerA)
	}
	worksAgain(t, broker, a)
}

// The container dies while its upcall runs: an errno, and nothing stays.
func TestContainerDies(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	before, err := broker.FDs()
	if err != nil {
		t.Fatal(err)
	}
	leader, err := a.Requester(lab.RequesterOptions{Files: true})
	if err != nil {
		t.Fatal(err)
	}
	registerPID(t, broker, a.Name, leader)
	done := asking(t, a, "foo.bar")
	if err := leader.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.Errno != unix.ESRCH {
		t.Errorf("got %v, want ESRCH", got)
	}
	gone(t, broker, a, before)
}

// The same for one registered by path, whose name is removed.
func TestContainerNameRemoved(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	before, err := broker.FDs()
	if err != nil {
		t.Fatal(err)
	}
	register(t, broker, a)
	done := asking(t, a, "foo.bar")
	if err := a.Container.Delete(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.Errno != unix.ESRCH {
		t.Errorf("got %v, want ESRCH", got)
	}
	gone(t, broker, a, before)
}

// gone asserts that nothing of the container is left in the broker.
func gone(t *testing.T, b *lab.Broker, c *container, fds int) {
	t.Helper()
	eventually(t, deadline, "the registration is gone", func() bool { return !registered(t, b, c.Name) })
	eventually(t, deadline, "its handles are closed", func() bool {
		now, err := b.FDs()
		return err == nil && now <= fds
	})
	eventually(t, deadline, "its helper has ended", func() bool {
		return len(b.Helpers(helper)) == 0
	})
}

// A container of the same name and namespace does not inherit the cache.
func TestCacheDiesWithTheContainer(t *testing.T) {
	_, broker, a := fault(t, lab.RequesterOptions{})
	a.server.Set(zone(answerA))
	register(t, broker, a)
	answered(t, a.by, "foo.bar", answerA)
	ctl(t, broker, "unregister", a.Name)
	a.server.Set(zone(answerB4))
	register(t, broker, a)
	c := new(tally)
	round(t, c, "foo.bar", 0, []side{a.side(answerB4)})
	if err := c.verdict(false); err != nil {
		t.Error(err)
	}
}

// One container floods with names that never resolve; another stays quick.
func TestFlood(t *testing.T) {
	l, broker, a := fault(t, lab.RequesterOptions{Threads: 32})
	a.server.Set(lab.Dead)
	b := newContainer(t, l, "b", lab.IPv4, zone(answerB4), lab.RequesterOptions{})
	register(t, broker, a, b)
	var wg sync.WaitGroup
	var flood [][]lab.Answer
	wg.Go(func() { flood = floodWith(t, a, 32, 3) })
	eventually(t, 5*time.Second, "the flood is on", func() bool { return a.server.Total() > 0 })
	for i := range 100 {
		answered(t, b.by, fmt.Sprintf("calm%d.bar", i), answerB4)
	}
	wg.Wait()
	for _, answers := range flood {
		for _, got := range answers {
			if got.Errno != unix.ETIMEDOUT && got.Errno != unix.EDQUOT && got.Errno != unix.ETIME {
				t.Errorf("the flood got %v, want ETIMEDOUT, EDQUOT or ETIME", got)
			}
		}
	}
}

func floodWith(t *testing.T, c *container, threads, each int) [][]lab.Answer {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(each)*patience)
	defer cancel()
	per := make([][]lab.Question, threads)
	for i := range per {
		for j := range each {
			per[i] = append(per[i], lab.DNS(fmt.Sprintf("flood%d.t%d.bar", j, i)))
		}
	}
	all, err := c.by.AskAll(ctx, time.Time{}, per)
	if err != nil {
		t.Error(err)
	}
	return all
}
