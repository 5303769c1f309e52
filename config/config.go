// Package config reads upcalld's configuration: one TOML file and drop-ins
// beside it. A key that is not known is an error, never ignored.
package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/upcalld/upcalld/broker"
)

// Path is where the configuration is looked for; its drop-ins are in
// Path + ".d", files that end in .toml, in the order of their names.
const Path = "/etc/upcalld/upcalld.toml"

// file is what a configuration file may say; see upcalld.toml(5). What it does
// not say keeps the value it had.
type file struct {
	Unregistered string `toml:"unregistered"`
	OtherTypes   string `toml:"other_key_types"`
	Limits       struct {
		UpcallsPerContext int   `toml:"upcalls_per_context"`
		Contexts          int   `toml:"contexts"`
		CacheEntries      int   `toml:"cache_entries"`
		CacheBytes        int64 `toml:"cache_bytes"`
	} `toml:"limits"`
	Helpers struct {
		User string `toml:"user"`
		Idle string `toml:"idle"`
	} `toml:"helpers"`
	Log struct {
		Level string `toml:"level"`
	} `toml:"log"`
}

// Config is the checked configuration.
type Config struct {
	Policy   broker.Policy
	LogLevel string // debug, info, warn or error
	// Warnings are about the host, not about what is written.
	Warnings []string
}

// Load reads path and its drop-ins. A missing file is the defaults, if path is
// [Path], else an error. Errors name file, line and key.
func Load(path string) (Config, error) {
	var f file
	f.set(broker.DefaultPolicy())
	dropins, err := filepath.Glob(path + ".d/*.toml")
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c, err := f.config()
	if err != nil {
		return Config{}, fmt.Errorf("defaults: %w", err)
	}
	for _, name := range append([]string{path}, dropins...) {
		err = f.read(name)
		if errors.Is(err, fs.ErrNotExist) && name == Path {
			continue
		}
		if err != nil {
			return Config{}, err
		}
		// Checked after each file, so that an error names the one it is in.
		if c, err = f.config(); err != nil {
			return Config{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return c, nil
}

// set fills in the defaults.
func (f *file) set(p broker.Policy) {
	f.Unregistered, f.OtherTypes = string(p.Unregistered), string(p.OtherTypes)
	f.Limits.UpcallsPerContext, f.Limits.Contexts = p.MaxUpcalls, p.MaxContexts
	f.Limits.CacheEntries, f.Limits.CacheBytes = p.CacheEntries, p.CacheBytes
	f.Helpers.User, f.Helpers.Idle = DefaultHelperUser, p.HelperIdle.String()
	f.Log.Level = "info"
}

func (f *file) read(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	meta, err := toml.Decode(string(text), f)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("%s:%d: %s", name, parse.Position.Line, parse.Message)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("%s:%d: unknown key %q", name, lineOf(text, unknown[0]), unknown[0].String())
	}
	return nil
}

// lineOf finds the line that names a key, for a message; the decoder does not say.
func lineOf(text []byte, key toml.Key) int {
	word := key[len(key)-1]
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		l := strings.Trim(strings.TrimSpace(lines.Text()), `["'`)
		if rest, ok := strings.CutPrefix(l, word); ok && strings.IndexAny(rest, ` =]."'`) <= 0 {
			return n
		}
	}
	return 1
}

// config checks what was read.
func (f *file) config() (Config, error) {
	c := Config{Policy: broker.DefaultPolicy(), LogLevel: f.Log.Level}
	p := &c.Policy
	p.Unregistered, p.OtherTypes = broker.Instead(f.Unregistered), broker.Instead(f.OtherTypes)
	p.MaxUpcalls, p.MaxContexts = f.Limits.UpcallsPerContext, f.Limits.Contexts
	p.CacheEntries, p.CacheBytes = f.Limits.CacheEntries, f.Limits.CacheBytes
	for key, way := range map[string]broker.Instead{"unregistered": p.Unregistered, "other_key_types": p.OtherTypes} {
		if way != broker.InsteadStock && way != broker.InsteadReject {
			return c, fmt.Errorf(`%s = %q: must be "stock" or "reject"`, key, way)
		}
	}
	for _, l := range []struct {
		key         string
		value, most int64
	}{
		{"limits.upcalls_per_context", int64(p.MaxUpcalls), 1024},
		{"limits.contexts", int64(p.MaxContexts), 1 << 20},
		{"limits.cache_entries", int64(p.CacheEntries), 1 << 20},
		{"limits.cache_bytes", p.CacheBytes, 1 << 30},
	} {
		if l.value < 1 || l.value > l.most {
			return c, fmt.Errorf("%s = %d: must be between 1 and %d", l.key, l.value, l.most)
		}
	}
	idle, err := time.ParseDuration(f.Helpers.Idle)
	if err != nil || idle < time.Second || idle > 24*time.Hour {
		return c, fmt.Errorf(`helpers.idle = %q: must be a duration between "1s" and "24h"`, f.Helpers.Idle)
	}
	p.HelperIdle = idle
	switch c.LogLevel {
	case "debug", "info", "warn", "error":
	default:
		return c, fmt.Errorf("log.level = %q: must be debug, info, warn or error", c.LogLevel)
	}
	return c, f.findUser(&c)
}
