package resolvconf

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// resolv is the default changed by f.
func resolv(f func(*Resolv)) Resolv {
	r := DefaultResolv()
	f(&r)
	return r
}

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func servers(list ...string) Resolv {
	return resolv(func(r *Resolv) { r.Servers = addrs(list...) })
}

func search(list ...string) Resolv { return resolv(func(r *Resolv) { r.Search = list }) }

func TestParseResolv(t *testing.T) {
	type note = string
	cases := []struct {
		name, text string
		want       Resolv
		notes      []note // "line: part of the text"
	}{
		{"empty", "", DefaultResolv(), nil},
		{"comments", "# a\n; b\n\n#nameserver 1.1.1.1\n", DefaultResolv(), nil},
		{"servers", "nameserver 10.0.0.1\nnameserver\t fe80::1%eth0  x\nnameserver ::1", servers("10.0.0.1", "fe80::1%eth0", "::1"), nil},
		{"mapped", "nameserver ::ffff:10.0.0.1\n", servers("10.0.0.1"), nil},
		{"as inet_aton", "nameserver 127.1\nnameserver 010.0x10.1.0\nnameserver 0xb\n", servers("127.0.0.1", "8.16.1.0", "0.0.0.11"), nil},
		{"not inet_aton", "nameserver 1.2.3.4.5\nnameserver 1.2.3.256\nnameserver 0b1\nnameserver 1_0\nnameserver 08\nnameserver 1..2",
			DefaultResolv(), []note{"1: ", "2: ", "3: ", "4: ", "5: ", "6: not an address"}},
		{"too many", strings.Repeat("nameserver 10.0.0.1\n", 5), servers("10.0.0.1", "10.0.0.1", "10.0.0.1"), []note{"4: there are 3", "5: there are 3"}},
		{"bad zones", "nameserver fe80::1%\nnameserver fe80::1%a/b\nnameserver fe80::1%0123456789abcdef\n", DefaultResolv(), []note{"1:", "2:", "3:"}},
		{"a port", "nameserver 10.0.0.1:53\nnameserver [::1]:53", DefaultResolv(), []note{"1:", "2:"}},
		{"nothing follows", "nameserver\nsearch \ndomain", DefaultResolv(), []note{"1:", "2:", "3:"}},
		{"begins with a blank", " nameserver 10.0.0.1\n", DefaultResolv(), []note{"1: begins with a blank"}},
		{"unknown words", "sortlist 1.2.3.4\nNameserver 10.0.0.1\nnameserver10 1\n", DefaultResolv(), []note{`1: "sortlist"`, "2:", "3:"}},
		{"CRLF", "nameserver 10.0.0.1\r\nsearch a b\r\n", resolv(func(r *Resolv) {
			r.Servers, r.Search = addrs("10.0.0.1"), []string{"a", "b"}
		}), nil},
		{"NUL", "name\x00server 10.0.0.1\nnameserver 10.0.0.2\x00\n", DefaultResolv(), []note{"1: NUL", "2: NUL"}},
		{"noise", "\xff\xfe\x1b[2J\x80 \x81\n", DefaultResolv(), []note{`1: \x1b`}},
		{"search", "search Foo.Example. b\tc_d\n", search("foo.example", "b", "c_d"), nil},
		{"root", "search .\n", search("."), nil},
		{"last wins", "search a b\ndomain c d\n", search("c"), nil},
		{"last wins too", "domain c\nsearch a b\n", search("a", "b"), nil},
		{"bad names", "search a..b .a b\\c ü " + strings.Repeat("l", 64) + " ok\n", search("ok"), []note{"1:", "1:", "1:", "1:", "1:"}},
		{"options", "options ndots:5 timeout:2 attempts:3 rotate\noptions use-vc edns0 no-aaaa trust-ad single-request\n", resolv(func(r *Resolv) {
			r.NDots, r.Timeout, r.Attempts = 5, 2*time.Second, 3
			r.Rotate, r.UseTCP, r.EDNS0, r.NoAAAA, r.TrustAD, r.SingleRequest = true, true, true, true, true, true
		}), nil},
		{"more options", "options single-request-reopen no-tld-query no-reload", resolv(func(r *Resolv) {
			r.SingleRequestReopen, r.NoTLDQuery, r.NoReload = true, true, true
		}), nil},
		{"high", "options ndots:99999999999999999999 timeout:31 attempts:6", resolv(func(r *Resolv) {
			r.NDots, r.Timeout, r.Attempts = 15, 30*time.Second, 5
		}), []note{"1:", "1:", "1:"}},
		{"low", "options ndots:-1 timeout:0 attempts:x", resolv(func(r *Resolv) {
			r.NDots, r.Timeout, r.Attempts = 0, time.Second, 1
		}), []note{"1:", "1:", "1:"}},
		{"odd options", "options ndots rotate:1 inet6 debug rotate2\n", DefaultResolv(), []note{"1:", "1:", "1:", "1:", "1:"}},
	}
	for _, c := range cases {
		got, notes := ParseResolv([]byte(c.text))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got\n%vwant\n%v", c.name, got, c.want)
		}
		checkNotes(t, c.name, notes, c.notes)
	}
}

