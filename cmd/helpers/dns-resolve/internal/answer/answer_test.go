package answer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

const resolvConf = "nameserver 127.0.0.1\nsearch one.test\noptions timeout:1 attempts:1\n"

func open(t testing.TB, root string) *os.File {
	t.Helper()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), root)
	t.Cleanup(func() { f.Close() })
	return f
}

func ask(t testing.TB, a *Answerer, root *os.File, subject, options string) *wire.Reply {
	t.Helper()
	return put(t, a, root, &wire.Question{Ask: wire.AskAnswer, Subject: []byte(subject), Options: []byte(options)})
}

func put(t testing.TB, a *Answerer, root *os.File, q *wire.Question) *wire.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	begin := time.Now()
	r := a.Answer(ctx, q, root)
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("%q took %v", q.Subject, took)
	}
	if err := new(wire.Reply).Parse(r.AppendTo(nil)); err != nil {
		t.Errorf("%q: reply %+v: %v", q.Subject, r, err)
	}
	return r
}

func TestAnswer(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("many.test. 9 A 127.0.1.%d", i))
	}
	testnet.Serve(t, "127.0.0.1", append(many,
		"foo.test. 60 A 127.0.0.7", "in.one.test. 50 A 127.0.0.8",
		"both.test. 40 A 127.0.0.9", "both.test. 40 AAAA ::1",
		"both.test. 40 AAAA 2001:db8::1", "six.test. 30 AAAA ::1", "six.test. 30 AAAA 2001:db8::9")...)
	root := open(t, testnet.Root(t, map[string]string{
		"etc/resolv.conf": resolvConf,
		"etc/hosts":       "127.0.0.55 local.test alias\n::1 local.test\n127.0.0.56 foo.hosts\n",
	}))
	a := &Answerer{NSDev: 4, NSIno: 5}
	for _, tc := range []struct {
		subject, options, want string
		ttl                    uint32
		errno                  syscall.Errno
	}{
		{"foo.test", "", "127.0.0.7", 60, 0},
		{"FOO.Test.", "ipv4", "127.0.0.7", 60, 0},
		{"in", "", "127.0.0.8", 50, 0},
		{"both.test", "", "::1", 40, 0},
		{"both.test", "ipv4", "127.0.0.9", 40, 0},
		{"both.test", "list", "::1,127.0.0.9,2001:db8::1", 40, 0},
		{"a:both.test", "list", "127.0.0.9", 40, 0},
		{"aaaa:both.test", "", "::1", 40, 0},
		{"foo.test", "ipv6", "", 5, syscall.EDESTADDRREQ},
		{"six.test", "ipv4", "", 5, syscall.EDESTADDRREQ},
		{"six.test", "list", "::1,2001:db8::9", 30, 0},
		{"local.test", "list", "::1,127.0.0.55", 5, 0},
		{"alias", "", "127.0.0.55", 5, 0},
		{"foo.hosts.", "", "127.0.0.56", 5, 0},
		{"192.0.2.9", "", "192.0.2.9", literalTTL, 0},
		{"192.0.2.9", "ipv6", "", 5, syscall.EDESTADDRREQ},
		{"2001:db8::9", "list", "2001:db8::9", literalTTL, 0},
		{"nowhere.test", "", "", 5, syscall.ENODATA},
		{"servfail.test", "", "", 5, syscall.EAGAIN},
		{"refused.test", "", "", 5, syscall.ECONNREFUSED},
		{"silent.test", "", "", 5, syscall.ETIMEDOUT},
		{"afsdb:cell.test", "srv=1", "", 5, syscall.EPROTONOSUPPORT},
		{"a b", "", "", 5, syscall.EINVAL},
		{"foo.test", "ipv4,list", "", 5, syscall.EINVAL},
	} {
		r := ask(t, a, root, tc.subject, tc.options)
		if string(r.Payload) != tc.want || r.Errno != uint16(tc.errno) || r.TTL != tc.ttl || r.NSDev != 4 || r.NSIno != 5 {
			t.Errorf("%q %q: %q errno %d ttl %d (%s), want %q %d %d", tc.subject, tc.options, r.Payload, r.Errno, r.TTL, r.Note, tc.want, tc.errno, tc.ttl)
		}
	}
	if r := ask(t, a, root, "many.test", "list"); strings.Count(string(r.Payload), ",") != maxList-1 {
		t.Errorf("a list of %q", r.Payload)
	}
	if r := ask(t, a, root, "a\nb"+strings.Repeat("\xff", 4000), ""); strings.Contains(string(r.Note), "\n") || strings.Contains(string(r.Note), "\xff") || len(r.Note) > 400 || len(r.Note) == 0 {
		t.Errorf("note %q", r.Note)
	}
}

