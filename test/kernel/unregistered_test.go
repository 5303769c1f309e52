package kernel

import (
	"strconv"
	"testing"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// A namespace that nobody registered is served as before upcalld, and so is the
// host, while a registered container beside them gets its own.
func TestUnregisteredAsBefore(t *testing.T) {
	eachMode(t, func(t *testing.T, l *lab.Lab, mode string) {
		needStock(t)
		broker := startUpcalld(t, l, mode, "")
		hostResolver(t, l)
		a, b, sides := twoPorts(t, l, lab.RequesterOptions{})
		register(t, broker, a)
		host, err := l.HostRequester(lab.RequesterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		mark := len(broker.Log())
		sides = []side{sides[0], b.side(answerHost), {"host", host, answerHost}}
		if err := sameMoment(t, rounds(t, 100), 0, sides...).verdict(false); err != nil {
			t.Error(err)
		}
		if n := b.server.Total(); n != 0 {
			t.Errorf("an unregistered namespace was entered: its name server saw %d questions", n)
		}
		logged(t, broker, mark, strconv.Itoa(b.by.Threads()[0]), namespace(t, b))
	})
}

func TestUnregisteredRejected(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "unregistered = \"reject\"\n")
	a, b, _ := twoPorts(t, l, lab.RequesterOptions{})
	register(t, broker, a)
	mark := len(broker.Log())
	refusedWith(t, b.by, lab.DNS("foo.bar"), unix.EPERM)
	if n := b.server.Total(); n != 0 {
		t.Errorf("its name server saw %d questions", n)
	}
	logged(t, broker, mark, strconv.Itoa(b.by.Threads()[0]), namespace(t, b))
	if n := counter(t, broker, "unregistered"); n != 1 {
		t.Errorf("the broker counted %d unregistered upcalls, want 1", n)
	}
	if pids := broker.Helpers(helper); len(pids) != 0 {
		t.Errorf("helpers %v run for nobody", pids)
	}
	answered(t, a.by, "foo.bar", answerA)
}

// Without a stock handler there is nobody else to ask: rejected at once.
func TestUnregisteredWithoutStock(t *testing.T) {
	l := newLab(t)
	needPrograms(t)
	if err := l.RemoveHook(); err != nil {
		t.Fatal(err)
	}
	startUpcalld(t, l, "--takeover", "")
	_, b, _ := twoPorts(t, l, lab.RequesterOptions{})
	refusedWith(t, b.by, lab.DNS("foo.bar"), unix.ENOKEY)
}

// refusedWith asserts the errno, and that it came at once.
func refusedWith(t *testing.T, by *lab.Requester, q lab.Question, want unix.Errno) {
	t.Helper()
	a, took := one(t, by, q)
	if a.Call != "request_key" || a.Errno != want {
		t.Errorf("%s %.60q: got %v, want %s", q.Type, q.Desc, a, unix.ErrnoName(want))
	}
	if took > quick {
		t.Errorf("%s %.60q: took %v", q.Type, q.Desc, took)
	}
}

// answered asserts the right answer, soon.
func answered(t *testing.T, by *lab.Requester, name, want string) {
	t.Helper()
	a, took := one(t, by, lab.DNS(name))
	if a.Errno != 0 || a.Text() != want || took > quick {
		t.Errorf("%s: got %v, want %q within %v", name, a, want, quick)
	}
}
