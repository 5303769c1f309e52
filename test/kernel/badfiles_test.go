package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// goodConf would lead to the port's name server, which answers. It gives up
// soon where a file makes the helper ask somebody who is not there.
const goodConf = "nameserver 10.77.0.1\noptions timeout:1 attempts:1\n"

// badFile is one state of a container's resolv.conf. With right the question
// is answered in spite of it.
type badFile struct {
	name  string
	put   func(l *lab.Lab, path string) error
	right bool
}

func content(b []byte) func(*lab.Lab, string) error {
	return func(_ *lab.Lab, path string) error { return os.WriteFile(path, b, 0o644) }
}

func link(target string) func(*lab.Lab, string) error {
	return func(_ *lab.Lab, path string) error { return os.Symlink(target, path) }
}

func servers(n int, good string) []byte {
	var b bytes.Buffer
	b.WriteString(good)
	for i := range n {
		fmt.Fprintf(&b, "nameserver 10.77.1.%d\n", i)
	}
	return b.Bytes()
}

var badFiles = []badFile{
	{name: "missing", put: func(*lab.Lab, string) error { return nil }},
	{name: "empty", put: content(nil)},
	{name: "10 MB", put: content(bytes.Repeat([]byte("# padding padding padding\n"), 10<<20/26))},
	{name: "10 MB in one line", put: content(bytes.Repeat([]byte("x"), 10<<20))},
	{name: "FIFO", put: func(_ *lab.Lab, path string) error { return unix.Mkfifo(path, 0o644) }},
	{name: "directory", put: func(_ *lab.Lab, path string) error { return os.Mkdir(path, 0o755) }},
	{name: "device", put: func(_ *lab.Lab, path string) error {
		return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) // /dev/zero never ends
	}},
	{name: "link out of the root", put: link("../../outside.conf")},
	{name: "absolute link out of the root", put: func(_ *lab.Lab, path string) error {
		return os.Symlink(filepath.Join(path, "../../../outside.conf"), path)
	}},
	{name: "link to itself", put: link("resolv.conf")},
	{name: "link to /proc", put: link("/proc/self/root/etc/resolv.conf")},
	{name: "link inside the root", put: link("/run/inside.conf"), right: true},
	{name: "FUSE", put: func(l *lab.Lab, path string) error { return l.HangingFile(path) }},
	{name: "100 name servers, good one first", put: content(servers(100, goodConf)), right: true},
	{name: "100 name servers, none good", put: content(servers(100, "options timeout:1 attempts:1\n"))},
	{name: "noise", put: content(noise(4000))},
}

// noise is every byte value but NUL, over and over, with no valid line.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31%255) + 1
	}
	return b
}

func TestBadFiles(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	good := newContainer(t, l, "good", lab.IPv4, zone(answerB4), lab.RequesterOptions{})
	register(t, broker, good)
	for i, f := range badFiles {
		t.Run(f.name, func(t *testing.T) {
			name := "bad" + strconv.Itoa(i)
			bad := containerWithFile(t, l, name, f)
			registerPID(t, broker, name, bad.by)
			mark := len(broker.Log())
			memory := peakMemory(t, broker)
			a := whileOthersStayQuick(t, good, name, func() lab.Answer {
				a, took := one(t, bad.by, lab.DNS("foo.bar"))
				if took > deadline+slack {
					t.Errorf("took %v", took)
				}
				return a
			})
			checkBadFile(t, f, a)
			if grown := peakMemory(t, broker) - memory; grown > 64<<20 {
				t.Errorf("the broker grew by %d MB", grown>>20)
			}
			if !f.right {
				loggedAgain(t, broker, bad.by, mark, "name="+name, "resolv.conf")
			}
		})
	}
}

// loggedAgain repeats the question until a line of the log holds all texts:
// lines are bounded per second, and others may have taken this one's turn.
func loggedAgain(t *testing.T, b *lab.Broker, by *lab.Requester, mark int, texts ...string) {
	t.Helper()
	eventually(t, 3*time.Second, fmt.Sprintf("a line of the log with %q", texts), func() bool {
		for line := range strings.Lines(b.Log()[mark:]) {
			if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(line, s) }) {
				return true
			}
		}
		if err := by.Clear(t.Context()); err != nil {
			t.Fatal(err)
		}
		one(t, by, lab.DNS("foo.bar"))
		return false
	})
}

func checkBadFile(t *testing.T, f badFile, a lab.Answer) {
	t.Helper()
	if f.right && (a.Errno != 0 || a.Text() != answerA) {
		t.Errorf("got %v, want %s", a, answerA)
	}
	if !f.right && a.Errno == 0 {
		t.Errorf("got %v, want an errno", a)
	}
	t.Log(a)
}

// containerWithFile makes a container with a root directory of its own, beside
// which lies a good file that it must not reach.
func containerWithFile(t *testing.T, l *lab.Lab, name string, f badFile) *container {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	err := errors.Join(os.Chmod(dir, 0o755), os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.Mkdir(filepath.Join(root, "run"), 0o755),
		os.WriteFile(filepath.Join(dir, "outside.conf"), []byte(goodConf), 0o644),
		os.WriteFile(filepath.Join(root, "run/inside.conf"), []byte(goodConf), 0o644),
		f.put(l, filepath.Join(root, "etc/resolv.conf")))
	if errors.Is(err, lab.ErrNoFUSE) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if f.name == "FUSE" {
		t.Cleanup(func() { _ = unix.Unmount(filepath.Join(root, "etc/resolv.conf"), unix.MNT_DETACH) })
	}
	return newContainer(t, l, name, lab.IPv4, zone(answerA), lab.RequesterOptions{Root: root})
}

func registerPID(t *testing.T, b *lab.Broker, name string, by *lab.Requester) {
	t.Helper()
	ctl(t, b, "register", name, "--pid", strconv.Itoa(by.PID()))
}

// whileOthersStayQuick runs ask and, until it ends, asserts that another
// container's new questions are answered as if nothing was the matter.
func whileOthersStayQuick(t *testing.T, good *container, tag string, ask func() lab.Answer) lab.Answer {
	t.Helper()
	done := make(chan lab.Answer, 1)
	go func() { done <- ask() }()
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for i := 0; ; i++ {
		answered(t, good.by, fmt.Sprintf("q%d.%s.bar", i, tag), answerB4)
		select {
		case a := <-done:
			return a
		case <-pause.C:
		}
	}
}

// peakMemory is the most the broker ever had in memory, in bytes.
func peakMemory(t *testing.T, b *lab.Broker) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
