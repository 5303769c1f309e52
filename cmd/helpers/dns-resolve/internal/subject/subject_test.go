package subject

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/upcalld/upcalld/dnsquery"
)

func TestParse(t *testing.T) {
	l63 := strings.Repeat("x", 63)
	long := strings.Join([]string{l63, l63, l63, l63[:61]}, ".") // 253
	for _, tc := range []struct {
		desc, opts string
		name       string
		literal    bool
		want       dnsquery.Family
		list       bool
		errno      syscall.Errno
	}{
		{"foo.bar", "", "foo.bar", false, dnsquery.Both, false, 0},
		{"foo.bar.", "ipv4", "foo.bar.", false, dnsquery.IPv4, false, 0},
		{"Foo_1-x", "ipv6 list", "Foo_1-x", false, dnsquery.IPv6, true, 0},
		{"foo", "ipv4 ipv6", "foo", false, dnsquery.IPv6, false, 0},
		{"foo", "srv=1", "foo", false, dnsquery.Both, false, 0},
		{"foo", " nonsense  \xff list ", "foo", false, dnsquery.Both, true, 0},
		{"a:foo", "ipv6", "foo", false, dnsquery.IPv4, false, 0},
		{"aaaa:foo", "", "foo", false, dnsquery.IPv6, false, 0},
		{"a:192.0.2.1", "", "192.0.2.1", true, dnsquery.IPv4, false, 0},
		{"aaaa:1::2", "", "1::2", true, dnsquery.IPv6, false, 0},
		{"192.0.2.1", "", "192.0.2.1", true, dnsquery.Both, false, 0},
		{"::1", "", "::1", true, dnsquery.Both, false, 0},
		{"2001:db8::1", "", "2001:db8::1", true, dnsquery.Both, false, 0},
		{"a::1", "", "a::1", true, dnsquery.Both, false, 0},
		{long, "", long, false, dnsquery.Both, false, 0},
		{long + ".", "", long + ".", false, dnsquery.Both, false, 0},
		{"x" + long, "", "", false, 0, false, syscall.EINVAL},
		{l63 + "x", "", "", false, 0, false, syscall.EINVAL},
		{"", "", "", false, 0, false, syscall.EINVAL},
		{".", "", "", false, 0, false, syscall.EINVAL},
		{"a..b", "", "", false, 0, false, syscall.EINVAL},
		{".a", "", "", false, 0, false, syscall.EINVAL},
		{"a..", "", "", false, 0, false, syscall.EINVAL},
		{"a:", "", "", false, 0, false, syscall.EINVAL},
		{":foo", "", "", false, 0, false, syscall.EINVAL},
		{"foo\nbar", "", "", false, 0, false, syscall.EINVAL},
		{"foo bar", "", "", false, 0, false, syscall.EINVAL},
		{"foo\x00", "", "", false, 0, false, syscall.EINVAL},
		{"f\xc3\xb6\xc3\xb6", "", "", false, 0, false, syscall.EINVAL},
		{"../etc/passwd", "", "", false, 0, false, syscall.EINVAL},
		{"fe80::1%eth0", "", "", false, 0, false, syscall.EINVAL},
		{"A:foo", "", "", false, 0, false, syscall.EINVAL},
		{strings.Repeat("a", 4096), "", "", false, 0, false, syscall.EINVAL},
		{"afsdb:cell", "", "", false, 0, false, syscall.EPROTONOSUPPORT},
		{"srv:cell", "", "", false, 0, false, syscall.EPROTONOSUPPORT},
		{strings.Repeat("t", 17) + ":cell", "", "", false, 0, false, syscall.EINVAL},
		{"foo", "ipv4,list", "", false, 0, false, syscall.EINVAL},
		{"foo", "ipv4\n", "", false, 0, false, syscall.EINVAL},
		{"foo", strings.Repeat("x", 257), "", false, 0, false, syscall.EINVAL},
		{"foo", strings.Repeat("x", 256), "foo", false, dnsquery.Both, false, 0},
	} {
		q, err := Parse([]byte(tc.desc), []byte(tc.opts))
		if tc.errno != 0 {
			if !errors.Is(err, tc.errno) {
				t.Errorf("Parse(%.40q, %.40q) = %+v, %v: want %v", tc.desc, tc.opts, q, err, tc.errno)
			}
			continue
		}
		want := Query{Name: tc.name, Want: tc.want, List: tc.list}
		got := q
		if got.Literal = want.Literal; err != nil || got != want || q.Literal.IsValid() != tc.literal {
			t.Errorf("Parse(%.40q, %.40q) = %+v, %v", tc.desc, tc.opts, q, err)
		}
	}
}

// FuzzParse: what is accepted is an address, or a name that can be sent; what
// is not is named in one short printable line.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"foo.bar", "a:foo", "afsdb:x", "::1", "a\nb", strings.Repeat("a.", 130)} {
		f.Add([]byte(s), []byte("ipv4 list"))
	}
	f.Fuzz(func(t *testing.T, desc, opts []byte) {
		q, err := Parse(desc, opts)
		if err != nil {
			checkError(t, err)
			return
		}
		if q.Want&dnsquery.Both == 0 || len(opts) > maxOptions || strings.ContainsAny(string(opts), ",\n\x00") {
			t.Fatalf("accepted options %q: %+v", opts, q)
		}
		if q.Literal.IsValid() {
			return
		}
		name := strings.TrimSuffix(q.Name, ".")
		if len(name) > 253 || name == "" || !strings.HasSuffix(string(desc), q.Name) {
			t.Fatalf("accepted %q as name %q", desc, q.Name)
		}
		for _, label := range strings.Split(name, ".") {
			if len(label) < 1 || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
				t.Fatalf("accepted label %q", label)
			}
		}
	})
}

func checkError(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) || e.Errno != syscall.EINVAL && e.Errno != syscall.EPROTONOSUPPORT {
		t.Fatalf("error without a documented errno: %v", err)
	}
	text := err.Error()
	if len(text) > 400 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Fatalf("error is not one short line: %q", text)
	}
}
