package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// Nobody reads the pipe, and still nobody waits.
func TestLogNeverBlocks(t *testing.T) {
	r, w := io.Pipe()
	lw := newLogWriter(w)
	log, err := newLog("info", lw)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 * logQueue {
			log.Info("flood")
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the log made its writer wait")
	}
	// Now somebody reads: what was kept comes, and what was not is counted.
	var out bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(&out, r) }()
	lw.close()
	w.Close()
	<-read
	lines := strings.Count(out.String(), "msg=flood")
	if lines < logQueue || lines > logQueue+2 || !strings.Contains(out.String(), "log lines were dropped") {
		t.Errorf("%d lines, %q", lines, out.String()[:min(200, out.Len())])
	}
}

// Whoever still writes after the end does no harm.
func TestLogAfterItsEnd(t *testing.T) {
	var out bytes.Buffer
	lw := newLogWriter(&out)
	lw.Write([]byte("before\n"))
	lw.close()
	for range 2 * logQueue {
		lw.Write([]byte("after\n"))
	}
	if out.String() != "before\n" {
		t.Errorf("%q", out.String())
	}
}

func TestLogLevel(t *testing.T) {
	var out bytes.Buffer
	log, err := newLog("warn", &out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if !strings.Contains(out.String(), "loud") || strings.Contains(out.String(), "quiet") {
		t.Errorf("%q", out.String())
	}
	if _, err := newLog("shout", &out); err == nil {
		t.Error("an unknown level was accepted")
	}
}
