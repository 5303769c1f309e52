package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestMain fails the package where descriptors are left open.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("skip: the hook is root's, and so are its tests: run as root")
		return
	}
	if r, w, err := os.Pipe(); err == nil { // starts the runtime's poller, which keeps two descriptors
		r.Close()
		w.Close()
	}
	before := openFDs()
	code := m.Run()
	if after := openFDs(); code == 0 && after > before {
		fmt.Printf("leak: %d descriptors, %d before\n", after, before)
		code = 1
	}
	os.Exit(code)
}

func openFDs() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

const (
	stubPath = "/usr/libexec/upcalld/request-key"
	stubText = "the stub, " + Marker + ", first build"
	stockCmd = "/sbin/key.dns_resolver %k"
)

// newHost is a root where /sbin links to /usr/sbin, with a stub and keyutils'
// configuration, but nothing at /sbin/request-key.
func newHost(t *testing.T) *Host {
	t.Helper()
	h := &Host{Root: t.TempDir()}
	for _, d := range []string{"usr/sbin", "run", "etc/request-key.d", "usr/libexec/upcalld", "proc", "boot"} {
		if err := os.MkdirAll(filepath.Join(h.Root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/usr/sbin", filepath.Join(h.Root, "sbin")); err != nil { // absolute: must stay inside
		t.Fatal(err)
	}
	h.put(t, stubPath, stubText, 0o755)
	h.put(t, rulesFile, "# comment\ncreate\tdns_resolver *\t* /sbin/key.dns_resolver %k\nnegate * * * /bin/keyctl negate %k 30 %S\n", 0o644)
	return h
}

func (h *Host) real(name string) string {
	dir, base := filepath.Split(name)
	if dir == "/sbin/" {
		dir = "/usr/sbin"
	}
	return filepath.Join(h.Root, dir, base)
}

func (h *Host) realDir(dir string) string { return filepath.Dir(h.real(dir + "/x")) }

// put writes a file anew: another inode, an old time.
func (h *Host) put(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	_ = os.Remove(h.real(name))
	if err := os.WriteFile(h.real(name), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.real(name), mode); err != nil {
		t.Fatal(err)
	}
	old := time.Unix(1_000_000_000, 123_456_789)
	if err := os.Chtimes(h.real(name), old, old); err != nil {
		t.Fatal(err)
	}
}

func (h *Host) symlink(t *testing.T, target, name string) {
	t.Helper()
	_ = os.Remove(h.real(name))
	if err := os.Symlink(target, h.real(name)); err != nil {
		t.Fatal(err)
	}
}

// shape is all of a file that must come back.
type shape struct {
	ino   uint64
	mode  os.FileMode
	mtime time.Time
	uid   uint32
	nlink uint64
	text  string
}

// folder maps every name in a directory to its shape.
func (h *Host) folder(t *testing.T, dir string) map[string]shape {
	t.Helper()
	entries, err := os.ReadDir(h.realDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]shape)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(h.realDir(dir), e.Name())
		st := info.Sys().(*syscall.Stat_t)
		s := shape{ino: st.Ino, mode: info.Mode(), mtime: info.ModTime(), uid: st.Uid, nlink: uint64(st.Nlink)}
		if info.Mode()&os.ModeSymlink != 0 {
			s.text, err = os.Readlink(name)
		} else if info.Mode().IsRegular() {
			var b []byte
			b, err = os.ReadFile(name)
			s.text = string(b)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = s
	}
	return all
}
