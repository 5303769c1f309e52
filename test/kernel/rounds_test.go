package kernel

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
)

// patience is how long a lane waits for one answer: longer than any deadline of
// a stub, so that an answer that misses it is a requester that hangs.
const patience = 15 * time.Second

// side is one container in a lane and what it must be told.
type side struct {
	name string
	by   *lab.Requester
	want string // for every name the lane asks
}

// sameMoment lets all sides ask the same name at the same moment, many times.
// Every other name is new, so that both hits and misses of a broker's cache
// are raced; the kernel's own cache is emptied before each round.
func sameMoment(t *testing.T, n int, jitter time.Duration, sides ...side) *tally {
	t.Helper()
	c := new(tally)
	for i := range n {
		name := "foo.bar"
		if i%2 == 1 {
			name = fmt.Sprintf("r%d.bar", i)
		}
		round(t, c, name, jitter, sides)
	}
	t.Logf("%d rounds: %v", n, c)
	return c
}

func round(t *testing.T, c *tally, name string, jitter time.Duration, sides []side) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	asks := make([]lab.Ask, len(sides))
	for i, s := range sides {
		if err := s.by.Clear(ctx); err != nil {
			t.Fatal(err)
		}
		asks[i] = lab.Ask{By: s.by, Question: lab.DNS(name)}
	}
	answers, err := lab.Together(ctx, jitter, asks...)
	if err != nil {
		t.Fatalf("%s: %v\nso far: %v", name, err, c)
	}
	for i, s := range sides {
		c.add(s.name, name, answers[i], s.want)
	}
}

// uniqueNames lets every thread of a side ask names that nobody asked before,
// all threads at once.
func uniqueNames(t *testing.T, threads, each int, s side) *tally {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience+time.Duration(threads*each)*50*time.Millisecond)
	defer cancel()
	per := make([][]lab.Question, threads)
	for i := range per {
		for j := range each {
			per[i] = append(per[i], lab.DNS(fmt.Sprintf("n%d.t%d.bar", j, i)))
		}
	}
	start := time.Now()
	all, err := s.by.AskAll(ctx, time.Time{}, per)
	if err != nil {
		t.Fatal(err)
	}
	c := new(tally)
	for i, answers := range all {
		for j, a := range answers {
			c.add(s.name, string(per[i][j].Desc), a, s.want)
		}
	}
	t.Logf("%d threads: %v; %.0f upcalls/s", threads, c, float64(c.asked)/time.Since(start).Seconds())
	return c
}

// one asks a single question and returns its answer and how long it took.
func one(t *testing.T, by *lab.Requester, q lab.Question) (lab.Answer, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := by.Ask(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	return a, time.Duration(a.Micros) * time.Microsecond
}
