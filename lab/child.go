package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// childArg0 is the name under which a program starts itself as a requester.
const childArg0 = Prefix + "requester"

// MaybeChild must be the first call of main or TestMain of every program that
// uses requesters: in a process that a lab started it serves that lab and
// never returns.
func MaybeChild() {
	role := map[string]func([]string) error{childArg0: child, execArg0: hangInExec}[os.Args[0]]
	if role == nil {
		return
	}
	if err := role(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The exchange between a lab and its requester, one JSON value a line:
//
//	lab                                requester
//	  | <---- hello: its threads ---------- |
//	  | ----- command: ask or clear ------> |
//	  | <---- result: an answer for each -- |
//
// until the lab closes the pipe.

type hello struct {
	Threads []int
	Error   string
}

type command struct {
	Clear bool
	At    int64        // CLOCK_MONOTONIC in ns at which the threads start; 0 is now
	Ask   [][]Question // for each thread, one after another
}

type result struct {
	Answers [][]Answer
	Error   string
}

// child serves its lab: args are the number of threads, the ring's name or
// nothing, and the root directory or nothing.
func child(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("want THREADS RING ROOT, got %q", args)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := enterRoot(args[2]); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	threads, h := startThreads(n, args[1])
	if err := out.Encode(h); err != nil || h.Error != "" {
		return err
	}
	for in := json.NewDecoder(os.Stdin); in.More(); {
		var c command
		if err := in.Decode(&c); err != nil {
			return err
		}
		if err := out.Encode(run(threads, c)); err != nil {
			return err
		}
	}
	return nil
}

// enterRoot changes the root of the whole process: Go's threads share it.
func enterRoot(dir string) error {
	if dir == "" {
		return nil
	}
	if err := unix.Chroot(dir); err != nil {
		return fmt.Errorf("chroot %s: %w", dir, err)
	}
	return os.Chdir("/")
}

func startThreads(n int, ring string) ([]*thread, hello) {
	var h hello
	threads := make([]*thread, n)
	for i := range threads {
		t, err := newThread(ring)
		if err != nil {
			h.Error = err.Error()
			return nil, h
		}
		threads[i] = t
		h.Threads = append(h.Threads, t.tid)
	}
	return threads, h
}

// run does one command on all threads at the same time.
func run(threads []*thread, c command) result {
	if len(c.Ask) > len(threads) {
		return result{Error: fmt.Sprintf("questions for %d threads, there are %d", len(c.Ask), len(threads))}
	}
	if c.Clear {
		return clearAll(threads)
	}
	r := result{Answers: make([][]Answer, len(c.Ask))}
	var wg sync.WaitGroup
	for i, questions := range c.Ask {
		if len(questions) == 0 {
			continue
		}
		wg.Go(func() { threads[i].do(func() { r.Answers[i] = askAll(c.At, questions) }) })
	}
	wg.Wait()
	return r
}

func clearAll(threads []*thread) result {
	var r result
	for _, t := range threads {
		t.do(func() {
			if err := clearRings(); err != nil {
				r.Error = err.Error()
			}
		})
	}
	return r
}

// monotonic is CLOCK_MONOTONIC in ns: one clock for all processes of the host.
func monotonic() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail for this clock
	return ts.Nano()
}
