package rootfile

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestReaderReads(t *testing.T) {
	root := tree(t, func(dir string) { write(t, dir, "f", "a\nb\n") })
	var r Reader
	f, err := r.Read(t.Context(), root, "f", limit)
	if err != nil || string(f.Data) != "a\nb\n" {
		t.Errorf("Read: %q, %v", f.Data, err)
	}
	if sig, err := r.Stat(t.Context(), root, "f"); err != nil || sig != f.Sig {
		t.Errorf("Stat: %v, %v", sig, err)
	}
	lines := 0
	if sig, err := r.Scan(t.Context(), root, "f", limit, func([]byte) bool { lines++; return true }); err != nil ||
		sig != f.Sig || lines != 2 {
		t.Errorf("Scan: %d lines, %v, %v", lines, sig, err)
	}
	if _, err := r.Read(t.Context(), root, "none", limit); !errors.Is(err, ErrNotExist) || errors.Is(err, ErrStuck) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := r.Read(t.Context(), -1, "f", limit); !errors.Is(err, unix.EBADF) {
		t.Errorf("no root: %v", err)
	}
	settled(t, &r)
}

// settled waits until no call runs, and looks that none is remembered.
func settled(t *testing.T, r *Reader) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		r.mu.Lock()
		roots, stuck := len(r.roots), r.stuck
		r.mu.Unlock()
		if roots == 0 && stuck == 0 && len(r.slots) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d roots, %d stuck, %d slots are left", roots, stuck, len(r.slots))
		}
	}
}

func TestReaderManyAtOnce(t *testing.T) {
	var r Reader
	var wg sync.WaitGroup
	roots := []int{}
	for range 4 {
		roots = append(roots, tree(t, func(dir string) { write(t, dir, "f", "x") }))
	}
	for i := range 400 {
		wg.Go(func() {
			if f, err := r.Read(t.Context(), roots[i%4], "f", limit); err != nil || string(f.Data) != "x" {
				t.Errorf("%q, %v", f.Data, err)
			}
		})
	}
	wg.Wait()
	settled(t, &r)
}

// TestFUSEAnswers makes sure that the server of these tests is a good one when
// it is not mute: else the next test could not fail.
func TestFUSEAnswers(t *testing.T) {
	root, _ := muteFUSE(t, 9999)
	var r Reader
	f, err := r.Read(t.Context(), root, "f", limit)
	if err != nil || string(f.Data) != fuseFile {
		t.Errorf("%q, %v", f.Data, err)
	}
}

func TestStuck(t *testing.T) {
	for op, name := range map[int]string{
		opLookup: "lookup", opGetattr: "getattr", opStatfs: "statfs", opOpen: "open", opRead: "read"} {
		t.Run(name, func(t *testing.T) { testStuck(t, op) })
	}
}

func testStuck(t *testing.T, op int) {
	var r Reader
	t.Cleanup(func() { settled(t, &r) }) // runs after the mount is gone
	root, heard := muteFUSE(t, op)
	good := tree(t, func(dir string) { write(t, dir, "f", "x") })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-heard; cancel() }()
	_, err := r.Read(ctx, root, "f", limit)
	if !errors.Is(err, ErrStuck) || !errors.Is(err, context.Canceled) || r.Stuck() != 1 {
		t.Fatalf("%v, %d stuck", err, r.Stuck())
	}
	// The same root, by another handle, is refused without a look, before its
	// context ends; other roots are served.
	again, err := unix.FcntlInt(uintptr(root), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(again)
	long, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if _, err := r.Stat(long, again, "f"); !errors.Is(err, ErrStuck) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("second call: %v", err)
	}
	if _, err := r.Read(t.Context(), good, "f", limit); err != nil {
		t.Errorf("another root: %v", err)
	}
}

func TestStuckEverywhere(t *testing.T) {
	var r Reader
	t.Cleanup(func() { settled(t, &r) })
	for i := range MaxStuck {
		root, heard := muteFUSE(t, opOpen)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-heard; cancel() }()
		if _, err := r.Read(ctx, root, "f", limit); !errors.Is(err, ErrStuck) || r.Stuck() != i+1 {
			t.Fatalf("%d: %v, %d stuck", i, err, r.Stuck())
		}
	}
	good := tree(t, func(dir string) { write(t, dir, "f", "x") })
	if _, err := r.Read(t.Context(), good, "f", limit); !errors.Is(err, ErrStuck) {
		t.Errorf("with %d stuck: %v", MaxStuck, err)
	}
}

// TestFlood asks a mute root 100 times at once: no more than perRoot calls
// reach it, and every caller has its answer at the deadline.
func TestFlood(t *testing.T) {
	var r Reader
	t.Cleanup(func() { settled(t, &r) })
	root, heard := muteFUSE(t, opOpen)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var wrong atomic.Int32
	for range 100 {
		wg.Go(func() {
			if _, err := r.Read(ctx, root, "f", limit); !errors.Is(err, ErrStuck) {
				wrong.Add(1)
			}
		})
	}
	for range perRoot {
		<-heard
	}
	cancel()
	wg.Wait()
	if wrong.Load() != 0 || r.Stuck() != perRoot || len(heard) != 0 {
		t.Errorf("%d wrong, %d stuck, %d more asked", wrong.Load(), r.Stuck(), len(heard))
	}
}

// TestScanEndsWithItsCaller: no line comes after Scan has returned, though many
// are in the buffer when its context ends.
func TestScanEndsWithItsCaller(t *testing.T) {
	var r Reader
	root := tree(t, func(dir string) { write(t, dir, "f", strings.Repeat("\n", MaxLine)) })
	ctx, cancel := context.WithCancel(t.Context())
	var returned atomic.Bool
	lines, late := 0, 0
	_, err := r.Scan(ctx, root, "f", limit, func([]byte) bool {
		if returned.Load() {
			late++
		}
		lines++
		cancel()
		runtime.Gosched()
		return true
	})
	returned.Store(true)
	settled(t, &r)
	if late != 0 || lines == 0 || err != nil && !errors.Is(err, ErrStuck) {
		t.Errorf("%d lines, %d late, %v", lines, late, err)
	}
}
