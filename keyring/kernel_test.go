package keyring

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// session gives the test's thread a keyring of its own, and the thread to the test.
func session(t *testing.T) {
	t.Helper()
	if errors.Is(Supported(), ErrUnsupported) {
		if os.Getenv("CI") == "true" {
			t.Fatal("this kernel has no keys")
		}
		t.Skip("this kernel has no keys")
	}
	runtime.LockOSThread() // deliberately never unlocked: it has another keyring now
	if err := JoinSession(); err != nil {
		t.Fatal(err)
	}
}

func addUser(t *testing.T, desc, payload string) Serial {
	t.Helper()
	n, err := unix.AddKey("user", desc, []byte(payload), int(SessionRing))
	if err != nil {
		t.Fatal(err)
	}
	return Serial(n)
}

func TestDescribeAndRead(t *testing.T) {
	session(t)
	key := addUser(t, "a;b c", "payload")
	d, err := Describe(key, make([]byte, 4608))
	if err != nil || d.Type != "user" || string(d.Text) != "a;b c" || d.UID != uint32(os.Geteuid()) {
		t.Errorf("%+v %v", d, err)
	}
	got, err := Read(key, make([]byte, 64))
	if err != nil || string(got) != "payload" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := Read(key, make([]byte, 3)); !errors.Is(err, unix.E2BIG) {
		t.Errorf("into a short buffer: %v", err)
	}
	if _, err := Describe(key, make([]byte, 4)); !errors.Is(err, unix.E2BIG) {
		t.Errorf("into a short buffer: %v", err)
	}
}

func TestUnlinkAndClear(t *testing.T) {
	session(t)
	key := addUser(t, "x", "1")
	if err := Unlink(key, SessionRing); err != nil {
		t.Fatal(err)
	}
	if err := Unlink(key, SessionRing); err == nil {
		t.Error("unlinked twice")
	}
	other := addUser(t, "y", "1")
	if err := Clear(SessionRing); err != nil {
		t.Fatal(err)
	}
	if err := Unlink(other, SessionRing); err == nil {
		t.Error("still there after Clear")
	}
}

// Without authority the kernel refuses everything that answers a key.
func TestNoAuthority(t *testing.T) {
	session(t)
	key := addUser(t, "x", "1")
	if _, err := AssumeAuthority(key); !errors.Is(err, ErrNoKey) {
		t.Errorf("assume: %v", err)
	}
	if err := Instantiate(key, []byte("2"), 0); !errors.Is(err, ErrPermission) {
		t.Errorf("instantiate: %v", err)
	}
	if err := Reject(key, 5, unix.ENOKEY, 0); !errors.Is(err, ErrPermission) {
		t.Errorf("reject: %v", err)
	}
	var op *OpError
	if err := Instantiate(key, nil, 0); !errors.As(err, &op) || op.Op != "instantiate" || op.Key != key {
		t.Errorf("%#v", err)
	}
}

// An attack on everybody who reads /proc/keys: any user's key can print a whole
// line of somebody else's. The kernel really does it, and we are not fooled.
func TestForgedLineOnThisKernel(t *testing.T) {
	session(t)
	forged := "00000001 I------     2 perm 0b0b0000     0     0 .request_ key:2a51b0c3 pid:1 ci:0"
	addUser(t, "innocent\n"+forged+"\n", "1")
	keys, err := os.ReadFile("/proc/keys")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(keys), "\n"+forged+"\n") {
		t.Fatal("this kernel does not print the forged line: the test proves nothing")
	}
	if u, err := FindUpcall(bytes.NewReader(keys), 0x2a51b0c3, 0x11223344); !errors.Is(err, ErrNoKey) {
		t.Errorf("found %+v, %v", u, err)
	}
	if u, err := FindUpcall(bytes.NewReader(keys), 0x2a51b0c3, 1); err != nil || u.Thread != 1 {
		t.Errorf("the line is not one that a search by type alone would take: %+v %v", u, err)
	}
}

func TestErrno(t *testing.T) {
	if e := Errno(opError("x", 1, unix.EDQUOT)); e != unix.EDQUOT {
		t.Errorf("%v", e)
	}
	if e := Errno(errors.New("x")); e != unix.EIO {
		t.Errorf("%v", e)
	}
}
