package rootfile

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const limit = 64 << 10

func TestReadFollowsLinksInsideTheRoot(t *testing.T) {
	root := tree(t, func(dir string) {
		write(t, dir, "etc/resolv.conf", "inside\n")
		write(t, dir, "etc/passwd", "inside\n")
		for link, to := range map[string]string{
			"abs": "/etc/resolv.conf", "up": "../../../../etc/passwd",
			"etc/rel": "resolv.conf", "hop": "abs", "etcdir": "/etc",
		} {
			must(t, os.Symlink(to, filepath.Join(dir, link)))
		}
	})
	for _, path := range []string{"etc/resolv.conf", "/etc/resolv.conf", "abs", "up", "etc/rel", "hop",
		"etcdir/resolv.conf", "../../etc/passwd", "/../etc/passwd"} {
		f, err := Read(root, path, limit)
		if err != nil || string(f.Data) != "inside\n" {
			t.Errorf("%s: %q, %v", path, f.Data, err)
		}
		sig, err := Stat(root, path)
		if err != nil || sig != f.Sig || sig.Size != 7 || sig.Ino == 0 || sig.MtimeNs == 0 {
			t.Errorf("%s: signature %+v, read gave %+v, %v", path, sig, f.Sig, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	needRoot(t)
	root := tree(t, func(dir string) {
		at := func(name string) string { return filepath.Join(dir, name) }
		must(t, unix.Mkfifo(at("fifo"), 0o666))
		must(t, unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		must(t, unix.Mknod(at("block"), unix.S_IFBLK|0o666, int(unix.Mkdev(7, 200))))
		must(t, os.Mkdir(at("dir"), 0o755))
		l, err := net.Listen("unix", at("socket"))
		must(t, err)
		t.Cleanup(func() { l.Close() })
		write(t, dir, "big", strings.Repeat("x", 10<<20))
		write(t, dir, "just", strings.Repeat("x", limit))
		write(t, dir, "over", strings.Repeat("x", limit+1))
		must(t, os.Symlink("loop", at("loop")))
		must(t, os.Symlink("/nowhere", at("dangling")))
		must(t, os.Symlink("null", at("tonull")))
		bind(t, "/proc/version", at("version"))
		bind(t, "/proc", at("proc"))
		bind(t, "/sys", at("sys"))
	})
	cases := []struct {
		path string
		want error
		text string
	}{
		{"fifo", ErrNotRegular, "FIFO"},
		{"null", ErrNotRegular, "character device"},
		{"tonull", ErrNotRegular, "character device"},
		{"block", ErrNotRegular, "block device"},
		{"dir", ErrNotRegular, "directory"},
		{".", ErrNotRegular, "directory"},
		{"socket", ErrNotRegular, "socket"},
		{"big", ErrTooLarge, "10485760"},
		{"over", ErrTooLarge, "65537"},
		{"version", ErrForeign, "proc"},
		{"proc/version", ErrForeign, "proc"},
		{"proc/kmsg", ErrForeign, "proc"},
		{"sys/kernel/notes", ErrForeign, "sysfs"},
		{"proc/self/root/etc/passwd", unix.ELOOP, "resolve"},
		{"loop", unix.ELOOP, "resolve"},
		{"", ErrNotExist, "resolve"},
		{"missing", ErrNotExist, "missing"},
		{"missing", fs.ErrNotExist, "missing"},
		{"dangling", ErrNotExist, "resolve"},
		{"just/x", ErrNotExist, "just/x"},
	}
	for _, c := range cases {
		_, err := Read(root, c.path, limit)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("Read %q: %v, want %v with %q", c.path, err, c.want, c.text)
		}
		if c.want == ErrTooLarge {
			continue // Stat has no limit
		}
		if _, err := Stat(root, c.path); !errors.Is(err, c.want) {
			t.Errorf("Stat %q: %v, want %v", c.path, err, c.want)
		}
	}
	if f, err := Read(root, "just", limit); err != nil || len(f.Data) != limit {
		t.Errorf("exactly the limit: %d bytes, %v", len(f.Data), err)
	}
}

func bind(t testing.TB, from, to string) {
	t.Helper()
	st, err := os.Stat(from)
	must(t, err)
	if st.IsDir() {
		must(t, os.Mkdir(to, 0o755))
	} else {
		must(t, os.WriteFile(to, nil, 0o644))
	}
	must(t, unix.Mount(from, to, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(to, unix.MNT_DETACH)) })
}

// TestLeaseDoesNotBlock: a container can hold a write lease on its own file,
// which makes a blocking open wait up to /proc/sys/fs/lease-break-time.
func TestLeaseDoesNotBlock(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "leased", "x")
	f, err := os.OpenFile(filepath.Join(dir, "leased"), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(handle(t, dir), "leased", limit); !errors.Is(err, ErrBusy) {
		t.Errorf("leased file: %v, want ErrBusy", err)
	}
}

// TestGrowing reads a file while another goroutine keeps appending to it: each
// read is within the limit or refused, and never endless.
func TestGrowing(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "log", "")
	stop := inBackground(t, func() {
		f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if st, _ := f.Stat(); st.Size() > 4*limit {
			f.Truncate(0)
		}
		f.Write(bytes.Repeat([]byte("y"), 4096))
	})
	root, small, large := handle(t, dir), 0, 0
	for small < 200 || large < 200 {
		f, err := Read(root, "log", limit)
		switch {
		case err == nil && len(f.Data) <= limit:
			small++
		case errors.Is(err, ErrTooLarge):
			large++
		default:
			t.Fatalf("%d bytes, %v", len(f.Data), err)
		}
	}
	stop()
}

// TestSwapRace: a container renames a regular file, a device, a link to a
// device and a directory over one another, as fast as it can. The reader sees
// the regular file's bytes or an error, never anything else.
func TestSwapRace(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, dir, "good", "good")
	must(t, unix.Mknod(at("zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
	must(t, os.Symlink("/../../../../dev/zero", at("out")))
	must(t, os.Symlink("sub/../good", at("dots")))
	must(t, os.Mkdir(at("sub"), 0o755))
	names := []string{"good", "zero", "out", "dots"}
	i := 0
	stop := inBackground(t, func() {
		i++
		unix.Renameat2(unix.AT_FDCWD, at(names[i%4]), unix.AT_FDCWD, at(names[(i*7/3)%4]), unix.RENAME_EXCHANGE)
	})
	root, good := handle(t, dir), 0
	for n := 0; n < 20000 || good == 0 && n < 1e6; n++ {
		f, err := Read(root, names[n%4], limit)
		switch {
		case err == nil && string(f.Data) == "good":
			good++
		case err == nil:
			t.Fatalf("read %q", f.Data)
		case !errors.Is(err, ErrNotRegular) && !errors.Is(err, ErrNotExist) &&
			!errors.Is(err, ErrBusy) && !errors.Is(err, unix.ELOOP):
			t.Fatal(err)
		}
	}
	stop()
	if good == 0 {
		t.Error("the regular file was never read")
	}
}

// inBackground repeats step until the returned function is called.
func inBackground(t testing.TB, step func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			default:
				step()
			}
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { close(quit) }); <-ended }
	t.Cleanup(stop)
	return stop
}

func TestUnprivileged(t *testing.T) {
	needRoot(t)
	root := tree(t, func(dir string) {
		write(t, dir, "secret", "s")
		must(t, os.Chmod(filepath.Join(dir, "secret"), 0))
	})
	err := withoutPrivilege(func() error { _, err := Read(root, "secret", limit); return err })
	if !errors.Is(err, ErrPermission) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("mode 0000 as uid 65534: %v, want ErrPermission", err)
	}
}

// withoutPrivilege calls f on a thread whose file system ids are nobody's.
func withoutPrivilege(f func() error) error {
	done := make(chan error)
	go func() { // never unlocks, deliberately: the thread dies with its ids
		runtime.LockOSThread()
		unix.Setfsgid(65534)
		unix.Setfsuid(65534)
		done <- f()
	}()
	return <-done
}
