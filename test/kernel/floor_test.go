package kernel

import (
	"os"
	"strconv"
	"testing"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// floor installs the least stub there is and makes two containers, which it
// answers with the number of their network namespace.
func floor(t *testing.T, o func(*lab.Lab) lab.RequesterOptions) (*lab.Lab, []side) {
	t.Helper()
	l := newLab(t)
	stub, err := l.BuildOne("test/kernel/floorstub")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.InstallHook(stub); err != nil {
		t.Fatal(err)
	}
	a, b, _ := twoPorts(t, l, o(l))
	return l, []side{a.side(namespace(t, a)), b.side(namespace(t, b))}
}

func namespace(t *testing.T, c *container) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(c.Container.Path(), &st); err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(st.Ino, 10)
}

func ownRings(*lab.Lab) lab.RequesterOptions { return lab.RequesterOptions{Threads: 8} }

// The lab itself, without a broker: each side gets its own answer, always.
func TestFloor(t *testing.T) {
	_, sides := floor(t, ownRings)
	if err := sameMoment(t, rounds(t, 1000), 0, sides...).verdict(false); err != nil {
		t.Error(err)
	}
	if err := uniqueNames(t, 8, rounds(t, 1000)/8+1, sides[0]).verdict(false); err != nil {
		t.Error(err)
	}
}

// Where the two share a keyring, the same stub must leak: the sides do meet.
func TestFloorLeaksThroughASharedRing(t *testing.T) {
	_, sides := floor(t, sharedRing(t, "upcalld-lab-floor"))
	c := sameMoment(t, rounds(t, 400), 0, sides...)
	if c.wrong == 0 {
		t.Errorf("no leak in lockstep: the sides never met: %v", c)
	}
}

// sharedRing makes one session keyring for both sides.
func sharedRing(t *testing.T, name string) func(*lab.Lab) lab.RequesterOptions {
	return func(l *lab.Lab) lab.RequesterOptions {
		t.Helper()
		if _, err := l.Ring(name); err != nil {
			t.Fatal(err)
		}
		return lab.RequesterOptions{Ring: name}
	}
}

// Another user's process can ask too.
func TestFloorOtherUser(t *testing.T) {
	_, sides := floor(t, func(*lab.Lab) lab.RequesterOptions { return lab.RequesterOptions{UID: 65534, Files: true} })
	if err := sameMoment(t, 5, 0, sides...).verdict(false); err != nil {
		t.Error(err)
	}
}

// The requester is itself in the namespace, files and all.
func TestRequesterIsInItsNamespaces(t *testing.T) {
	l := newLab(t)
	c := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{Files: true})
	pid := strconv.Itoa(c.by.PID())
	var own, inside unix.Stat_t
	if unix.Stat("/proc/"+pid+"/ns/net", &inside) != nil || unix.Stat(c.Container.Path(), &own) != nil || own.Ino != inside.Ino {
		t.Errorf("its network namespace is %d, the container's %d", inside.Ino, own.Ino)
	}
	conf, err := os.ReadFile("/proc/" + pid + "/root/etc/resolv.conf")
	if err != nil || string(conf) != c.ResolvConf() {
		t.Errorf("its resolv.conf: %q, %v", conf, err)
	}
}
