package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child locks itself and tries everything. It returns the exit status.
func child() int {
	const waiting = 8
	var wg sync.WaitGroup
	quit := make(chan struct{})
	defer wg.Wait()
	defer close(quit)
	ready := make(chan struct{})
	for range waiting { // threads from before Lock, which it must reach
		wg.Go(func() { runtime.LockOSThread(); ready <- struct{}{}; <-quit })
	}
	for range waiting {
		<-ready
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		fmt.Println("socketpair:", err)
		return 1
	}
	if err := Lock(); err != nil {
		fmt.Println("Lock:", err)
		return 1
	}
	status := 0
	for _, try := range []struct {
		name string
		do   func() error
	}{
		{"every thread is locked", func() error { return everyStatus(waiting) }},
		{"no core, not dumpable", noTraces},
		{"tcp", tcp}, {"udp", udp}, {"seqpacket", func() error { return seqpacket(pair) }}, {"netlink", routes},
		{"file", readFile}, {"threads", threads}, {"memory", memory}, {"timers", timers},
		{"refused calls", refusedCalls},
		{"new threads are locked", func() error { return everyStatus(waiting) }},
	} {
		err := try.do()
		if err != nil {
			status = 1
		}
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("SECCOMP refused a call (set %s=1 and look at dmesg): %w", LogEnv, err)
		}
		fmt.Printf("%s: %v\n", try.name, err)
	}
	return status
}

// everyStatus reads the status of at least so many threads. It tries their ids
// one by one, since a locked process cannot list a folder.
func everyStatus(atLeast int) error {
	want := map[string]string{"Seccomp": "2", "NoNewPrivs": "1",
		"Seccomp_filters": fmt.Sprint(len(policies(0)))}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		want[set] = "0000000000000000"
	}
	if os.Getuid() == 0 { // it could empty this one too
		want["CapBnd"] = "0000000000000000"
	}
	found, total := 0, 0
	for id := os.Getpid(); id < os.Getpid()+5000; id++ {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", id))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // not a thread, or it has ended
		}
		if err != nil {
			return err
		}
		got := fields(string(text))
		for k, v := range want {
			if got[k] != v {
				return fmt.Errorf("thread %d: %s is %q, want %q", id, k, got[k], v)
			}
		}
		found++
		total, _ = strconv.Atoi(got["Threads"])
	}
	if found < total || found < atLeast {
		return fmt.Errorf("found %d threads of %d, want at least %d", found, total, atLeast)
	}
	return nil
}

func fields(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(line, ":")
		out[k] = strings.TrimSpace(v)
	}
	return out
}

func noTraces() error {
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			return errors.New(line)
		}
	}
	// What is not dumpable has /proc files of root's (fs/proc/base.c, task_dump_owner).
	st, err := os.Stat("/proc/self/environ")
	if err == nil && st.Sys().(*syscall.Stat_t).Uid != 0 {
		err = errors.New("dumpable")
	}
	return err
}

// threads starts many at once: each clone passes the filter.
func threads() error {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 50 {
		wg.Go(func() { runtime.LockOSThread(); defer runtime.UnlockOSThread(); <-start })
	}
	close(start)
	wg.Wait()
	return nil
}

// memory makes the collector run, and give memory back.
func memory() error {
	for range 20 {
		var keep [][]byte
		for range 50 {
			keep = append(keep, make([]byte, 1<<20))
		}
		runtime.KeepAlive(keep)
		runtime.GC()
	}
	return nil
}

func timers() error {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() { <-time.After(time.Duration(i) * time.Millisecond) })
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5 {
		<-tick.C
	}
	for until := time.Now().Add(30 * time.Millisecond); time.Now().Before(until); {
		// busy, so that sysmon preempts by signal (tgkill)
	}
	wg.Wait()
	return nil
}