// checkNotes compares notes with "LINE: PART OF THE TEXT".
func checkNotes(t *testing.T, name string, got []Note, want []string) {
	t.Helper()
	same := slices.EqualFunc(got, want, func(n Note, w string) bool {
		line, part, _ := strings.Cut(w, ":")
		return fmt.Sprint(n.Line) == line && strings.Contains(n.Text, strings.TrimSpace(part))
	})
	if !same {
		t.Errorf("%s: notes %v, want %q", name, got, want)
	}
}

func TestResolvBounds(t *testing.T) {
	r, notes := ParseResolv([]byte("search" + strings.Repeat(" a", 100)))
	if len(r.Search) != MaxSearch || len(notes) != 1 {
		t.Errorf("%d search domains, %v", len(r.Search), notes)
	}
	long := " " + strings.Repeat("l", 63) + "." + strings.Repeat("m", 63)
	if r, notes = ParseResolv([]byte("search" + strings.Repeat(long, 30))); len(r.Search) != MaxSearchBytes/len(long) || len(notes) != 1 {
		t.Errorf("%d long search domains, %v", len(r.Search), notes)
	}
	// The line that crosses the limit is not read in part.
	pad := strings.Repeat("#\n", MaxResolvSize/2-4)
	if r, notes = ParseResolv([]byte(pad + "nameserver 10.0.0.11\n")); !reflect.DeepEqual(r, DefaultResolv()) || len(notes) != 1 {
		t.Errorf("cut: %v %v", r, notes)
	}
	if _, notes = ParseResolv([]byte(strings.Repeat("odd x\n", 1000))); len(notes) != MaxNotes || !strings.Contains(notes[MaxNotes-1].Text, "dropped") {
		t.Errorf("notes: %v", notes)
	}
}

func FuzzParseResolv(f *testing.F) {
	f.Add([]byte("nameserver fe80::1%eth0\nsearch a. B\ndomain c\noptions ndots:3 rotate timeout:0\n#x\n"))
	f.Add([]byte("nameserver 0x7f.1\r\noptions use-vc\x00\nsortlist 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, notes := ParseResolv(data)
		checkResolv(t, r)
		checkNoteBounds(t, notes)
		again, notes := ParseResolv([]byte(r.String()))
		if !reflect.DeepEqual(r, again) || len(notes) != 0 {
			t.Fatalf("canonical text\n%s\nis read as\n%s\nwith %v", r, again, notes)
		}
	})
}

func checkResolv(t *testing.T, r Resolv) {
	size := 0
	for _, name := range r.Search {
		size += len(name) + 1
		if clean, ok := cleanName(name); !ok || clean != name {
			t.Fatalf("search domain %q", name)
		}
	}
	for _, s := range r.Servers {
		if !s.IsValid() || s.Is4In6() || len(s.Zone()) > maxZone {
			t.Fatalf("server %v", s)
		}
	}
	ok := len(r.Servers) >= 1 && len(r.Servers) <= MaxServers && len(r.Search) <= MaxSearch && size <= MaxSearchBytes &&
		r.NDots >= 0 && r.NDots <= MaxNDots && r.Attempts >= 1 && r.Attempts <= MaxAttempts &&
		r.Timeout >= time.Second && r.Timeout <= MaxTimeout
	if !ok {
		t.Fatalf("outside the limits: %+v", r)
	}
}

func checkNoteBounds(t *testing.T, notes []Note) {
	if len(notes) > MaxNotes {
		t.Fatalf("%d notes", len(notes))
	}
	for _, n := range notes {
		if len(n.Text) > maxNoteText || strings.ContainsFunc(n.Text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("note %q", n.Text)
		}
	}
}
