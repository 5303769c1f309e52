// Package kernel holds the lanes that make real request_key(2) upcalls on the
// running kernel, as root: the kernel starts /sbin/request-key in the host's
// namespaces for processes in network namespaces of their own.
//
// The files: main_test.go the host's lock and the end of a run, fixture_test.go
// labs and ports, checker_test.go the one judge of all rounds, rounds_test.go
// who asks what when; stock_test.go and floor_test.go the controls without
// upcalld, isolation_test.go and sharedring_test.go its main promises, and
// unregistered_test.go, badfiles_test.go, badservers_test.go,
// baddescriptions_test.go, faults_test.go what must happen when things are bad,
// and sandbox_test.go what a helper has; absent_test.go who was registered once,
// hanging_test.go what hangs, config_test.go changed files and given roots.
package kernel

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
)

func TestMain(m *testing.M) {
	lab.MaybeChild()
	flag.Parse()
	os.Exit(underLock(m))
}

// underLock runs the lanes while nobody else uses the host's hook. Without root
// there is nothing to lock, and every lane says so.
func underLock(m *testing.M) int {
	if lab.Possible() != nil {
		return m.Run()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	lock, err := lab.Lock(ctx)
	if err == nil {
		defer lock.Unlock()
		err = lab.Sweep()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer closeBeforeTimeout().Stop()
	code := m.Run()
	if err := lab.CloseAll(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// closeBeforeTimeout puts the host back before go test's own timeout, which ends
// the process without a clean-up.
func closeBeforeTimeout() *time.Timer {
	limit := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration)
	const reserve = 20 * time.Second
	if limit <= 2*reserve {
		limit = 24 * time.Hour // none was set, or it is too short to matter
	}
	return time.AfterFunc(limit-reserve, func() {
		fmt.Fprintln(os.Stderr, "kernel: out of time; putting the host back:", lab.CloseAll())
		os.Exit(1)
	})
}

// rounds scales a number of rounds by UPCALLD_ROUNDS, which stands for the
// 1,000 of the longest lane; 0 stays a mistake, not a lane that cannot fail.
func rounds(t *testing.T, n int) int {
	t.Helper()
	text := os.Getenv("UPCALLD_ROUNDS")
	if text == "" {
		return n
	}
	scale, err := strconv.Atoi(text)
	if err != nil || scale < 1 {
		t.Fatalf("UPCALLD_ROUNDS=%q is not a number of rounds", text)
	}
	return max(1, n*scale/1000)
}

// missing skips a lane and says what it needs; in CI everything is there.
func missing(t *testing.T, what any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("missing in CI: %v", what)
	}
	t.Skip("missing: ", what)
}
