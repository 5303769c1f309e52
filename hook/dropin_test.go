package hook

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDropInLine(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	must(t, os.RemoveAll(h.real(rulesDir)))
	must(t, dropIn(h))
	want := header + "\ncreate dns_resolver * * /usr/libexec/upcalld/request-key %o %k %u %g %T %P %S -- /sbin/key.dns_resolver %k\n"
	for range 2 { // the second must not take our own line for the stock one
		got := h.folder(t, rulesDir)[dropInName]
		if got.text != want || got.mode != 0o644 {
			t.Errorf("%+v", got)
		}
		change, err := h.EnableDropIn(context.Background(), stubPath, "")
		if err != nil || change.Changed {
			t.Errorf("again: %+v, %v", change, err)
		}
	}
}

func TestDropInRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		setup func(t *testing.T, h *Host)
		stock string
		want  error
	}{
		"no request-key": {func(*testing.T, *Host) {}, "", ErrNoRequestKey},
		"our stub":       {func(t *testing.T, h *Host) { regular(t, h); must(t, takeOver(h)) }, "", ErrTakenOver},
		"stock is a pipe": {func(t *testing.T, h *Host) {
			regular(t, h)
			h.put(t, rulesFile, "create dns_resolver * * |/bin/x\n", 0o644)
		}, "", ErrStock},
		"two lines": {regular, "/bin/x\ncreate * * * /bin/y", ErrStock},
		"relative":  {regular, "x %k", ErrStock},
		"too long":  {regular, "/bin/x " + strings.Repeat("a", 4000), ErrStock},
		"bad stub":  {func(t *testing.T, h *Host) { regular(t, h); must(t, os.Chown(h.real(stubPath), 1, 1)) }, "", ErrUnsafeStub},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			tt.setup(t, h)
			if _, err := h.EnableDropIn(context.Background(), stubPath, tt.stock); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if left := h.folder(t, rulesDir); len(left) > 0 {
				t.Errorf("left behind: %+v", left)
			}
		})
	}
}

func TestStockHandler(t *testing.T) {
	for name, tt := range map[string]struct{ dropins, conf, want string }{
		"main file":          {"", "create dns_resolver * * /sbin/a %k\n", "/sbin/a %k"},
		"none":               {"", "create user * * /sbin/a %k\n", ""},
		"drop-in first":      {"create dns_resolver * * /sbin/d %k\n", "create dns_resolver * * /sbin/a %k\n", "/sbin/d %k"},
		"less wild type":     {"create dns* * * /sbin/d\n", "create dns_resolver * * /sbin/a\n", "/sbin/a"},
		"wild type":          {"", "create * * * /sbin/w %t\n", "/sbin/w %t"},
		"op before type":     {"c* dns_resolver * * /sbin/d\n", "create * * * /sbin/a\n", "/sbin/a"},
		"certain names only": {"create dns_resolver afsdb:* * /sbin/d\n", "", ""},
		"indented":           {" create dns_resolver * * /sbin/d\n", "", ""},
		"our own stub":       {"create dns_resolver * * " + stubPath + " %k\n", "create dns_resolver * * /sbin/a\n", "/sbin/a"},
		"negate":             {"", "negate dns_resolver * * /bin/keyctl negate\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.put(t, rulesFile, tt.conf, 0o644)
			h.put(t, rulesDir+"/some.conf", tt.dropins, 0o644)
			h.put(t, rulesDir+"/ignored.conf.saved", "create dns_resolver * * /sbin/no\n", 0o644)
			if got, err := h.StockHandler(stubPath); err != nil || got != tt.want {
				t.Errorf("%q, %v, want %q", got, err, tt.want)
			}
		})
	}
	h := newHost(t)
	h.put(t, rulesFile, "# one\n\ncreate dns_resolver *\n", 0o644)
	if _, err := h.StockHandler(stubPath); err == nil || !strings.Contains(err.Error(), rulesFile+":3") {
		t.Errorf("short line: %v", err)
	}
}

