package resolvconf

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// errIO is what a file of the text "EIO" gives.
var errIO = errors.New("input/output error")

func reader(files map[string]string, asked *[]string) func(string) ([]byte, error) {
	return func(p string) ([]byte, error) {
		*asked = append(*asked, p)
		text, ok := files[p]
		switch {
		case !ok:
			return nil, fs.ErrNotExist
		case text == "EIO":
			return nil, errIO
		}
		return []byte(text), nil
	}
}

func TestLoad(t *testing.T) {
	cases := []struct {
		name, etc string
		files     map[string]string
		want      string // Resolv and Sources
		err       string
	}{
		{"nothing", "", nil, DefaultResolv().String() + DefaultSources().String(), ""},
		{"plain", "", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1", "etc/nsswitch.conf": "hosts: dns",
			"etc/netns/blue/resolv.conf": "nameserver 10.0.0.9"}, servers("10.0.0.1").String() + Sources{newSource("dns")}.String(), ""},
		{"netns, file by file", "etc/netns/blue", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1",
			"etc/nsswitch.conf": "hosts: dns", "etc/netns/blue/resolv.conf": "nameserver 10.0.0.9"},
			servers("10.0.0.9").String() + Sources{newSource("dns")}.String(), ""},
		{"empty is there", "etc/netns/blue", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1",
			"etc/netns/blue/resolv.conf": ""}, DefaultResolv().String() + DefaultSources().String(), ""},
		{"unreadable does not fall back", "etc/netns/blue", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1",
			"etc/netns/blue/resolv.conf": "EIO"}, DefaultResolv().String() + DefaultSources().String(), "etc/netns/blue/resolv.conf"},
		{"unreadable nsswitch", "", map[string]string{"etc/resolv.conf": "nameserver 10.0.0.1", "etc/nsswitch.conf": "EIO"},
			servers("10.0.0.1").String() + DefaultSources().String(), "etc/nsswitch.conf"},
	}
	for _, c := range cases {
		var asked []string
		got, err := Load(reader(c.files, &asked), c.etc, [32]byte{})
		if text := got.Resolv.String() + got.Sources.String(); text != c.want {
			t.Errorf("%s: got\n%swant\n%s", c.name, text, c.want)
		}
		if (err != nil) != (c.err != "") || err != nil && (!errors.Is(err, errIO) || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLoadNotes(t *testing.T) {
	var asked []string
	c, _ := Load(reader(map[string]string{"etc/x/resolv.conf": "\nodd a", "etc/nsswitch.conf": "hosts: nis"}, &asked), "etc/x", [32]byte{})
	var got []string
	for _, n := range c.Notes {
		got = append(got, n.String())
	}
	want := []string{`etc/x/resolv.conf:2: ignored "odd"`, `etc/nsswitch.conf:1: the source "nis" is not known and counts as unavailable`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(asked, []string{"etc/x/resolv.conf", "etc/x/nsswitch.conf", "etc/nsswitch.conf"}) {
		t.Errorf("asked %q", asked)
	}
}

// TestHash: what means the same has the same hash, and nothing else has.
func TestHash(t *testing.T) {
	hash := func(resolv, nsswitch string, hosts byte) [32]byte {
		var asked []string
		c, err := Load(reader(map[string]string{"etc/resolv.conf": resolv, "etc/nsswitch.conf": nsswitch}, &asked), "", [32]byte{hosts})
		if err != nil {
			t.Fatal(err)
		}
		return c.Hash
	}
	base := hash("nameserver 10.0.0.1\nsearch a b\n", "hosts: files dns", 0)
	same := [][32]byte{
		hash("# c\nsearch A b.\nnameserver 10.1\noptions ndots:1\n", "", 0),
		hash("nameserver 10.0.0.1\ndomain z\nsearch a b", "passwd: nis\nhosts: files [SUCCESS=return] dns", 0),
	}
	for i, h := range same {
		if h != base {
			t.Errorf("same %d: another hash", i)
		}
	}
	seen := map[[32]byte]int{base: -1}
	for i, h := range [][32]byte{
		hash("nameserver 10.0.0.1\nsearch a b\n", "hosts: files dns", 1),
		hash("nameserver 10.0.0.1\nsearch b a\n", "hosts: files dns", 0),
		hash("nameserver 10.0.0.1\nsearch a b\n", "hosts: dns files", 0),
		hash("nameserver 10.0.0.1\nsearch a b\noptions rotate", "", 0),
		hash("nameserver 10.0.0.1\nsearch a b\nnameserver 10.0.0.1", "", 0),
		hash("nameserver 10.0.0.1\nsearch a b\noptions timeout:6", "", 0),
		hash("nameserver 10.0.0.1\nsearch a b\n", "hosts: files [NOTFOUND=return] dns", 0),
	} {
		if other, dup := seen[h]; dup {
			t.Errorf("%d has the hash of %d", i, other)
		}
		seen[h] = i
	}
}
