package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/upcalld/upcalld/broker"
)

// files writes a configuration with drop-ins and returns its path.
func files(t *testing.T, main string, dropins map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upcalld.toml")
	if err := os.Mkdir(path+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{path: main}
	for name, text := range dropins {
		all[filepath.Join(path+".d", name)] = text
	}
	for name, text := range all {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := Load(files(t, "", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := broker.DefaultPolicy()
	want.HelperUID, want.HelperGID = c.Policy.HelperUID, c.Policy.HelperGID // the host's
	if c.Policy != want || c.LogLevel != "info" || c.Policy.HelperUID <= 0 {
		t.Errorf("%+v", c)
	}
}

func TestDropInsChangeOnlyTheirKeys(t *testing.T) {
	c, err := Load(files(t, "unregistered = \"reject\"\n[limits]\ncontexts = 5\ncache_entries = 7\n", map[string]string{
		"20-b.toml":  "[limits]\ncontexts = 20\n",
		"10-a.toml":  "other_key_types = \"stock\"\n[limits]\ncontexts = 10\n[helpers]\nidle = \"5s\"\n",
		"ignored.md": "not toml",
	}))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policy
	if p.Unregistered != broker.InsteadReject || p.OtherTypes != broker.InsteadStock || p.MaxContexts != 20 ||
		p.CacheEntries != 7 || p.HelperIdle != 5*time.Second {
		t.Errorf("%+v", p)
	}
}

// Every error names the file, and the line or the key.
func TestErrorsSayWhere(t *testing.T) {
	for text, want := range map[string]string{
		"unregistred = \"stock\"":                        `upcalld.toml:1: unknown key "unregistred"`,
		"# a\n\n[limits]\ncontexts = 1\nlimit = 2":       `upcalld.toml:5: unknown key "limits.limit"`,
		"[limitz]\ncontexts = 1":                         `upcalld.toml:1: unknown key "limitz`,
		"[limits]\ncontexts = ":                          "upcalld.toml:2:",
		"[limits]\ncontexts = \"many\"":                  "line 2",
		"unregistered = \"maybe\"":                       `upcalld.toml: unregistered = "maybe"`,
		"other_key_types = \"\"":                         `upcalld.toml: other_key_types = ""`,
		"[limits]\nupcalls_per_context = 0":              "limits.upcalls_per_context = 0",
		"[limits]\ncache_bytes = 99999999999":            "limits.cache_bytes = 99999999999",
		"[helpers]\nidle = \"1ms\"":                      "helpers.idle",
		"[helpers]\nidle = \"soon\"":                     "helpers.idle",
		"[helpers]\nuser = \"root\"":                     "never run as root",
		"[helpers]\nuser = \"no-such-user-on-a-host\"":   `helpers.user = "no-such-user-on-a-host"`,
		"[log]\nlevel = \"loud\"":                        "log.level",
		"unregistered = \"stock\"\nunregistered = \"x\"": "upcalld.toml:2:",
	} {
		_, err := Load(files(t, text, nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n\tgot  %v\n\twant %s", text, err, want)
		}
	}
}

func TestErrorInADropInNamesIt(t *testing.T) {
	_, err := Load(files(t, "", map[string]string{"10-good.toml": "", "20-bad.toml": "unregistered = \"x\""}))
	if err == nil || !strings.Contains(err.Error(), "20-bad.toml: unregistered") {
		t.Errorf("%v", err)
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml")); err == nil {
		t.Error("a configuration that was asked for and is missing is no error")
	}
}

// FuzzLoad: whatever the file says, what is accepted is within its bounds.
func FuzzLoad(f *testing.F) {
	f.Add("unregistered = \"reject\"\n[limits]\ncontexts = 3")
	f.Add("[helpers]\nidle = \"2h\"\nuser = \"nobody\"")
	path := filepath.Join(f.TempDir(), "f.toml")
	f.Fuzz(func(t *testing.T, text string) {
		name := fmt.Sprintf("%s.%d", path, os.Getpid())
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(name)
		if err != nil {
			return
		}
		p := c.Policy
		if p.MaxUpcalls < 1 || p.MaxContexts < 1 || p.CacheEntries < 1 || p.CacheBytes < 1 || p.HelperUID <= 0 || p.HelperGID <= 0 || p.HelperIdle < time.Second {
			t.Errorf("%q gives %+v", text, p)
		}
	})
}
