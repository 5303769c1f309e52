package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// clock is turned by hand.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newTest(entries int, bytes int64) (*Cache[string, string], *clock) {
	c := &clock{time.Unix(1000, 0)}
	return New[string, string](entries, bytes, c.now), c
}

func TestExpiry(t *testing.T) {
	c, clk := newTest(10, 1000)
	c.Put("a", "1", 1, 10*time.Second)
	clk.t = clk.t.Add(9 * time.Second)
	if v, left, ok := c.Get("a"); !ok || v != "1" || left != time.Second {
		t.Errorf("one second before the end: %q %v %v", v, left, ok)
	}
	clk.t = clk.t.Add(time.Second)
	if _, _, ok := c.Get("a"); ok {
		t.Error("still there at its end")
	}
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 || s.Expired != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestEvictsTheLeastRecentlyUsed(t *testing.T) {
	c, _ := newTest(2, 1000)
	c.Put("a", "1", 1, time.Hour)
	c.Put("b", "2", 1, time.Hour)
	c.Get("a")
	c.Put("c", "3", 1, time.Hour)
	if _, _, ok := c.Get("b"); ok {
		t.Error("b stayed, though a was used after it")
	}
	if _, _, ok := c.Get("a"); !ok {
		t.Error("a went, though it was used last")
	}
}

func TestBytesBound(t *testing.T) {
	c, _ := newTest(100, 10)
	for i := range 20 {
		c.Put(fmt.Sprint(i), "x", 3, time.Hour)
		if s := c.Stats(); s.Bytes > 10 {
			t.Fatalf("%d bytes after %d entries", s.Bytes, i+1)
		}
	}
	c.Put("huge", "x", 11, time.Hour)
	if _, _, ok := c.Get("huge"); ok {
		t.Error("kept an entry larger than the cache")
	}
	if s := c.Stats(); s.Entries != 3 {
		t.Errorf("the huge entry drove others out: %+v", s)
	}
}

func TestReplace(t *testing.T) {
	c, _ := newTest(4, 100)
	c.Put("a", "old", 50, time.Hour)
	c.Put("a", "new", 5, time.Hour)
	if v, _, _ := c.Get("a"); v != "new" {
		t.Errorf("got %q", v)
	}
	if s := c.Stats(); s.Bytes != 5 || s.Entries != 1 {
		t.Errorf("stats %+v", s)
	}
	c.Put("a", "dead", 5, 0)
	if _, _, ok := c.Get("a"); ok {
		t.Error("a value without a life was kept, or the old one stayed")
	}
}

func TestClear(t *testing.T) {
	c, _ := newTest(4, 100)
	c.Put("a", "1", 1, time.Hour)
	c.Put("b", "1", 1, time.Hour)
	if n := c.Clear(); n != 2 {
		t.Errorf("cleared %d", n)
	}
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestConcurrent(t *testing.T) {
	c := New[int, int](64, 1<<20, time.Now)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c.Put(i%100, g, 10, time.Minute)
				c.Get((i + g) % 100)
			}
		})
	}
	wg.Wait()
	if s := c.Stats(); s.Entries > 64 || s.Bytes != int64(s.Entries)*10 {
		t.Errorf("stats %+v", s)
	}
}
