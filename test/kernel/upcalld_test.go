package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
)

// deadline is the stub's own, and slack what a busy machine may add to it.
const (
	deadline = 10 * time.Second
	slack    = 2 * time.Second
	quick    = time.Second // for what needs nothing from anybody
)

// programs builds upcalld once for all lanes; closing all labs removes it.
var programs = sync.OnceValues(func() (lab.Bin, error) {
	l, err := lab.New()
	if err != nil {
		return "", err
	}
	return l.Build()
})

func needPrograms(t *testing.T) lab.Bin {
	t.Helper()
	bin, err := programs()
	if errors.Is(err, lab.ErrNoSource) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// startUpcalld starts the broker and points the kernel at its stub: mode is
// "--takeover" or "--drop-in".
func startUpcalld(t *testing.T, l *lab.Lab, mode, config string) *lab.Broker {
	t.Helper()
	bin := needPrograms(t)
	b := startBroker(t, l, bin, config)
	hook(t, b, mode, bin.Path("request-key"))
	return b
}

func startBroker(t *testing.T, l *lab.Lab, bin lab.Bin, config string) *lab.Broker {
	t.Helper()
	b, err := l.StartBroker(bin, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log := b.Log()
			t.Logf("upcalld's log ends:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return b
}

// hook enables the stub and, at the end of the lane, asserts that disabling
// puts back exactly what was there.
func hook(t *testing.T, b *lab.Broker, mode, stub string) {
	t.Helper()
	before, err := lab.HookState()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if _, err := b.Ctl(ctx, "hook", "disable"); err != nil {
			t.Error(err)
		}
		if after, _ := lab.HookState(); after != before {
			t.Errorf("hook disable does not put back what was there.\nbefore:\n%s\nafter:\n%s", before, after)
		}
	})
	ctl(t, b, "hook", "enable", mode, "--stub", stub)
}

// ctl runs upcallctl, which must succeed.
func ctl(t *testing.T, b *lab.Broker, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	out, err := b.Ctl(ctx, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func register(t *testing.T, b *lab.Broker, containers ...*container) {
	t.Helper()
	for _, c := range containers {
		ctl(t, b, "register", c.Name, "--netns", c.Container.Path())
	}
}

// counter is one of the broker's own counts of upcalls.
func counter(t *testing.T, b *lab.Broker, name string) uint64 {
	t.Helper()
	var status struct{ Counters map[string]uint64 }
	if err := json.Unmarshal([]byte(ctl(t, b, "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	n, ok := status.Counters[name]
	if !ok {
		t.Fatalf("upcallctl status has no counter %q", name)
	}
	return n
}

// registered says whether the broker lists a container of that name.
func registered(t *testing.T, b *lab.Broker, name string) bool {
	t.Helper()
	var list struct{ Contexts []struct{ Name string } }
	if err := json.Unmarshal([]byte(ctl(t, b, "list", "--json")), &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list.Contexts {
		if c.Name == name {
			return true
		}
	}
	return false
}

// eventually fails the lane when ok does not come true in time.
func eventually(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(d)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(5 * time.Millisecond) // polls a condition, decides nothing
	}
}

// logged asserts that what upcalld wrote after mark comes to hold all texts.
func logged(t *testing.T, b *lab.Broker, mark int, texts ...string) {
	t.Helper()
	for _, text := range texts {
		eventually(t, quick, "log of "+text, func() bool { return strings.Contains(b.Log()[mark:], text) })
	}
}
