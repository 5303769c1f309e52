package broker

import (
	"strings"
	"testing"

	"github.com/upcalld/upcalld/nscontext"
)

// set makes the namespaces of a task from two inodes.
func set(net, mnt uint64) nscontext.Set {
	var s nscontext.Set
	s[nscontext.Net] = nscontext.ID{Dev: 4, Ino: net}
	if mnt != 0 {
		s[nscontext.Mnt] = nscontext.ID{Dev: 4, Ino: mnt}
	}
	return s
}

func reg(id uint64, s nscontext.Set, labels ...string) *Registration {
	r := &Registration{ID: id, Name: string(rune('a' + id)), ids: s, Labels: map[string]string{}}
	for _, l := range labels {
		r.Labels[l] = "true"
	}
	return r
}

func TestElect(t *testing.T) {
	const hostNet = 1
	host := set(hostNet, 10)
	for name, c := range map[string]struct {
		who        nscontext.Set
		candidates []*Registration
		want       uint64 // 0: nobody
		why        string
	}{
		"nobody registered":                            {set(2, 20), nil, 0, "no context"},
		"alone, same mounts":                           {set(2, 20), []*Registration{reg(1, set(2, 20))}, 1, "network and mount"},
		"alone, other mounts":                          {set(2, 21), []*Registration{reg(1, set(2, 20))}, 1, "same network namespace"},
		"alone, by path":                               {set(2, 21), []*Registration{reg(1, set(2, 0))}, 1, "same network namespace"},
		"pod: exact before oldest":                     {set(2, 22), []*Registration{reg(1, set(2, 20)), reg(2, set(2, 22))}, 2, "network and mount"},
		"pod: exact before label":                      {set(2, 22), []*Registration{reg(1, set(2, 20), ElectLabel), reg(2, set(2, 22))}, 2, "network and mount"},
		"pod: label before oldest":                     {set(2, 23), []*Registration{reg(1, set(2, 20)), reg(2, set(2, 22), ElectLabel)}, 2, "labelled"},
		"pod: the oldest":                              {set(2, 23), []*Registration{reg(1, set(2, 20)), reg(2, set(2, 22))}, 1, "oldest of 2"},
		"two exact: the label":                         {set(2, 20), []*Registration{reg(1, set(2, 20)), reg(2, set(2, 20), ElectLabel)}, 2, "labelled"},
		"two exact: the oldest":                        {set(2, 20), []*Registration{reg(3, set(2, 20)), reg(4, set(2, 20))}, 3, "oldest of 2"},
		"another label is none":                        {set(2, 23), []*Registration{reg(1, set(2, 20)), reg(2, set(2, 22), "elected")}, 1, "oldest of 2"},
		"the host is not a container with its network": {set(hostNet, 10), []*Registration{reg(1, set(hostNet, 30))}, 0, "only for their own mount"},
		"nor is a host service with its own mounts":    {set(hostNet, 11), []*Registration{reg(1, set(hostNet, 30))}, 0, "only for their own mount"},
		"but that container is":                        {set(hostNet, 30), []*Registration{reg(1, set(hostNet, 30))}, 1, "network and mount"},
		"the host's network by path is nobody's":       {set(hostNet, 10), []*Registration{reg(1, set(hostNet, 0), ElectLabel)}, 0, "only for their own mount"},
	} {
		got, why := elect(c.who, host, c.candidates)
		var id uint64
		if got != nil {
			id = got.ID
		}
		if id != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: context %d (%s), want %d (%s)", name, id, why, c.want, c.why)
		}
	}
}

func TestRegistry(t *testing.T) {
	made, last := 0, uint64(0)
	number := func() (uint64, error) { last++; return last, nil }
	g := newRegistry(func(id nscontext.ID) *network { made++; return &network{id: id} })
	a, b, c := reg(0, set(2, 20)), reg(0, set(2, 21)), reg(0, set(3, 22))
	a.Name, b.Name, c.Name = "a", "b", "c"
	for _, r := range []*Registration{a, b, c} {
		if err := g.add(r, 3, number); err != nil {
			t.Fatal(err)
		}
	}
	if a.ID != 1 || b.ID != 2 || c.ID != 3 {
		t.Errorf("ids %d %d %d", a.ID, b.ID, c.ID)
	}
	if a.network != b.network || a.network == c.network || made != 2 {
		t.Errorf("%d networks for two namespaces", made)
	}
	again := reg(0, set(9, 9))
	again.Name = "a"
	if err := g.add(again, 9, number); err == nil {
		t.Error("a name was taken twice")
	}
	again.Name = "d"
	if err := g.add(again, 3, number); err == nil {
		t.Error("more than the limit")
	}
	seen := g.candidates(set(2, 0)[nscontext.Net])
	if last, ok := g.remove(a); last || !ok {
		t.Errorf("removing the first of two: last %v, ok %v", last, ok)
	}
	if len(seen) != 2 || seen[0] != a || seen[1] != b {
		t.Error("a slice handed out was changed")
	}
	if last, ok := g.remove(b); !last || !ok {
		t.Errorf("removing the second of two: last %v, ok %v", last, ok)
	}
	if _, ok := g.remove(b); ok {
		t.Error("removed twice")
	}
	if err := g.add(again, 3, number); err != nil || again.ID != 4 {
		t.Errorf("id %d after a refused registration: %v", again.ID, err)
	}
	if all := g.list(); len(all) != 2 || all[0] != c || all[1] != again {
		t.Errorf("list %v", all)
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "pod-1/web_2", "k8s:ns@x.y", strings.Repeat("x", maxName)} {
		if err := checkName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-x", ".", "../x", "a b", "a\nb", "é", strings.Repeat("x", maxName+1)} {
		if err := checkName(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestCheckLabels(t *testing.T) {
	for name, bad := range map[string]map[string]string{
		"no key":       {"": "x"},
		"newline":      {"a": "x\ny"},
		"too long":     {"a": strings.Repeat("x", maxLabel)},
		"control byte": {"a\x7f": "x"},
	} {
		if err := checkLabels(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := checkLabels(map[string]string{"io.kubernetes.pod": "x y"}); err != nil {
		t.Error(err)
	}
}
