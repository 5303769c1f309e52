package broker

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
)

// margin is kept back from the requester's deadline, for the way back and the
// stub's own work.
const margin = 300 * time.Millisecond

// verdict decides one upcall, within the time the request leaves, counted from
// here.
func (b *Broker) verdict(ctx context.Context, req *wire.Request, who requester) wire.Verdict {
	switch who.party {
	case partyHost:
		b.counters.Host.Add(1)
		return stock(req)
	case partyUnregistered:
		return b.unregistered(req, who)
	case partyAbsent:
		b.counters.Absent.Add(1)
		b.quiet.write(slog.LevelWarn, "rejected: the container is registered no more", append(attrs(req, who), "errno", unix.ErrnoName(who.errno))...)
		return reject(req, who.errno, rejectLifetime)
	}
	b.counters.Context.Add(1)
	r := who.context
	r.upcalls.Add(1)
	rule, ok := b.rules.find(string(req.Type))
	if !ok && b.Policy.OtherTypes == InsteadStock {
		b.quiet.write(slog.LevelInfo, "left to the stock handler: no rule for this key type", attrs(req, who)...)
		return stock(req)
	}
	if !ok {
		b.quiet.write(slog.LevelInfo, "rejected: no rule for this key type", attrs(req, who)...)
		return reject(req, ErrNoRule, rejectLifetime)
	}
	if !r.take(b.Policy.MaxUpcalls) {
		b.counters.Limited.Add(1)
		b.quiet.write(slog.LevelWarn, "rejected: too many upcalls in flight", attrs(req, who)...)
		return reject(req, ErrLimit, rejectLifetime)
	}
	defer r.release()
	left := time.Duration(req.MillisLeft)*time.Millisecond - margin
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	a := b.answer(ctx, r, question{helper: rule.helper, subject: string(req.Description), options: string(req.Callout)})
	if a.errno != 0 {
		b.quiet.write(slog.LevelInfo, "rejected", append(attrs(req, who), "errno", unix.ErrnoName(a.errno), "note", a.note)...)
		return reject(req, a.errno, seconds(a.ttl))
	}
	b.Log.Debug("answered", append(attrs(req, who), "answer", string(a.payload), "ttl", a.ttl, "hit", a.hit, "note", a.note, "why", who.why)...)
	return wire.Verdict{Key: req.Key, Action: wire.ActPayload, Lifetime: seconds(a.ttl), Payload: rule.form(a.payload)}
}

func (b *Broker) unregistered(req *wire.Request, who requester) wire.Verdict {
	b.counters.Unregistered.Add(1)
	if b.Policy.Unregistered == InsteadReject {
		b.quiet.write(slog.LevelInfo, "rejected: namespace is not registered", attrs(req, who)...)
		return reject(req, ErrUnregistered, rejectLifetime)
	}
	b.quiet.write(slog.LevelInfo, "left to the stock handler: namespace is not registered", attrs(req, who)...)
	return stock(req)
}

func stock(req *wire.Request) wire.Verdict {
	return wire.Verdict{Key: req.Key, Action: wire.ActStock}
}

func reject(req *wire.Request, errno unix.Errno, lifetime uint32) wire.Verdict {
	return wire.Verdict{Key: req.Key, Action: wire.ActReject, Errno: uint16(errno), Lifetime: lifetime}
}

// attrs describe an upcall in the log. Type, description and callout are the
// container's words.
func attrs(req *wire.Request, who requester) []any {
	a := []any{"type", text(req.Type), "description", text(req.Description), "callout", text(req.Callout),
		"key", req.Key, "thread", who.thread, "uid", req.UID}
	if who.context != nil {
		return append(a, "context", who.context.ID, "name", who.context.Name)
	}
	return append(a, "namespaces", who.namespaces.String())
}

// seconds rounds up, so that a lifetime never becomes none.
func seconds(d time.Duration) uint32 {
	return uint32(min((d+time.Second-1)/time.Second, 1<<31-1))
}
