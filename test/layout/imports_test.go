// Package layout holds the tests of the source tree itself.
package layout

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/upcalld/upcalld/"

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]pkg)
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// allowed says which packages of ours a package may reach, also by way of
// others. What is not listed may reach none.
var allowed = map[string][]string{
	"api":                       {"broker", "broker/wire", "cache", "keyring", "nscontext", "varlink"},
	"broker":                    {"broker/wire", "cache", "keyring", "nscontext"},
	"config":                    {"broker", "broker/wire", "cache", "keyring", "nscontext"},
	"cmd/request-key":           {"broker/wire", "keyring"},
	"cmd/upcalld-enter":         {"keyring"},
	"cmd/upcalld":               {"api", "broker", "broker/wire", "cache", "config", "keyring", "nscontext", "varlink"},
	"cmd/upcallctl":             {"api", "broker", "broker/wire", "cache", "hook", "keyring", "lab", "nscontext", "varlink"},
	"cmd/helpers/dns-resolve":   {"broker/wire", "addrselect", "dnsquery", "resolvconf", "rootfile", "sandbox"},
	"test/uml/guest":            {"broker/wire"},
	"test/kernel/floorstub":     {},
	"cmd/helpers/dns-resolve/*": {"broker/wire", "addrselect", "dnsquery", "resolvconf", "rootfile", "sandbox"},
}

func rule(name string) []string {
	if r, ok := allowed[name]; ok {
		return r
	}
	for pattern, r := range allowed {
		if prefix, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, prefix) {
			return r
		}
	}
	return nil
}

func TestImportsRunOneWay(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	for name, p := range all {
		may := make(map[string]bool)
		for _, r := range rule(name) {
			may[r] = true
		}
		for _, d := range p.Deps {
			d, ours := strings.CutPrefix(d, module)
			inside := strings.HasPrefix(d, name+"/internal/") || strings.Contains(name, "/internal/") && strings.HasPrefix(d, name[:strings.Index(name, "/internal/")])
			if ours && !may[d] && !inside {
				t.Errorf("%s may not depend on %s", name, d)
			}
		}
	}
}

// The kernel's requester waits for the stub to start: it stays small.
func TestStubImportsNextToNothing(t *testing.T) {
	for _, d := range packages(t)["cmd/request-key"].Deps {
		switch d {
		case "fmt", "net", "log", "log/slog", "encoding/json", "reflect/...", "context", "os/signal":
			t.Errorf("the stub depends on %s", d)
		}
	}
}
