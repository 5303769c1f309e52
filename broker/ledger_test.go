package broker

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/upcalld/upcalld/nscontext"
)

func mustOpen(t *testing.T, path string) *ledger {
	t.Helper()
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustEnter(t *testing.T, l *ledger, ids nscontext.Set) uint64 {
	t.Helper()
	id, err := l.enter(ids, set(1, 10))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestLedgerRemembersWhoWasRegistered(t *testing.T) {
	host := set(1, 10)
	path := filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	box := mustEnter(t, l, set(2, 20))
	gone := mustEnter(t, l, set(3, 30))
	onHost := mustEnter(t, l, set(1, 40))
	if box != 1 || gone != 2 || onHost != 3 {
		t.Fatalf("ids %d %d %d", box, gone, onHost)
	}
	l.leave(gone)
	if l.isLost(set(2, 20), host) {
		t.Error("lost while it is registered")
	}
	l.close()

	for restart := range 2 { // what is lost stays lost however often it restarts
		l = mustOpen(t, path)
		for name, c := range map[string]struct {
			who  nscontext.Set
			want bool
		}{
			"the container":                        {set(2, 20), true},
			"its network, other mounts":            {set(2, 21), true},
			"one that was dropped":                 {set(3, 30), false},
			"one on the host's network":            {set(1, 40), true},
			"the host":                             {host, false},
			"a host service with its own mounts":   {set(1, 11), false},
			"a namespace that was never mentioned": {set(4, 20), false},
		} {
			if got := l.isLost(c.who, host); got != c.want {
				t.Errorf("restart %d, %s: lost %v", restart, name, got)
			}
		}
		l.close()
	}

	l = mustOpen(t, path)
	if id := mustEnter(t, l, set(2, 0)); id != 4 {
		t.Errorf("id %d after a restart, want 4", id)
	}
	if l.isLost(set(2, 20), host) {
		t.Error("still lost after it was registered by another way")
	}
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if id := mustEnter(t, l, set(9, 9)); id != 5 {
		t.Errorf("id %d, want 5", id)
	}
}

func TestLedgerDoesNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	stays := mustEnter(t, l, set(2, 20))
	for range 5000 {
		l.leave(mustEnter(t, l, set(3, 30)))
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 64<<10 {
		t.Errorf("%d bytes for one container: %v", info.Size(), err)
	}
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if !l.isLost(set(2, 20), set(1, 10)) || l.isLost(set(3, 30), set(1, 10)) {
		t.Errorf("context %d is forgotten, or one that ended is not", stays)
	}
	if id := mustEnter(t, l, set(9, 9)); id != 5002 {
		t.Errorf("id %d, want 5002", id)
	}
}

func TestLedgerPassesOverDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte("\x00\xff\n+ 7 4 2 4 20\n+ 8 4\n- x\n+ 9 4 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, path)
	defer l.close()
	if !l.isLost(set(2, 20), set(1, 10)) {
		t.Error("a good line among bad ones was not read")
	}
	if id := mustEnter(t, l, set(5, 5)); id != 8 {
		t.Errorf("id %d, want 8", id)
	}
}
