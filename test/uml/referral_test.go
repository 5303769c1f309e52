package uml

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A result is what one scenario left: package guest, type plan, writes it.
type result struct {
	Name    string
	Rounds  int
	Seconds float64
	Clients map[string]tally
}

// A tally counts what came of one client's rounds.
type tally struct {
	Own     int
	Foreign map[string]int
	Failed  map[string]int
	Retried int
}

// scenario reads the result of HANDLER/NAME, and logs it.
func scenario(t *testing.T, m *machine, name string) result {
	t.Helper()
	file := strings.ReplaceAll(name, "/", ".") + ".json"
	text, err := os.ReadFile(filepath.Join(m.out, file))
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for client, c := range r.Clients {
		t.Logf("%s: %s: %d own, foreign %v, failed %v, retried %d",
			name, client, c.Own, c.Foreign, c.Failed, c.Retried)
	}
	return r
}

// foreign counts the rounds in which a client reached another's server.
func (r result) foreign() (n int) {
	for _, c := range r.Clients {
		n += sum(c.Foreign)
	}
	return n
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// leaks holds the scenario to be one where somebody was led to another's server:
// where that is expected and does not happen, the lane cannot see it.
func leaks(t *testing.T, r result) {
	if r.foreign() == 0 {
		t.Errorf("%s: no client reached a foreign server; expected at least one", r.Name)
	}
}

// apart holds that every client reached its own server, every time, and hardly
// ever was refused before that.
func apart(t *testing.T, r result) {
	apartInTheEnd(t, r)
	for client, c := range r.Clients {
		if 4*c.Retried > r.Rounds {
			t.Errorf("%s: %s was refused %d times in %d rounds, with nobody else asking",
				r.Name, client, c.Retried, r.Rounds)
		}
	}
}

// apartInTheEnd holds that every client reached its own server, every time,
// however often it had to ask.
func apartInTheEnd(t *testing.T, r result) {
	for client, c := range r.Clients {
		if c.Own != r.Rounds {
			t.Errorf("%s: %s reached its own server in %d of %d rounds", r.Name, client, c.Own, r.Rounds)
		}
	}
}

// neverForeign holds that no client ever reached a foreign server. It may be
// refused, which NFS reports as ENOENT, rather than led astray.
func neverForeign(t *testing.T, r result) {
	if n := r.foreign(); n > 0 {
		t.Errorf("%s: a foreign server reached in %d rounds", r.Name, n)
	}
	for client, c := range r.Clients {
		if c.Own+c.Failed["ENOENT"] != r.Rounds {
			t.Errorf("%s: %s failed with other than ENOENT: %v", r.Name, client, c.Failed)
		}
	}
}

// apartOrRefused also holds that at most half of a client's rounds were refused:
// keeping answers apart by refusing everybody would be no answer.
func apartOrRefused(t *testing.T, r result) {
	neverForeign(t, r)
	for client, c := range r.Clients {
		if 2*c.Own < r.Rounds {
			t.Errorf("%s: %s reached its own server in only %d of %d rounds", r.Name, client, c.Own, r.Rounds)
		}
	}
}

// judge holds each scenario to what is expected of it.
func judge(t *testing.T, m *machine, expect map[string]func(*testing.T, result)) {
	for _, name := range slices.Sorted(maps.Keys(expect)) {
		t.Run(name, func(t *testing.T) { expect[name](t, scenario(t, m, name)) })
	}
}

// TestReferralStock shows the fault that upcalld is for: stock keyutils leads a
// container to the host's server, and asking the right name server is not
// enough, because the kernel serves one namespace's answer to the next.
func TestReferralStock(t *testing.T) {
	m := newMachine(t, "referral-stock")
	m.boot(t, 2*time.Minute)
	judge(t, m, map[string]func(*testing.T, result){
		"stock/alternate":  leaks,
		"naive/cli1-alone": apart,
		"naive/cli2-alone": apart,
		"naive/cli1-first": leaks,
		"naive/cli2-first": leaks,
		"naive/host-first": leaks,
		"naive/host-last":  leaks,
		"naive/together":   leaks,
	})
}

// buildStub builds the stub into the machine's share as stub/<name>, with some
// of its guards switched off.
func (m *machine) buildStub(t *testing.T, name, off string) {
	t.Helper()
	dir := filepath.Join(m.share, "stub")
	build(t, dir, []string{"-tags", "upcalldtest", "-ldflags", "-X main.testOff=" + off},
		"github.com/upcalld/upcalld/cmd/request-key")
	if err := os.Rename(filepath.Join(dir, "request-key"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// TestReferralStub holds the stub, alone, to keep answers apart in the kernel's
// cache, and shows that both things it does for that are needed: without the
// unlink every answer is served to everybody, and without the guard those that
// meet before the unlink get each other's.
func TestReferralStub(t *testing.T) {
	m := newMachine(t, "referral-stub")
	m.buildStub(t, "guarded", "")
	m.buildStub(t, "unguarded", "guard")
	m.buildStub(t, "leaky", "unlink,guard")
	m.boot(t, 4*time.Minute)
	judge(t, m, map[string]func(*testing.T, result){
		"guarded/alternate":   apart,
		"guarded/host-first":  apart,
		"guarded/host-last":   apart,
		"guarded/jitter":      apartOrRefused,
		"guarded/lockstep":    neverForeign,
		"guarded/insistent":   apartInTheEnd,
		"unguarded/alternate": apart,
		"unguarded/lockstep":  leaks,
		"leaky/alternate":     leaks,
		"leaky/host-first":    leaks,
		"leaky/host-last":     leaks,
		"leaky/jitter":        leaks,
	})
}
