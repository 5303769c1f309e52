// Package answer turns one question about a name into one reply: from the
// container's hosts file or name servers, in the order its files say, and of
// several addresses the one that this network namespace can use best.
//
// The files: answer.go the way from question to reply, sources.go where the
// addresses come from.
package answer

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/upcalld/upcalld/addrselect"
	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/netconf"
	"github.com/upcalld/upcalld/cmd/helpers/dns-resolve/internal/subject"
	"github.com/upcalld/upcalld/dnsquery"
)

// How long, in seconds, what does not come from DNS may be remembered.
const (
	hostsTTL   = 5
	failureTTL = dnsquery.FailureTTL
	literalTTL = dnsquery.MaxTTL
)

const (
	maxList     = 16              // addresses in a list
	maxReadTime = 2 * time.Second // for the container's files, and at most a quarter of what is left
	readParts   = 4
)

// Answerer answers questions in the network namespace it runs in. It may be
// used concurrently.
type Answerer struct {
	NSDev, NSIno uint64 // of the network namespace, put into every reply
	conf         netconf.Reader
}

// Answer answers q from the files below root before ctx ends.
//
//	errno            meaning (those of dnsquery are passed on)
//	EINVAL           the subject or the options break the grammar; root is no directory
//	EPROTONOSUPPORT  a query type that is not answered here
//	EIO              the container's files cannot be read, or not in time
//	EDESTADDRREQ     an IP address of the family that was not asked for
//	ENODATA          not in hosts, and DNS is not a source
func (a *Answerer) Answer(ctx context.Context, q *wire.Question, root *os.File) *wire.Reply {
	r := &wire.Reply{NSDev: a.NSDev, NSIno: a.NSIno}
	var notes []string
	err := a.answer(ctx, q, root, r, &notes)
	if err != nil {
		r.Payload = nil
		r.Errno, r.TTL = verdict(err)
		if odd(err) {
			notes = append(notes, err.Error())
		}
	}
	r.Note = []byte(strings.Join(notes, "; "))
	return r
}

func (a *Answerer) answer(ctx context.Context, q *wire.Question, root *os.File, r *wire.Reply, notes *[]string) error {
	if ctx.Err() != nil {
		return &noAnswer{dnsquery.TimedOut, "no time left for the question"}
	}
	var query subject.Query
	if q.Ask == wire.AskAnswer {
		var err error
		if query, err = subject.Parse(q.Subject, q.Options); err != nil {
			return err
		}
	}
	c, news, err := a.load(ctx, root, string(q.Etc))
	if err != nil {
		return err
	}
	if r.Config = c.Hash; news {
		*notes = append(*notes, c.Notes...)
	}
	if q.Ask == wire.AskConfig {
		return nil
	}
	found, err := a.find(ctx, root, c, query)
	if found.note != "" {
		*notes = append(*notes, found.note)
	}
	if err != nil {
		if odd(err) {
			*notes = append(*notes, why(c, news)...)
		}
		return err
	}
	r.TTL = found.ttl
	r.Payload = payload(addrselect.Sort(ctx, found.addrs), query.List)
	return nil
}

// why is what of the files may explain a failure, and was not said yet.
func why(c *netconf.Config, said bool) []string {
	var notes []string
	if !said {
		notes = c.Notes
	}
	if c.Implied {
		notes = append(slices.Clip(notes), "resolv.conf is missing or names no server: 127.0.0.1 was asked")
	}
	return notes
}

// load reads the configuration in a part of the time there is: a file system
// that does not answer must leave time to say so.
func (a *Answerer) load(ctx context.Context, root *os.File, etc string) (*netconf.Config, bool, error) {
	ctx, cancel := readTime(ctx)
	defer cancel()
	return a.conf.Load(ctx, root, etc)
}

func readTime(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := maxReadTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/readParts)
	}
	return context.WithTimeout(ctx, limit)
}

// payload writes the best address, or a list; without a NUL at the end, since
// the key's length is part of it (net/dns_resolver/dns_key.c).
func payload(addrs []netip.Addr, list bool) []byte {
	n := 1
	if list {
		n = min(len(addrs), maxList)
	}
	var b []byte
	for i, addr := range addrs[:n] {
		if i > 0 {
			b = append(b, ',')
		}
		b = addr.AppendTo(b)
	}
	return b
}

// verdict gives the errno and the seconds it may be remembered. What has no
// errno of its own came from the container's files.
func verdict(err error) (errno uint16, ttl uint32) {
	var f *dnsquery.Failure
	if errors.As(err, &f) {
		return uint16(f.Errno), f.TTL
	}
	var s *subject.Error
	if errors.As(err, &s) {
		return uint16(s.Errno), failureTTL
	}
	var own *noAnswer
	if errors.As(err, &own) {
		return uint16(own.errno), failureTTL
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return uint16(syscall.EINVAL), failureTTL
	}
	return uint16(syscall.EIO), failureTTL
}

// odd says whether a failure is worth a line in the log: that a name does not
// exist is not.
func odd(err error) bool {
	return !errors.Is(err, dnsquery.NotFound) && !errors.Is(err, dnsquery.NoAddress)
}
