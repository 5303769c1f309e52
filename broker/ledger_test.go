package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/nscontext"
)

// ledgerTime is what the ledgers here take for now.
var ledgerTime = time.Unix(1000, 0)

// serials are the numbers of network namespaces, where the kernel has them.
var serials = map[nscontext.ID]nscontext.Serial{}

func absentErrno(l *ledger, who, host nscontext.Set) (unix.Errno, bool) {
	return l.isAbsent(who, host, func() nscontext.Serial { return serials[who[nscontext.Net]] })
}

func isLost(l *ledger, who, host nscontext.Set) bool {
	errno, absent := absentErrno(l, who, host)
	return absent && errno == ErrLost
}

func mustOpen(t *testing.T, path string) *ledger {
	t.Helper()
	l, err := openLedger(path, func() time.Time { return ledgerTime })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustEnter(t *testing.T, l *ledger, ids nscontext.Set) uint64 {
	t.Helper()
	id, err := l.enter(entry{fmt.Sprintf("box%d", ids[nscontext.Net].Ino), ids, serials[ids[nscontext.Net]]}, set(1, 10))
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
	l.leave(gone, false)
	if isLost(l, set(2, 20), host) {
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
			if got := isLost(l, c.who, host); got != c.want {
				t.Errorf("restart %d, %s: lost %v", restart, name, got)
			}
		}
		l.close()
	}

	l = mustOpen(t, path)
	if id := mustEnter(t, l, set(2, 0)); id != 4 {
		t.Errorf("id %d after a restart, want 4", id)
	}
	if isLost(l, set(2, 20), host) {
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
		l.leave(mustEnter(t, l, set(3, 30)), false)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 64<<10 {
		t.Errorf("%d bytes for one container: %v", info.Size(), err)
	}
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if !isLost(l, set(2, 20), set(1, 10)) || isLost(l, set(3, 30), set(1, 10)) {
		t.Errorf("context %d is forgotten, or one that ended is not", stays)
	}
	if id := mustEnter(t, l, set(9, 9)); id != 5002 {
		t.Errorf("id %d, want 5002", id)
	}
}

func TestLedgerPassesOverDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := os.WriteFile(path, []byte("\x00\xff\n+ 7 4 2 0 4 20 box\n+ 8 4\n- x\n+ 9 4 3"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, path)
	defer l.close()
	if !isLost(l, set(2, 20), set(1, 10)) {
		t.Error("a good line among bad ones was not read")
	}
	if id := mustEnter(t, l, set(5, 5)); id != 8 {
		t.Errorf("id %d, want 8", id)
	}
}

func TestAbsenceEnds(t *testing.T) {
	defer func(was time.Time) { ledgerTime = was }(ledgerTime)
	host, path := set(1, 10), filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	mustEnter(t, l, set(2, 20))
	ended := mustEnter(t, l, set(3, 30))
	l.leave(ended, true)
	if errno, ok := absentErrno(l, set(3, 31), host); !ok || errno != ErrGone {
		t.Errorf("another task of a container that has just ended: %v %v", errno, ok)
	}
	ledgerTime = ledgerTime.Add(endedFor + 1)
	if _, ok := absentErrno(l, set(3, 31), host); ok {
		t.Error("it has not ended for good")
	}
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if got := l.lost(); len(got) != 1 || got[0] != "box2" {
		t.Errorf("lost: %v", got)
	}
	ledgerTime = ledgerTime.Add(lostFor + 1)
	if isLost(l, set(2, 20), host) || len(l.lost()) != 0 {
		t.Error("lost for ever")
	}
}

func TestLostCanBeForgottenByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	mustEnter(t, l, set(2, 20))
	l.close()
	l = mustOpen(t, path)
	if n := l.forgetName("bix"); n != 0 {
		t.Errorf("forgot %d of another name", n)
	}
	if n := l.forgetName("box2"); n != 1 || isLost(l, set(2, 20), set(1, 10)) {
		t.Errorf("forgot %d", n)
	}
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if isLost(l, set(2, 20), set(1, 10)) {
		t.Error("it came back")
	}
}

// A container that comes back under its name in new namespaces is not lost.
func TestNameComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	mustEnter(t, l, set(2, 20))
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if _, err := l.enter(entry{name: "box2", ids: set(7, 70)}, set(1, 10)); err != nil {
		t.Fatal(err)
	}
	if names := l.lost(); len(names) != 0 {
		t.Errorf("%v are lost", names)
	}
}

// A host that was registered by mistake once is still the host.
func TestTheHostIsNeverAbsent(t *testing.T) {
	host, path := set(1, 10), filepath.Join(t.TempDir(), "ledger")
	l := mustOpen(t, path)
	mustEnter(t, l, host)
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if isLost(l, host, host) {
		t.Error("the host is lost")
	}
}

// The inode of a lost container's namespace may be somebody else's by now.
func TestAnotherNamespaceWithTheSameInode(t *testing.T) {
	net := set(2, 0)[nscontext.Net]
	defer delete(serials, net)
	path := filepath.Join(t.TempDir(), "ledger")
	serials[net] = 77
	l := mustOpen(t, path)
	mustEnter(t, l, set(2, 20))
	l.close()
	l = mustOpen(t, path)
	defer l.close()
	if !isLost(l, set(2, 21), set(1, 10)) {
		t.Error("the container is not lost")
	}
	if serials[net] = 78; isLost(l, set(2, 21), set(1, 10)) {
		t.Error("a later namespace with its inode is taken for it")
	}
}
