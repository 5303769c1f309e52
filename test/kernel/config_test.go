package kernel

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
)

// What hosts files say, before and after a change.
const (
	hostsOld = "192.0.2.71"
	hostsNew = "192.0.2.72"
	hostsB   = "192.0.2.73"
)

func hostsFile(address string) []byte { return []byte(address + " file.bar\n") }

// withHosts makes a container with a root directory of its own and returns the
// path of its hosts file.
func withHosts(t *testing.T, l *lab.Lab, name, address string) (*container, string) {
	t.Helper()
	var hosts string
	c := containerWithFile(t, l, name, badFile{name: name, put: func(_ *lab.Lab, path string) error {
		hosts = filepath.Join(filepath.Dir(path), "hosts")
		return errors.Join(os.WriteFile(path, []byte(goodConf), 0o644), os.WriteFile(hosts, hostsFile(address), 0o644))
	}})
	return c, hosts
}

// replace changes a file as editors and runtimes do: never half written.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o644), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// asked clears the kernel's cache and asks for a name.
func asked(t *testing.T, by *lab.Requester, name string) string {
	t.Helper()
	if err := by.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, _ := one(t, by, lab.DNS(name))
	if a.Errno != 0 {
		t.Errorf("%s: got %v", name, a)
	}
	return a.Text()
}

// A hosts file that changed when it had not been looked at for a while may be
// answered from once as before, and then no more: configFresh in broker/answer.go.
func TestHostsChanged(t *testing.T) {
	// Together less than the 5 s for which an answer from hosts is kept at all.
	const unseen, again = 2100 * time.Millisecond, 2500 * time.Millisecond
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	c, hosts := withHosts(t, l, "a", hostsOld)
	registerPID(t, broker, c.Name, c.by)
	if got := asked(t, c.by, "file.bar"); got != hostsOld {
		t.Fatalf("got %q, want %s from hosts", got, hostsOld)
	}
	if got := asked(t, c.by, "other.bar"); got != answerA {
		t.Errorf("other.bar: got %q, want %s from the name server", got, answerA)
	}
	time.Sleep(unseen)
	replace(t, hosts, hostsFile(hostsNew))
	if got := asked(t, c.by, "file.bar"); got != hostsOld && got != hostsNew {
		t.Errorf("the first time it is %q", got)
	}
	time.Sleep(again)
	if got := asked(t, c.by, "file.bar"); got != hostsNew {
		t.Errorf("the second time, %v later, it is %q, want %s", again, got, hostsNew)
	}
}

// Who goes on asking is told of a change within three seconds, and never again
// of what was before.
func TestHostsChangedWhileAsked(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	c, hosts := withHosts(t, l, "a", hostsOld)
	registerPID(t, broker, c.Name, c.by)
	if got := asked(t, c.by, "file.bar"); got != hostsOld {
		t.Fatalf("got %q, want %s from hosts", got, hostsOld)
	}
	replace(t, hosts, hostsFile(hostsNew))
	eventually(t, 3*time.Second, "the new answer", func() bool { return asked(t, c.by, "file.bar") == hostsNew })
	for range 20 {
		if got := asked(t, c.by, "file.bar"); got != hostsNew {
			t.Fatalf("after the new answer came %q", got)
		}
	}
}

// Contexts of one network namespace share answers only where they are configured
// the same.
func TestHostsOfNeighbours(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a, _ := withHosts(t, l, "a", hostsOld)
	b := inNamespaceOf(t, a, hostsB)
	without := inNamespaceOf(t, a, "")
	registerPID(t, broker, "a", a.by)
	registerPID(t, broker, "b", b)
	registerPID(t, broker, "c", without)
	sides := []side{{"a", a.by, hostsOld}, {"b", b, hostsB}, {"c", without, answerA}}
	c := new(tally)
	until := time.Now().Add(2500 * time.Millisecond) // longer than a look at the files is believed
	for i := 0; i < 40 || time.Now().Before(until); i++ {
		if i%10 == 9 {
			ctl(t, broker, "flush")
		}
		round(t, c, "file.bar", time.Duration(i%3)*time.Millisecond, sides)
	}
	t.Log(c)
	if err := c.verdict(false); err != nil {
		t.Error(err)
	}
	if n := counter(t, broker, "hits"); n == 0 {
		t.Error("nothing came from the cache they share: the lane proves nothing")
	}
}

