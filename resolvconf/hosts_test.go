package resolvconf

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestScanHosts(t *testing.T) {
	const hosts = "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # localhost2\n" +
		"10.0.0.1 Foo.Bar foo\r\n  10.0.0.2   x foo.bar.  FOO.BAR\n#10.0.0.3 foo.bar\n" +
		"fe80::1%eth0 foo.bar\n::ffff:10.0.0.4 foo.bar\n10.0.0.256 foo.bar\nfoo.bar 10.0.0.5\n" +
		"010.0.0.1 octal\n10.0.0.6 foo.bar#x\nfe80::1%0123456789abcdef zone\n10.0.0.7 dots. \n10.0.0.8"
	cases := []struct {
		name string
		want []string
	}{
		{"localhost", []string{"127.0.0.1", "::1"}},
		{"ip6-localhost", []string{"::1"}},
		{"localhost2", nil},
		{"foo", []string{"10.0.0.1"}},
		{"foo.bar", []string{"10.0.0.1", "10.0.0.2", "fe80::1%eth0", "10.0.0.4", "10.0.0.6"}},
		{"FOO.bar.", []string{"10.0.0.1", "10.0.0.2", "fe80::1%eth0", "10.0.0.4", "10.0.0.6"}},
		{"octal", nil}, {"zone", nil}, {"dots", nil}, {"10.0.0.8", nil}, {"10.0.0.1", nil},
		{"", nil}, {".", nil}, {"loca\u212aost", nil},
	}
	for _, c := range cases {
		if got := ScanHosts([]byte(hosts), c.name); !slices.Equal(got, addrs(c.want...)) {
			t.Errorf("%q: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestMatchHostsAllocs(t *testing.T) {
	line := []byte("10.0.0.1 some.name other.name # and a comment")
	if n := testing.AllocsPerRun(100, func() { MatchHosts(line, "foo.bar") }); n != 0 {
		t.Errorf("%v allocations for a line that does not match", n)
	}
}

// FuzzMatchHosts compares with a plain reading of the same rules.
func FuzzMatchHosts(f *testing.F) {
	f.Add([]byte("10.0.0.1 a b#c"), "B")
	f.Add([]byte(" fe80::1%eth0\ta.b"), "a.b.")
	f.Add([]byte("::ffff:1.2.3.4\x0bk"), "\u212a")
	f.Fuzz(func(t *testing.T, line []byte, name string) {
		got, ok := MatchHosts(line, name)
		want := reference(line, name)
		if ok != want.IsValid() || got != want {
			t.Fatalf("%q in %q: %v %v, want %v", name, line, got, ok, want)
		}
	})
}

func reference(line []byte, name string) netip.Addr {
	ascii := func(s string) string {
		b := []byte(s)
		for i := range b {
			b[i] = lower(b[i])
		}
		return string(b)
	}
	if len(name) > 1 {
		name = strings.TrimSuffix(name, ".")
	}
	text, _, _ := strings.Cut(string(line), "#")
	isBlank := func(r rune) bool { return strings.ContainsRune(" \t\v\f\r\n", r) }
	words := strings.FieldsFunc(text, isBlank)
	if len(words) < 2 || !slices.ContainsFunc(words[1:], func(w string) bool { return ascii(w) == ascii(name) }) {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(words[0])
	if err != nil || !zoneOK(addr.Zone()) {
		return netip.Addr{}
	}
	return addr.Unmap()
}
