package rootfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestScanLines(t *testing.T) {
	long, most := strings.Repeat("l", MaxLine+1), strings.Repeat("m", MaxLine)
	cases := []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"no final newline", "a\nb", []string{"a", "b"}},
		{"empty lines", "\n\na\n", []string{"", "", "a"}},
		{"longest", most + "\nx\n", []string{most, "x"}},
		{"longest at the end", most, []string{most}},
		{"too long", "a\n" + long + "\nb\n", []string{"a", "b"}},
		{"much too long", long + long + long + "\nb", []string{"b"}},
		{"too long at the end", "a\n" + long, []string{"a"}},
		{"NUL", "a\x00b\nc", []string{"a\x00b", "c"}},
	}
	dir := t.TempDir()
	root := handle(t, dir)
	for _, c := range cases {
		write(t, dir, "f", c.text)
		var got []string
		sig, err := Scan(root, "f", 1<<20, func(b []byte) bool { got = append(got, string(b)); return true })
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %d lines, want %d, %v", c.name, len(got), len(c.want), err)
		}
		if same, err := Stat(root, "f"); err != nil || sig != same {
			t.Errorf("%s: signatures differ: %v %v %v", c.name, sig, same, err)
		}
	}
}

func TestScanStopsAndLimits(t *testing.T) {
	root := tree(t, func(dir string) { write(t, dir, "f", strings.Repeat("line\n", 1000)) })
	n := 0
	if _, err := Scan(root, "f", 1<<20, func([]byte) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("stopped after %d lines, %v", n, err)
	}
	if _, err := Scan(root, "f", 4999, func([]byte) bool { return true }); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a byte over the limit: %v", err)
	}
}

// TestScanMemory scans 8 MiB and allows for little more than the line buffer.
func TestScanMemory(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "hosts"), bytes.Repeat([]byte("10.0.0.1 a b c\n"), 8<<20/15), 0o644))
	root := handle(t, dir)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Scan(root, "hosts", 8<<20, func([]byte) bool { return true }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 4*MaxLine {
		t.Errorf("allocated %d bytes", got)
	}
}

// FuzzScan: what Scan delivers is what splitting the text gives, without the
// lines that are too long.
func FuzzScan(f *testing.F) {
	f.Add([]byte("a\nb"), uint16(3), uint32(70000))
	dir := f.TempDir()
	root := handle(f, dir)
	f.Fuzz(func(t *testing.T, text []byte, at uint16, pad uint32) {
		cut := int(at) % (len(text) + 1)
		text = slices.Concat(text[:cut], bytes.Repeat([]byte("p"), int(pad%(3*MaxLine))), text[cut:])
		must(t, os.WriteFile(filepath.Join(dir, "f"), text, 0o644))
		var want, got [][]byte
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSuffix(line, []byte("\n")); len(line) <= MaxLine {
				want = append(want, line)
			}
		}
		_, err := Scan(root, "f", 1<<20, func(b []byte) bool { got = append(got, bytes.Clone(b)); return true })
		if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%d lines, want %d, %v", len(got), len(want), err)
		}
	})
}