// inNamespaceOf starts a process in a container's network namespace that has a
// root directory of its own, with that address in its hosts file, if any.
func inNamespaceOf(t *testing.T, c *container, address string) *lab.Requester {
	t.Helper()
	root := t.TempDir()
	etc := filepath.Join(root, "etc")
	err := errors.Join(os.Chmod(root, 0o755), os.Mkdir(etc, 0o755), os.WriteFile(filepath.Join(etc, "resolv.conf"), []byte(goodConf), 0o644))
	if address != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(etc, "hosts"), hostsFile(address), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Requester(lab.RequesterOptions{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// With --root the files come from there, and only they.
func TestGivenRoot(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a, _ := withHosts(t, l, "a", hostsOld)
	other, hosts := withHosts(t, l, "b", hostsB)
	root := filepath.Dir(filepath.Dir(hosts))
	for i, how := range [][]string{{"--netns", a.Container.Path()}, {"--pid", strconv.Itoa(a.by.PID())}} {
		name := "x" + strconv.Itoa(i)
		ctl(t, broker, append([]string{"register", name, "--root", root}, how...)...)
		if got := asked(t, a.by, "file.bar"); got != hostsB {
			t.Errorf("%s: got %q, want %s from the given root", how[0], got, hostsB)
		}
		if got := asked(t, a.by, "net.bar"); got != answerA || other.server.Total() != 0 {
			t.Errorf("%s: got %q, want %s from its own network", how[0], got, answerA)
		}
		ctl(t, broker, "unregister", name)
	}
}

// What is no container is refused with a sentence, and the host stays the host.
func TestRegisterRefuses(t *testing.T) {
	l := newLab(t)
	needStock(t)
	broker := startUpcalld(t, l, "--takeover", "")
	hostResolver(t, l)
	c := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
	host := hostRequester(t, l)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	pid, inside := strconv.Itoa(host.PID()), strconv.Itoa(c.by.PID())
	for _, tc := range []struct {
		name, says string
		args       []string
	}{
		{"a host process", "not a container", []string{"--pid", pid}},
		{"a host process with a root", "not a container", []string{"--pid", pid, "--root", dir}},
		{"the host's init", "", []string{"--pid", "1"}}, // which some hosts close even to root
		{"the host's namespace by name", "not a container", []string{"--netns", nameHost(t, l, host)}},
		{"a path through /proc", "/proc", []string{"--netns", "/proc/" + inside + "/ns/net"}},
		{"the host's path through /proc", "/proc", []string{"--netns", "/proc/" + pid + "/ns/net"}},
		{"no such process", "", []string{"--pid", "4194304"}},
		{"no such root", dir + "/none", []string{"--netns", c.Container.Path(), "--root", dir + "/none"}},
		{"a file for a root", file, []string{"--netns", c.Container.Path(), "--root", file}},
	} {
		out, err := broker.Ctl(t.Context(), append([]string{"register", "x"}, tc.args...)...)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %q, %v; want an error with %q", tc.name, out, err, tc.says)
		}
		t.Logf("%s: %v", tc.name, err)
	}
	if got := list(t, broker); len(got.Contexts) != 0 || len(got.Lost) != 0 {
		t.Errorf("list tells %+v", got)
	}
	answered(t, host, "host.bar", answerHost)
	answered(t, c.by, "container.bar", answerHost)
}

// nameHost gives the host's network namespace a name as ip-netns(8) does.
func nameHost(t *testing.T, l *lab.Lab, host *lab.Requester) string {
	t.Helper()
	n := lab.Netns{Name: l.Name() + "-host"}
	if out, err := exec.Command("ip", "netns", "attach", n.Name, strconv.Itoa(host.PID())).CombinedOutput(); err != nil {
		t.Fatalf("ip netns attach: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := n.Delete(); err != nil {
			t.Error(err)
		}
	})
	return n.Path()
}

// Enabling what is enabled changes nothing, nor does disabling what is not; in
// the end everything is as it was.
func TestHookTwice(t *testing.T) {
	newLab(t)
	needStock(t)
	broker := &lab.Broker{Bin: needPrograms(t)} // hook asks no broker
	before := hookState(t)
	for _, mode := range append(modes, modes...) {
		ctl(t, broker, "hook", "enable", mode, "--stub", broker.Bin.Path("request-key"))
		enabled := hookState(t)
		if enabled == before {
			t.Errorf("%s changed nothing", mode)
		}
		ctl(t, broker, "hook", "enable", mode, "--stub", broker.Bin.Path("request-key"))
		if hookState(t) != enabled {
			t.Errorf("%s the second time changed\n%s\nto\n%s", mode, enabled, hookState(t))
		}
		for i := range 2 {
			ctl(t, broker, "hook", "disable")
			if after := hookState(t); after != before {
				t.Errorf("%s, disabled %d times: before\n%s\nafter\n%s", mode, i+1, before, after)
			}
		}
	}
}

func hookState(t *testing.T) string {
	t.Helper()
	state, err := lab.HookState()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// One mode takes the other's place, or refuses to and changes nothing.
func TestHookModeChanged(t *testing.T) {
	newLab(t)
	needStock(t)
	broker := &lab.Broker{Bin: needPrograms(t)}
	before, stub := hookState(t), broker.Bin.Path("request-key")
	ctl(t, broker, "hook", "enable", "--drop-in", "--stub", stub)
	ctl(t, broker, "hook", "enable", "--takeover", "--stub", stub)
	enabled := hookState(t)
	if out, err := broker.Ctl(t.Context(), "hook", "enable", "--drop-in", "--stub", stub); err == nil {
		t.Errorf("a drop-in that nobody would read was written: %s", out)
	}
	if hookState(t) != enabled {
		t.Errorf("the refusal changed\n%s\nto\n%s", enabled, hookState(t))
	}
	ctl(t, broker, "hook", "disable")
	if after := hookState(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}