// TestFiles: what can stand in the place of the three files.
func TestFiles(t *testing.T) {
	testnet.Serve(t, "127.0.0.1", "foo.test. 60 A 127.0.0.7")
	testnet.Serve(t, "::1", "foo.test. 60 A 127.0.0.6", "foo.test. 60 AAAA ::1")
	hosts := "127.0.0.55 foo.test\n"
	for name, tc := range map[string]struct {
		files   map[string]string
		spoil   string // shell, run in the root
		want    string
		errno   syscall.Errno
		noteHas string
	}{
		"nothing at all":        {nil, "true", "127.0.0.7", 0, ""}, // glibc's default: 127.0.0.1
		"empty resolv.conf":     {map[string]string{"etc/resolv.conf": ""}, "true", "127.0.0.7", 0, ""},
		"binary noise":          {map[string]string{"etc/resolv.conf": "\x00\xff\n\x01nameserver\x00 1\n"}, "true", "127.0.0.7", 0, "NUL"},
		"100 name servers":      {map[string]string{"etc/resolv.conf": strings.Repeat("nameserver 127.0.0.1\n", 100)}, "true", "127.0.0.7", 0, "there are 3 already"},
		"10 MB":                 {nil, "mkdir etc; head -c 10M /dev/zero > etc/resolv.conf", "", syscall.EIO, "too large"},
		"IPv6 server":           {map[string]string{"etc/resolv.conf": "nameserver ::1\n"}, "true", "::1", 0, ""},
		"no-aaaa":               {map[string]string{"etc/resolv.conf": "nameserver ::1\noptions no-aaaa\n"}, "true", "127.0.0.6", 0, ""},
		"FIFO":                  {nil, "mkdir etc; mkfifo etc/resolv.conf", "", syscall.EIO, "FIFO"},
		"directory":             {nil, "mkdir -p etc/resolv.conf", "", syscall.EIO, "directory"},
		"device":                {nil, "mkdir etc; mknod etc/resolv.conf c 1 5", "", syscall.EIO, "character device"},
		"link out of the root":  {nil, "mkdir etc; ln -s ../../../../../../etc/hostname etc/resolv.conf", "127.0.0.7", 0, ""},
		"link inside":           {map[string]string{"run/r.conf": resolvConf}, "mkdir etc; ln -s /run/r.conf etc/resolv.conf", "127.0.0.7", 0, ""},
		"hosts first":           {map[string]string{"etc/hosts": hosts}, "true", "127.0.0.55", 0, ""},
		"dns first":             {map[string]string{"etc/hosts": hosts, "etc/nsswitch.conf": "hosts: dns files\n"}, "true", "127.0.0.7", 0, ""},
		"no dns":                {map[string]string{"etc/nsswitch.conf": "hosts: files\n"}, "true", "", syscall.ENODATA, ""},
		"hosts says return":     {map[string]string{"etc/nsswitch.conf": "hosts: files [NOTFOUND=return] dns\n"}, "true", "", syscall.ENODATA, ""},
		"unknown is skipped":    {map[string]string{"etc/nsswitch.conf": "hosts: mymachines resolve [!UNAVAIL=return] dns\n"}, "true", "127.0.0.7", 0, "not known"},
		"hosts is a FIFO":       {nil, "mkdir etc; mkfifo etc/hosts", "127.0.0.7", 0, "FIFO"},
		"hosts helps":           {map[string]string{"etc/hosts": hosts}, "mkfifo etc/resolv.conf", "127.0.0.55", 0, "FIFO"},
		"10 MB of hosts":        {nil, "mkdir etc; head -c 10M /dev/zero > etc/hosts", "127.0.0.7", 0, "too large"},
		"nsswitch is a socket":  {map[string]string{"etc/hosts": hosts}, "mkfifo etc/nsswitch.conf", "127.0.0.55", 0, "FIFO"},
		"files by netns name":   {map[string]string{"etc/netns/blue/hosts": hosts, "etc/hosts": "127.0.0.66 foo.test\n"}, "true", "127.0.0.55", 0, ""},
		"server without answer": {map[string]string{"etc/resolv.conf": "nameserver 127.0.0.99\n"}, "true", "", syscall.EHOSTUNREACH, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			root := testnet.Root(t, tc.files)
			cmd := exec.Command("sh", "-ec", tc.spoil)
			cmd.Dir = root
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", tc.spoil, err, out)
			}
			a, f := new(Answerer), open(t, root)
			q := &wire.Question{Ask: wire.AskAnswer, Subject: []byte("foo.test"), Etc: []byte("etc/netns/blue")}
			r := put(t, a, f, q)
			if string(r.Payload) != tc.want || r.Errno != uint16(tc.errno) {
				t.Errorf("%q errno %d (%s), want %q %d", r.Payload, r.Errno, r.Note, tc.want, tc.errno)
			}
			if !strings.Contains(string(r.Note), tc.noteHas) || tc.noteHas == "" && len(r.Note) > 0 && tc.errno == 0 {
				t.Errorf("note %q, want it to hold %q", r.Note, tc.noteHas)
			}
		})
	}
}

