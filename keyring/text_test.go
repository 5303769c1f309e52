package keyring

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// Lines as Linux 6.18 printed them.
const (
	ringLine  = "01ba39a4 I------     1 perm 1f030000     0     0 keyring   .dns_resolver: empty"
	keyLine   = "2a51b0c3 I--Q---     3   9s 3f010000     0     0 dns_resol foo.bar: 10"
	authsLine = "11223344 I------     2 perm 0b0b0000     0     0 .request_ key:2a51b0c3 pid:4711 ci:0"
)

const testKey, testAuth Serial = 0x2a51b0c3, 0x11223344

func TestParseLine(t *testing.T) {
	l, ok := ParseLine([]byte(keyLine))
	want := Line{Serial: testKey, Flags: "I--Q---", Usage: 3, Expiry: "9s", Perm: 0x3f010000, Type: "dns_resol", Text: []byte("foo.bar: 10")}
	if !ok || !reflect.DeepEqual(l, want) {
		t.Errorf("%v %+v", ok, l)
	}
	for _, bad := range []string{"", "2a51b0c3", "zz51b0c3" + keyLine[8:], keyLine[1:], strings.Replace(keyLine, "I--Q---", "I--Q--", 1),
		"8a51b0c3" + keyLine[8:], "00000000" + keyLine[8:]} {
		if _, ok := ParseLine([]byte(bad)); ok {
			t.Errorf("%q was parsed", bad)
		}
	}
}

func TestFindUpcall(t *testing.T) {
	all := strings.Join([]string{ringLine, authsLine, keyLine, ""}, "\n")
	got, err := FindUpcall(strings.NewReader(all), testKey, testAuth)
	if err != nil || got != (Upcall{Thread: 4711, Usage: 3}) {
		t.Errorf("%+v %v", got, err)
	}
	// However the file is cut into reads.
	got, err = FindUpcall(iotest.OneByteReader(strings.NewReader(all)), testKey, testAuth)
	if err != nil || got.Thread != 4711 {
		t.Errorf("byte by byte: %+v %v", got, err)
	}
}

func TestFindUpcallIsNotFooled(t *testing.T) {
	user := "2fffffff I--Q---     1 perm 3f010003  1000  1000 user      x"
	forgedOther := "00000001 I------     2 perm 0b0b0000     0     0 .request_ key:2a51b0c3 pid:1 ci:0"
	for name, c := range map[string]struct {
		lines []string
		want  error
	}{
		"a line with another serial":   {[]string{forgedOther, authsLine, user + "\n" + forgedOther + ": 3"}, nil},
		"a copy with another pid":      {[]string{authsLine, user + "\n" + strings.Replace(authsLine, "4711", "1", 1)}, ErrForged},
		"the copy first":               {[]string{user + "\n" + strings.Replace(authsLine, "4711", "1", 1), authsLine}, ErrForged},
		"only for another key":         {[]string{strings.Replace(authsLine, "key:2a51b0c3", "key:2a51b0c4", 1)}, ErrNoKey},
		"of another type":              {[]string{strings.Replace(authsLine, ".request_", "user     ", 1)}, ErrNoKey},
		"in the middle of a line":      {[]string{user + " " + authsLine}, ErrNoKey},
		"invisible requester":          {[]string{strings.Replace(authsLine, "pid:4711", "pid:0", 1)}, ErrNoKey},
		"negative requester":           {[]string{strings.Replace(authsLine, "pid:4711", "pid:-1", 1)}, ErrNoKey},
		"revoked, so without its body": {[]string{strings.Replace(authsLine, " pid:4711 ci:0", "", 1)}, ErrNoKey},
		"nothing":                      {nil, ErrNoKey},
	} {
		u, err := FindUpcall(strings.NewReader(strings.Join(append(c.lines, ""), "\n")), testKey, testAuth)
		if !errors.Is(err, c.want) || c.want == nil && u.Thread != 4711 {
			t.Errorf("%s: %+v %v, want %v", name, u, err, c.want)
		}
	}
}

func TestScanLinesIsBounded(t *testing.T) {
	endless := io.LimitReader(iotest.DataErrReader(strings.NewReader(strings.Repeat("x", 1<<20))), 1<<20)
	if err := scanLines(endless, func([]byte) {}); err == nil {
		t.Error("a line of 1 MiB was accepted")
	}
	n := 0
	if err := scanLines(strings.NewReader(strings.Repeat(keyLine+"\n", 30000)), func([]byte) { n++ }); err != nil || n != 30000 {
		t.Errorf("%d of 30000 lines: %v", n, err)
	}
}

func TestParseDescription(t *testing.T) {
	d, ok := ParseDescription([]byte("dns_resolver;0;-1;3f010000;a;b"))
	if !ok || d.Type != "dns_resolver" || d.GID != 1<<32-1 || d.Perm != 0x3f010000 || string(d.Text) != "a;b" {
		t.Errorf("%v %+v", ok, d)
	}
	for _, bad := range []string{"", "a;b;c;d;e", "dns;0;0;3f010000", ";0;0;0;x", "t;0;99999999999;0;x", "t;0;0;xyz;x"} {
		if _, ok := ParseDescription([]byte(bad)); ok {
			t.Errorf("%q was parsed", bad)
		}
	}
}

// FuzzFindUpcall: whatever other users' keys are called, either the true
// requester is found or nobody; never another.
func FuzzFindUpcall(f *testing.F) {
	f.Add("x\n"+authsLine, true)
	f.Add("x\n"+strings.Replace(authsLine, "4711", "1", 1), false)
	f.Add(strings.Repeat("\n", 100)+authsLine[:40], true)
	f.Fuzz(func(t *testing.T, desc string, before bool) {
		if len(desc) > 4096 || strings.ContainsRune(desc, 0) {
			t.Skip()
		}
		other := "2fffffff I--Q---     1 perm 3f010003  1000  1000 user      " + desc + ": 3"
		lines := []string{other, authsLine, keyLine, ""}
		if !before {
			lines = []string{authsLine, keyLine, other, ""}
		}
		u, err := FindUpcall(strings.NewReader(strings.Join(lines, "\n")), testKey, testAuth)
		if err == nil && u.Thread != 4711 {
			t.Errorf("found %+v", u)
		}
		if err == nil && u.Usage < 3 {
			t.Errorf("the usage count fell to %d", u.Usage)
		}
	})
}

// FuzzParseDescription: what is parsed is what was printed.
func FuzzParseDescription(f *testing.F) {
	f.Add([]byte("dns_resolver;0;0;3f010000;foo.bar"))
	f.Add([]byte("user;-1;65534;3f010000;a;b\nc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := ParseDescription(b)
		if !ok {
			return
		}
		again, ok := ParseDescription(fmt.Appendf(nil, "%s;%d;%d;%08x;%s", d.Type, int32(d.UID), int32(d.GID), d.Perm, d.Text))
		if !ok || !reflect.DeepEqual(again, d) {
			t.Errorf("%q: %+v, again %+v", b, d, again)
		}
	})
}
