package resolvconf

import "fmt"

// Bounds on notes: a hostile file must not fill a log.
const (
	MaxNotes    = 16
	maxNoteText = 160
	maxQuoted   = 40 // bytes of input in one note, before quoting
)

// A Note says that something in a file was ignored or changed.
type Note struct {
	File string // set by Load only
	Line int    // from 1; 0 is the file as a whole
	Text string // printable ASCII, at most 160 bytes
}

// String is "FILE:LINE: TEXT", as far as these are known.
func (n Note) String() string {
	switch {
	case n.File == "" && n.Line == 0:
		return n.Text
	case n.File == "":
		return fmt.Sprintf("line %d: %s", n.Line, n.Text)
	case n.Line == 0:
		return fmt.Sprintf("%s: %s", n.File, n.Text)
	}
	return fmt.Sprintf("%s:%d: %s", n.File, n.Line, n.Text)
}

// notes collects notes; the last one allowed says that more were dropped.
type notes []Note

func (n *notes) add(line int, format string, args ...any) {
	switch {
	case len(*n) >= MaxNotes:
		return
	case len(*n) == MaxNotes-1:
		format, args = "further notes are dropped", nil
	}
	text := fmt.Sprintf(format, args...)
	*n = append(*n, Note{Line: line, Text: text[:min(len(text), maxNoteText)]})
}

// quote makes a piece of the input safe to log.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%+q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%+q", s)
}
