package broker

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestQuietHoldsBackAndSaysSo(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	q := newQuiet(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	for range 100 {
		q.write(slog.LevelInfo, "flood")
	}
	q.write(slog.LevelInfo, "other")
	if n := strings.Count(out.String(), "msg=flood"); n != quietPerSecond {
		t.Errorf("%d lines of a flood", n)
	}
	if !strings.Contains(out.String(), "msg=other") {
		t.Error("one message's flood held back another")
	}
	now = now.Add(time.Second)
	out.Reset()
	q.write(slog.LevelInfo, "flood")
	if want := "suppressed=95"; !strings.Contains(out.String(), want) {
		t.Errorf("%q does not say %s", out.String(), want)
	}
}

// What a container wrote cannot imitate a line or a field of the log.
func TestHostileTextIsEscaped(t *testing.T) {
	var out bytes.Buffer
	q := newQuiet(slog.New(slog.NewTextHandler(&out, nil)), time.Now)
	q.write(slog.LevelInfo, "rejected", "description", text([]byte("x\ntime=1 msg=root errno=0 \x1b[2J"+strings.Repeat("y", 5000))))
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines: %q", n, out.String())
	}
	if strings.Contains(out.String(), "\x1b") || strings.Contains(out.String(), "x\n") || out.Len() > 400 {
		t.Errorf("%q", out.String())
	}
}
