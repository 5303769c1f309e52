package api

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker"
	"github.com/upcalld/upcalld/nscontext"
	"github.com/upcalld/upcalld/varlink"
)

type methods struct {
	broker  *broker.Broker
	version string
	log     *slog.Logger

	captures chan struct{} // one for each capture under way
}

func (m *methods) table() map[string]varlink.Handler {
	return map[string]varlink.Handler{
		"Register": m.register, "Unregister": m.unregister, "List": m.list, "Show": m.show,
		"Resolve": m.resolve, "Flush": m.flush, "Status": m.status,
	}
}

func (m *methods) register(ctx context.Context, call *varlink.Call) error {
	var in RegisterIn
	if err := call.Decode(&in); err != nil {
		return err
	}
	c, err := m.captureSoon(ctx, in)
	if err != nil {
		return apiError(err, in.Name)
	}
	r, err := m.broker.Register(ctx, in.Name, c, in.Labels)
	if err != nil {
		return apiError(err, in.Name)
	}
	return call.Reply(ContextOut{contextOf(r)})
}

// captureTime bounds the reading of a process's namespaces, and maxCaptures how
// many may be read at a time, stuck ones included: /proc/PID of a process that
// hangs in execve blocks its reader (fs/exec.c, exec_update_lock).
const (
	captureTime = 5 * time.Second
	maxCaptures = 16
)

// captureSoon is capture, for so long. One that comes too late is closed.
func (m *methods) captureSoon(ctx context.Context, in RegisterIn) (*nscontext.Context, error) {
	ctx, cancel := context.WithTimeout(ctx, captureTime)
	defer cancel()
	select {
	case m.captures <- struct{}{}:
	case <-ctx.Done():
		return nil, fail("Failed", "too many registrations are waiting for processes that do not answer")
	}
	type result struct {
		c   *nscontext.Context
		err error
	}
	done := make(chan result)
	go func() {
		defer func() { <-m.captures }()
		c, err := capture(in)
		select {
		case done <- result{c, err}:
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
		}
	}()
	select {
	case r := <-done:
		return r.c, r.err
	case <-ctx.Done():
		return nil, fail("Failed", "the process's namespaces cannot be read in time")
	}
}

func capture(in RegisterIn) (*nscontext.Context, error) {
	switch {
	case (in.PID == 0) == (in.NetNS == ""):
		return nil, fail("BadRegistration", "give either pid or netns")
	case in.NetNS != "" && !filepath.IsAbs(in.NetNS):
		return nil, varlink.InvalidParameter("netns", "must be an absolute path")
	case in.Root != "" && !filepath.IsAbs(in.Root):
		return nil, varlink.InvalidParameter("root", "must be an absolute path")
	case in.NetNS != "":
		return nscontext.FromNetNS(in.NetNS, in.Root)
	default:
		return nscontext.FromPID(in.PID, in.Root)
	}
}

func (m *methods) unregister(_ context.Context, call *varlink.Call) error {
	var in NameIn
	if err := call.Decode(&in); err != nil {
		return err
	}
	return apiError(m.broker.Unregister(in.Name), in.Name)
}

// listPage is how many contexts one reply of List has for a caller that takes
// several replies, and most names of lost ones. A message holds 1 MiB.
const listPage = 256

func (m *methods) list(_ context.Context, call *varlink.Call) error {
	if err := call.Decode(&struct{}{}); err != nil {
		return err
	}
	out := ListOut{Contexts: []Context{}, Lost: []string{}}
	for _, r := range m.broker.List() {
		if call.More && len(out.Contexts) == listPage {
			if err := call.ReplyContinues(out); err != nil {
				return err
			}
			out.Contexts = out.Contexts[:0]
		}
		out.Contexts = append(out.Contexts, contextOf(r))
	}
	lost := m.broker.Lost()
	out.Lost = append(out.Lost, lost[:min(len(lost), listPage)]...)
	out.Unregistered = m.broker.Counters().Unregistered.Load()
	err := call.Reply(out)
	if errors.Is(err, varlink.ErrTooLarge) {
		return fail("TooManyContexts", "the list does not fit into one message: call List with more")
	}
	return err
}

func (m *methods) show(_ context.Context, call *varlink.Call) error {
	var in NameIn
	if err := call.Decode(&in); err != nil {
		return err
	}
	r, err := m.broker.Get(in.Name)
	if err != nil {
		return apiError(err, in.Name)
	}
	return call.Reply(ContextOut{contextOf(r)})
}

func (m *methods) resolve(ctx context.Context, call *varlink.Call) error {
	var in ResolveIn
	if err := call.Decode(&in); err != nil {
		return err
	}
	options, ok := map[string]string{"": "", "a": "ipv4", "aaaa": "ipv6"}[strings.ToLower(in.Type)]
	if !ok {
		return varlink.InvalidParameter("type", `must be "a" or "aaaa"`)
	}
	res, err := m.broker.Resolve(ctx, in.Name, in.Host, options)
	if err != nil {
		return apiError(err, in.Name)
	}
	out := ResolveOut{Answer: res.Text, TTL: int(res.TTL.Round(time.Second) / time.Second), Hit: res.Hit, Note: res.Note}
	if res.Errno != 0 {
		out.Errno = unix.ErrnoName(res.Errno)
	}
	return call.Reply(out)
}

func (m *methods) flush(_ context.Context, call *varlink.Call) error {
	var in FlushIn
	if err := call.Decode(&in); err != nil {
		return err
	}
	n, err := m.broker.Flush(in.Name)
	if err != nil {
		return apiError(err, in.Name)
	}
	return call.Reply(FlushOut{n})
}

func (m *methods) status(_ context.Context, call *varlink.Call) error {
	if err := call.Decode(&struct{}{}); err != nil {
		return err
	}
	out := StatusOut{Version: m.version, Counters: map[string]uint64{}}
	// The counters' field names, in lower case, are the interface's.
	v := reflect.ValueOf(m.broker.Counters()).Elem()
	for i := range v.NumField() {
		n := v.Field(i).Addr().Interface().(*atomic.Uint64).Load()
		out.Counters[strings.ToLower(v.Type().Field(i).Name)] = n
	}
	return call.Reply(out)
}

func contextOf(r *broker.Registration) Context {
	c := Context{
		ID: r.ID, Name: r.Name, PID: r.PID(), Path: r.Path(), Labels: r.Labels, Created: r.Created.UTC(),
		Namespaces: map[string]string{}, Upcalls: r.Upcalls(), Cached: r.Cached(),
	}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	for _, k := range nscontext.Kinds() {
		if id := r.IDs()[k]; id != (nscontext.ID{}) {
			c.Namespaces[k.String()] = id.String()
		}
	}
	return c
}
