package resolvconf

import (
	"math"
	"strings"
	"time"
)

// option reads one word of an options line. A name must match exactly, where
// glibc is content with a prefix ("rotate2" is rotate to it).
func (p *resolvParser) option(n int, word string) {
	name, text, valued := strings.Cut(word, ":")
	if flag := p.flag(name); flag != nil && !valued {
		*flag = true
		return
	}
	if name != "ndots" && name != "timeout" && name != "attempts" || !valued {
		p.notes.add(n, "ignored the option %s", quote(word))
		return
	}
	value := atoi(text)
	switch name {
	case "ndots":
		p.out.NDots = p.clamp(n, word, value, 0, MaxNDots)
	case "timeout": // glibc waits a second if told 0 (res_send.c, send_dg)
		p.out.Timeout = time.Duration(p.clamp(n, word, value, 1, int(MaxTimeout/time.Second))) * time.Second
	case "attempts": // glibc never asks if told 0; that helps nobody
		p.out.Attempts = p.clamp(n, word, value, 1, MaxAttempts)
	}
}

// flag finds the switch of that name, or nil.
func (p *resolvParser) flag(name string) *bool {
	for _, f := range flags {
		if f.name == name {
			return f.of(&p.out)
		}
	}
	return nil
}

var flags = []struct {
	name string
	of   func(*Resolv) *bool
}{
	{"rotate", func(r *Resolv) *bool { return &r.Rotate }},
	{"use-vc", func(r *Resolv) *bool { return &r.UseTCP }},
	{"edns0", func(r *Resolv) *bool { return &r.EDNS0 }},
	{"single-request", func(r *Resolv) *bool { return &r.SingleRequest }},
	{"single-request-reopen", func(r *Resolv) *bool { return &r.SingleRequestReopen }},
	{"no-aaaa", func(r *Resolv) *bool { return &r.NoAAAA }},
	{"no-tld-query", func(r *Resolv) *bool { return &r.NoTLDQuery }},
	{"trust-ad", func(r *Resolv) *bool { return &r.TrustAD }},
	{"no-reload", func(r *Resolv) *bool { return &r.NoReload }},
}

func (p *resolvParser) clamp(n int, word string, value, low, high int) int {
	if value < low || value > high {
		p.notes.add(n, "the option %s is outside %d to %d", quote(word), low, high)
	}
	return min(max(value, low), high)
}

// atoi is C's: the number that text begins with, else 0; but it does not wrap.
func atoi(text string) int {
	text, negative := strings.CutPrefix(text, "-")
	if !negative {
		text = strings.TrimPrefix(text, "+")
	}
	value := 0
	for i := 0; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		value = min(10*value+int(text[i]-'0'), math.MaxInt32)
	}
	if negative {
		return -value
	}
	return value
}
