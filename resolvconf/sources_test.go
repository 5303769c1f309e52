package resolvconf

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseNSSwitch(t *testing.T) {
	act := func(name string, a ...Action) Source { return Source{name, [statuses]Action(a)} }
	const c, r, m = Continue, Return, Merge
	files, dns := newSource("files"), newSource("dns")
	cases := []struct {
		name, text string
		want       Sources
		notes      []string
	}{
		{"empty", "", Sources{files, dns}, nil},
		{"no hosts", "passwd: files systemd\nhostsx: dns\n#hosts: dns\n", Sources{files, dns}, nil},
		{"plain", "hosts:files dns\n", Sources{files, dns}, nil},
		{"other way", "passwd: x\n  hosts : dns\tfiles # dns\r\n", Sources{dns, files}, nil},
		{"one", "hosts: dns", Sources{dns}, nil},
		{"nothing", "hosts: \n", Sources{files, dns}, []string{"1: names no source"}},
		{"systemd", "hosts: mymachines resolve [!UNAVAIL=return] files dns", Sources{
			newSource("mymachines"), act("resolve", r, r, c, r), files, dns}, []string{"1: mymachines", "1: resolve"}},
		{"mdns", "hosts: files mdns4_minimal [NOTFOUND=return] dns", Sources{files, act("mdns4_minimal", r, r, c, c), dns}, []string{"1: mdns4_minimal"}},
		{"tight", "hosts: files[success=Continue !tryagain=MERGE]dns", Sources{act("files", m, m, m, c), dns}, nil},
		{"two groups", "hosts: dns [NOTFOUND=return] [UNAVAIL=return]", Sources{act("dns", r, r, r, c)}, nil},
		{"bad criteria", "hosts: files [foo=return NOTFOUND=bar NOTFOUND =] dns", Sources{files, dns}, []string{"1:", "1:", "1:", "1:"}},
		{"open", "hosts: files [NOTFOUND=return dns", Sources{files}, []string{"1: without a ]"}},
		{"first", "hosts: [NOTFOUND=return] dns", Sources{dns}, []string{"1: before"}},
		{"last wins", "hosts: files\nhosts: dns\n", Sources{dns}, []string{"2: replaces"}},
		{"bad name", "hosts: files b\xffd [UNAVAIL=return] dns", Sources{files, act("invalid", r, c, r, c), dns}, []string{"1: valid", "1: known"}},
		{"NUL", "hosts: dns\x00\n", Sources{files, dns}, []string{"1: NUL"}},
	}
	for _, c := range cases {
		got, notes := ParseNSSwitch([]byte(c.text))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %v want %v", c.name, got, c.want)
		}
		checkNotes(t, c.name, notes, c.notes)
	}
	if got, _ := ParseNSSwitch([]byte("hosts:" + strings.Repeat(" dns", 100))); len(got) != MaxSources {
		t.Errorf("%d sources", len(got))
	}
}

func FuzzParseNSSwitch(f *testing.F) {
	f.Add([]byte("hosts: files mdns4 [NOTFOUND=return !UNAVAIL=merge] dns # x\nhosts:dns"))
	f.Add([]byte("hosts: [] b\xffd [=] ["))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, notes := ParseNSSwitch(data)
		checkNoteBounds(t, notes)
		if len(s) == 0 || len(s) > MaxSources {
			t.Fatalf("%d sources", len(s))
		}
		for _, source := range s {
			for _, a := range source.Actions {
				if a < 0 || a >= actions {
					t.Fatalf("%+v", source)
				}
			}
			if !sourceNameOK(source.Name) {
				t.Fatalf("%q", source.Name)
			}
		}
		if again, _ := ParseNSSwitch([]byte(s.String())); !reflect.DeepEqual(s, again) {
			t.Fatalf("%s is read as %s", s, again)
		}
	})
}
