package hook

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits of keyutils' request-key (request-key.c: the line buffer) and ours.
const (
	maxLine  = 4096    // a longer one is an error there and stops every upcall
	maxOurs  = 4000    // of our own line, well below that
	maxRules = 1 << 20 // bytes of one file
	maxFiles = 1024    // entries of /etc/request-key.d
)

const (
	rulesFile = "/etc/request-key.conf"
	rulesDir  = "/etc/request-key.d"
)

// rule is one line of request-key.conf.
type rule struct {
	op, typ, desc, callout string
	command                string // program and arguments
	at                     string // file:line
}

// rules reads all lines in the order in which request-key reads them: the
// drop-ins as the directory lists them, then the main file.
func (h *Host) rules() ([]rule, error) {
	var all []rule
	names, err := h.dropInNames()
	if err != nil {
		return nil, err
	}
	for _, name := range append(names, rulesFile) {
		rules, err := h.rulesOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, rules...)
	}
	return all, nil
}

// rulesOf reads one file; none where it is not there.
func (h *Host) rulesOf(name string) ([]rule, error) {
	f, err := h.openRegular(name)
	if f == nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > maxRules {
		return nil, fmt.Errorf("hook: %s: not readable, or larger than 1 MiB: %w", name, errors.Join(err, unix.EFBIG))
	}
	return parseRules(f, name)
}

// dropInNames lists /etc/request-key.d/*.conf, unsorted on purpose.
func (h *Host) dropInNames() ([]string, error) {
	dir, err := h.openDir(rulesDir)
	if errors.Is(err, ErrNoDirectory) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hook: %w", err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxFiles)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("hook: %s: %w", rulesDir, err)
	}
	if len(entries) == maxFiles {
		return nil, fmt.Errorf("hook: %s: more than %d files", rulesDir, maxFiles-1)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".conf") && e.Type().IsRegular() {
			names = append(names, rulesDir+"/"+e.Name())
		}
	}
	return names, nil
}

// parseRules reads one file. Lines that begin with white space are skipped, as
// request-key skips them. A line it would stop at is an error.
func parseRules(r io.Reader, name string) ([]rule, error) {
	var rules []rule
	lines := bufio.NewScanner(io.LimitReader(r, maxRules))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.ContainsAny(line[:1], "# \t\n\v\f\r") {
			continue
		}
		f := strings.Fields(line)
		if len(f) < 5 {
			return nil, fmt.Errorf("hook: %s:%d: a line has at least five fields", name, n)
		}
		rules = append(rules, rule{f[0], f[1], f[2], f[3], strings.Join(f[4:], " "), fmt.Sprintf("%s:%d", name, n)})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("hook: %s: %w", name, err)
	}
	return rules, nil
}

// skips is how many characters a pattern's one asterisk stands for in a text,
// or -1 where the pattern does not match.
func skips(pattern, text string) int {
	before, after, wild := strings.Cut(pattern, "*")
	switch {
	case !wild && pattern == text:
		return 0
	case !wild, len(text) < len(before)+len(after),
		!strings.HasPrefix(text, before), !strings.HasSuffix(text, after):
		return -1
	}
	return len(text) - len(before) - len(after)
}

// best is the line that answers `create dns_resolver` for every name: that with
// the fewest characters skipped in op, then type; the first read among equals.
// Lines for certain names only stay in force beside ours, if they name the type.
func best(rules []rule) (rule, bool) {
	found, ok := rule{}, false
	least := [2]int{}
	for _, r := range rules {
		now := [2]int{skips(r.op, "create"), skips(r.typ, "dns_resolver")}
		if now[0] < 0 || now[1] < 0 || r.desc != "*" || r.callout != "*" {
			continue
		}
		if !ok || now[0] < least[0] || now[0] == least[0] && now[1] < least[1] {
			found, least, ok = r, now, true
		}
	}
	return found, ok
}