// TestHash: equal files have equal hashes wherever they lie, and every file
// counts. The file is changed in place, with and without a cached parse.
func TestHash(t *testing.T) {
	files := map[string]string{"etc/resolv.conf": resolvConf, "etc/hosts": "127.0.0.1 h\n", "etc/nsswitch.conf": "hosts: files\n"}
	config := func(a *Answerer, root *os.File) wire.Hash {
		r := put(t, a, root, &wire.Question{Ask: wire.AskConfig})
		if r.Errno != 0 || len(r.Payload) != 0 || r.Config == (wire.Hash{}) {
			t.Fatalf("AskConfig: %+v", r)
		}
		return r.Config
	}
	a := new(Answerer)
	one := testnet.Root(t, files)
	first := config(a, open(t, one))
	if config(a, open(t, testnet.Root(t, files))) != first {
		t.Error("equal files, different hashes")
	}
	seen := map[wire.Hash]string{first: "as it was"}
	for _, change := range []struct{ path, content string }{
		{"etc/hosts", "127.0.0.2 h\n"}, {"etc/resolv.conf", "nameserver 127.0.0.2\n"},
		{"etc/nsswitch.conf", "hosts: dns\n"}, {"etc/resolv.conf", ""}, {"etc/resolv.conf", strings.Repeat(" \n", 64<<10)},
	} {
		if err := os.WriteFile(filepath.Join(one, change.path), []byte(change.content), 0o644); err != nil {
			t.Fatal(err)
		}
		h := config(a, open(t, one))
		if before, ok := seen[h]; ok {
			t.Errorf("%s with %.20q has the hash of %s", change.path, change.content, before)
		}
		seen[h] = change.path
	}
}

// TestCachedConfig: an old, unchanged configuration is used as parsed, and a
// change is seen at once.
func TestCachedConfig(t *testing.T) {
	dir := testnet.Root(t, map[string]string{"etc/hosts": "127.0.0.1 h\n", "etc/resolv.conf": "odd\n"})
	root, a := open(t, dir), new(Answerer)
	deadline := time.Now().Add(10 * time.Second)
	for len(ask(t, a, root, "h", "").Note) > 0 { // notes come when the files are read
		if time.Now().After(deadline) {
			t.Fatal("the configuration is read again and again")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/hosts"), []byte("127.0.0.2 h\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, a, root, "h", ""); string(r.Payload) != "127.0.0.2" || len(r.Note) == 0 {
		t.Errorf("after the change: %q, note %q", r.Payload, r.Note)
	}
}

// TestStuck: a FUSE file system whose server never answers.
func TestStuck(t *testing.T) {
	dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs FUSE: %v", err)
	}
	dir := testnet.Root(t, map[string]string{"etc/x": ""})
	etc := filepath.Join(dir, "etc")
	opts := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", dev.Fd())
	if err := unix.Mount("stuck", etc, "fuse", 0, opts); err != nil {
		dev.Close()
		t.Skipf("needs a FUSE mount: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(etc, unix.MNT_DETACH) })
	defer dev.Close() // ends the hanging calls
	a, root := new(Answerer), open(t, dir)
	for i := range 20 {
		begin := time.Now()
		r := ask(t, a, root, "foo.test", "")
		if r.Errno != uint16(syscall.EIO) || !strings.Contains(string(r.Note), "does not answer") {
			t.Fatalf("question %d: %+v, note %s", i, r, r.Note)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond {
			t.Fatalf("question %d took %v", i, took)
		}
	}
	other := open(t, testnet.Root(t, map[string]string{"etc/hosts": "127.0.0.1 h\n"}))
	if r := ask(t, a, other, "h", ""); r.Errno != 0 {
		t.Errorf("another root: %+v, note %s", r, r.Note)
	}
}

// TestBadRoot: a handle that is no directory, and no time.
func TestBadRoot(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r := ask(t, new(Answerer), f, "foo.test", ""); r.Errno != uint16(syscall.EINVAL) {
		t.Errorf("a device as root: %+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r := new(Answerer).Answer(ctx, &wire.Question{Ask: wire.AskAnswer, Subject: []byte("h")}, open(t, "/"))
	if r.Errno != uint16(syscall.ETIMEDOUT) {
		t.Errorf("no time: %+v", r)
	}
}
