package netconf

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/upcalld/upcalld/rootfile"
)

// TestSettled: a file is not trusted to be unchanged while its time stamp is
// so fresh that another write could leave the same one.
func TestSettled(t *testing.T) {
	now := time.Unix(1000, 0)
	at := func(d time.Duration) file {
		return file{path: "etc/hosts", sig: rootfile.Signature{CtimeNs: now.Add(d).UnixNano(), MtimeNs: 1}}
	}
	bad := at(0)
	bad.bad = "a FIFO"
	for name, tc := range map[string]struct {
		f    file
		want bool
	}{
		"missing":   {file{}, true},
		"old":       {at(-time.Hour), true},
		"just now":  {at(-time.Millisecond), false},
		"in future": {at(time.Hour), false},
		"unusable":  {bad, true},
	} {
		if got := (state{hosts: tc.f}).settled(now); got != tc.want {
			t.Errorf("%s: settled is %v", name, got)
		}
	}
}

// TestBounded: any number of roots leaves a bounded number of configurations,
// and every one of them is read right.
func TestBounded(t *testing.T) {
	dir, r := t.TempDir(), new(Reader)
	for i := range 3 * maxRoots {
		root := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		conf, news, err := r.Load(context.Background(), f, "")
		f.Close()
		if err != nil || !news || conf.DNS.Servers[0].String() != "127.0.0.1:53" {
			t.Fatalf("root %d: %+v, %v, %v", i, conf, news, err)
		}
	}
	if len(r.known) != maxRoots {
		t.Errorf("%d configurations are kept", len(r.known))
	}
}
