package uml

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// buildUpcalld builds all of upcalld's programs into the machine's share.
func (m *machine) buildUpcalld(t *testing.T) {
	t.Helper()
	build(t, filepath.Join(m.share, "upcalld"), nil, "github.com/upcalld/upcalld/cmd/...")
}

// TestReferralUpcalld holds that each of two containers, and the host, follows
// the referral to its own server, whoever came before it or comes at the same
// moment; and that the lane sees it when the stub does not keep answers apart.
func TestReferralUpcalld(t *testing.T) {
	m := newMachine(t, "referral-upcalld")
	m.buildUpcalld(t)
	m.buildStub(t, "leaky", "unlink,guard")
	m.boot(t, 4*time.Minute)
	judge(t, m, map[string]func(*testing.T, result){
		"upcalld/alternate":  apart,
		"upcalld/host-first": apart,
		"upcalld/host-last":  apart,
		"upcalld/jitter":     apartOrRefused,
		"upcalld/insistent":  apartInTheEnd,
		"leaky/alternate":    leaks,
		"leaky/jitter":       leaks,
	})
}

// installUpcalld installs upcalld as a package would, below share/root.
func (m *machine) installUpcalld(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(interrupted, "make", "-C", "../..", "install",
		"DESTDIR="+filepath.Join(m.share, "root"), "PREFIX=/usr")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
}

// TestSystemd holds that upcalld works as its units say: started by the first
// upcall, healthy, restarted, and its helper started by a socket of its own in
// the network namespace that the socket is named after.
func TestSystemd(t *testing.T) {
	m := newMachine(t, "systemd")
	m.installUpcalld(t)
	m.boot(t, 3*time.Minute)
	checks, err := os.ReadFile(filepath.Join(m.out, "checks"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(checks)) {
		if failed, found := strings.CutPrefix(line, "not ok "); found {
			t.Error(strings.TrimSpace(failed))
			continue
		}
		t.Log(strings.TrimSpace(line))
	}
}
