package kernel

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/upcalld/upcalld/lab"
	"golang.org/x/sys/unix"
)

// maxText is the longest description and callout that request_key(2) takes
// (security/keys/keyctl.c: KEY_MAX_DESC_SIZE and a page, with their NUL).
const maxText = 4095

// badQuestions are descriptions and callouts that anybody may pass. What the log
// must hold of them is escaped.
var badQuestions = []struct {
	name string
	q    lab.Question
	want unix.Errno
	log  string
}{
	{"unknown query type", dns("nosuchtype:foo.bar", ""), unix.EPROTONOSUPPORT, "nosuchtype"},
	{"only a colon", dns(":", ""), unix.EINVAL, ""},
	{"no name", dns("a:", ""), unix.EINVAL, ""},
	{"only dots", dns("...", ""), unix.EINVAL, ""},
	{"newline", dns("foo\nbar", ""), unix.EINVAL, `foo\nbar`},
	{"escape sequence", dns("foo\x1b[31mbar", ""), unix.EINVAL, `\x1b[31m`},
	{"not UTF-8", dns("foo\xff\xfe.bar", ""), unix.EINVAL, `\xff\xfe`},
	{"blank", dns("foo bar", ""), unix.EINVAL, ""},
	{"slash", dns("../../etc/passwd", ""), unix.EINVAL, ""},
	{"label of 64", dns(strings.Repeat("l", 64)+".bar", ""), unix.EINVAL, ""},
	{"name of 256", dns(strings.Repeat("l.", 126)+"long", ""), unix.EINVAL, ""},
	{"4 kB", dns(strings.Repeat("d", maxText), ""), unix.EINVAL, ""},
	{"4 kB of callout", dns("foo.bar", string(noise(maxText))), unix.EINVAL, ""},
	{"forged /proc/keys line", dns("foo\n00000001 I--Q---     1 perm 3f030000     0     0 .request_ key:1 pid:1 ci:0\n", ""), unix.EINVAL, `foo\n00000001`},
	{"unknown key type's description", lab.Question{Type: "user", Desc: []byte("nocolon"), Ring: unix.KEY_SPEC_SESSION_KEYRING}, unix.ENOKEY, "nocolon"},
}

func dns(desc, callout string) lab.Question {
	q := lab.DNS(desc)
	q.Callout = []byte(callout)
	return q
}

func TestBadDescriptions(t *testing.T) {
	l := newLab(t)
	broker := startUpcalld(t, l, "--takeover", "")
	a := newContainer(t, l, "a", lab.IPv4, zone(answerA), lab.RequesterOptions{})
	register(t, broker, a)
	answered(t, a.by, "warm.bar", answerA) // the helper runs
	for _, tc := range badQuestions {
		t.Run(tc.name, func(t *testing.T) {
			mark, asked := len(broker.Log()), a.server.Total()
			// Log lines are bounded per second: ask until this one's turn comes.
			eventually(t, 5*time.Second, "log of "+tc.log, func() bool {
				if err := a.by.Clear(t.Context()); err != nil {
					t.Fatal(err)
				}
				refusedWith(t, a.by, tc.q, tc.want)
				added := broker.Log()[mark:]
				return t.Failed() || strings.Contains(added, "name="+a.Name) && strings.Contains(added, tc.log)
			})
			if n := a.server.Total() - asked; n != 0 {
				t.Errorf("%d questions reached the name server", n)
			}
			raw := []byte(broker.Log()[mark:])
			if i := bytes.IndexFunc(raw, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }); i >= 0 {
				t.Errorf("a control character in the log: %q", raw[max(0, i-40):min(len(raw), i+40)])
			}
			if strings.Contains(broker.Log()[mark:], "\n00000001") {
				t.Error("a description starts a line of the log")
			}
		})
	}
	answered(t, a.by, "foo.bar", answerA)
}