// TestAgainstKeyutils asks the real request-key, without running anything,
// which line it takes and what it makes of ours.
func TestAgainstKeyutils(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	must(t, dropIn(h))
	keyutils(t, h)
	out := askKeyutils(t, h)
	for _, want := range []string{
		"Run " + stubPath, `argv[1] = "create"`, `argv[2] = "7"`, `argv[3] = "1"`, `argv[4] = "2"`,
		`argv[5] = "3"`, `argv[6] = "4"`, `argv[7] = "5"`, `argv[8] = "--"`, `argv[9] = "/sbin/key.dns_resolver"`, `argv[10] = "7"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestStatus(t *testing.T) {
	zip := func(t *testing.T, h *Host) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte("CONFIG_STATIC_USERMODEHELPER=y\nCONFIG_STATIC_USERMODEHELPER_PATH=\"/sbin/umh\"\n"))
		must(t, errors.Join(err, z.Close()))
		h.put(t, "/proc/config.gz", b.String(), 0o444)
	}
	boot := func(t *testing.T, h *Host) {
		var un unix.Utsname
		must(t, unix.Uname(&un))
		h.put(t, "/boot/config-"+unix.ByteSliceToString(un.Release[:]), "# CONFIG_STATIC_USERMODEHELPER is not set\n", 0o444)
	}
	type steps = []func(*testing.T, *Host)
	do := func(f func(*Host) error) func(*testing.T, *Host) {
		return func(t *testing.T, h *Host) { must(t, f(h)) }
	}
	newer := func(t *testing.T, h *Host) { h.put(t, stubPath, stubText+" 2", 0o755) }
	pkg := func(t *testing.T, h *Host) { h.put(t, rk, "new keyutils", 0o755) }
	line := DropInLine(stubPath, stockCmd)
	none := StaticHelper{}
	for name, tt := range map[string]struct {
		do   steps
		want Status
	}{
		"none":     {steps{zip}, Status{Mode: ModeNone, RequestKey: "absent", StaticHelper: StaticHelper{true, true, "/sbin/umh", "/proc/config.gz"}}},
		"stock":    {steps{regular}, Status{Mode: ModeStock, RequestKey: "file", StaticHelper: none}},
		"link":     {steps{func(t *testing.T, h *Host) { h.symlink(t, "x", rk) }}, Status{Mode: ModeStock, RequestKey: "link"}},
		"takeover": {steps{regular, do(takeOver)}, Status{Mode: ModeTakeover, RequestKey: "stub", Stock: true}},
		"pending":  {steps{do(takeOver), newer}, Status{Mode: ModeTakeover, RequestKey: "stub", Pending: true}},
		"drop-in":  {steps{regular, do(dropIn)}, Status{Mode: ModeDropIn, RequestKey: "file", DropIn: line}},
		"foreign":  {steps{regular, do(takeOver), pkg}, Status{Mode: ModeForeign, RequestKey: "file", Stock: true}},
		"both": {steps{regular, do(dropIn), func(t *testing.T, h *Host) { h.put(t, rk, stubText, 0o755) }},
			Status{Mode: ModeBoth, RequestKey: "stub", DropIn: line}},
		"disabled": {steps{regular, do(takeOver), do(disable)}, Status{Mode: ModeStock, RequestKey: "file"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			for _, f := range tt.do {
				f(t, h)
			}
			if tt.want.StaticHelper == none {
				boot(t, h)
				tt.want.StaticHelper = StaticHelper{Known: true}
			}
			got, err := h.Status(stubPath)
			if !tt.want.StaticHelper.Set {
				got.StaticHelper.Source = ""
			}
			if err != nil || got != tt.want {
				a, _ := json.Marshal(got)
				b, _ := json.Marshal(tt.want)
				t.Errorf("%v\n got %s\nwant %s", err, a, b)
			}
		})
	}
}

// TestShadowed: of two equal lines request-key takes the one it reads first,
// which is the directory's order. Status must name the one that the real
// program takes, under many names.
func TestShadowed(t *testing.T) {
	h := newHost(t)
	regular(t, h)
	must(t, dropIn(h))
	keyutils(t, h)
	h.put(t, rulesDir+"/wilder.conf", "create dns* * * /bin/a\n", 0o644)
	for _, name := range strings.Fields("a b c d e f g h i j k l") {
		other := rulesDir + "/" + name + ".conf"
		h.put(t, other, "create dns_resolver * * /bin/other\n", 0o644)
		out := askKeyutils(t, h)
		want := ""
		if strings.Contains(out, "Run /bin/other") {
			want = other + ":1"
		}
		if s, err := h.Status(""); err != nil || s.ShadowedBy != want {
			t.Errorf("shadowed by %q, %v, want %q", s.ShadowedBy, err, want)
		}
		must(t, os.Remove(h.real(other)))
	}
}

// keyutils copies the machine's request-key into the root, for others may put
// something else in its place while this test runs.
func keyutils(t *testing.T, h *Host) {
	t.Helper()
	program, err := os.ReadFile("/sbin/request-key")
	if err != nil || strings.Contains(string(program), Marker) {
		t.Skipf("no request-key of keyutils at /sbin (package keyutils): %v", err)
	}
	h.put(t, "/usr/libexec/keyutils", string(program), 0o755)
}

// askKeyutils runs the real request-key on the root's /etc. With -d it touches
// no key and starts nothing.
func askKeyutils(t *testing.T, h *Host) string {
	t.Helper()
	cmd := exec.Command(h.real("/usr/libexec/keyutils"), "-l", "-n", "-d", "-v", "-v", "-D", "dns_resolver;0;0;1f0000;foo.bar", "create", "7", "1", "2", "3", "4", "5", "x")
	cmd.Dir = filepath.Join(h.Root, "etc")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// FuzzRules: every rule that is taken has five fields without white space in
// the first four, and matching never counts more than the text has.
func FuzzRules(f *testing.F) {
	f.Add("create dns_resolver * * /sbin/key.dns_resolver %k\n", "dns*", "dns_resolver")
	f.Add("# c\n\n x\nnegate * * * /bin/keyctl\n", "*", "")
	f.Fuzz(func(t *testing.T, text, pattern, datum string) {
		rules, err := parseRules(strings.NewReader(text), "f")
		if err != nil && rules != nil {
			t.Fatal("an error and rules")
		}
		for _, r := range rules {
			if len(strings.Fields(r.op+" "+r.typ+" "+r.desc+" "+r.callout)) != 4 || r.command == "" {
				t.Fatalf("%+v", r)
			}
		}
		n := skips(pattern, datum)
		if n > len(datum) || n == 0 && len(pattern) < len(datum) {
			t.Fatalf("skips(%q, %q) = %d", pattern, datum, n)
		}
		before, after, wild := strings.Cut(pattern, "*")
		if n >= 0 && wild && before+datum[len(before):len(before)+n]+after != datum {
			t.Fatalf("skips(%q, %q) = %d", pattern, datum, n)
		}
	})
}
