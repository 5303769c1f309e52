// Package broker decides who asked, what answers, and what the answer is.
//
// The files, in the order of an upcall's way: server.go the socket stubs speak
// on, peer.go who may speak there, identify.go and elect.go whose upcall it is,
// rules.go what answers it, verdict.go, answer.go and configstate.go the answer,
// network.go what is kept for each network namespace, helper.go, helpersocket.go,
// process.go and conversation.go the helpers. register.go and registry.go hold the
// registered containers, ledger.go and ledgerfile.go what must outlive the
// process, isolate.go keeps the kernel's own caches clean, policy.go, errno.go and
// counters.go say how much of everything and what instead, query.go answers
// without an upcall, quiet.go keeps the log readable.
package broker

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/upcalld/upcalld/nscontext"
)

// Options says where a broker lives and what it may do.
type Options struct {
	RuntimeDir string // sockets and the isolation mark; "/run/upcalld"
	LibexecDir string // helpers and the entry program
	Policy     Policy
	Log        *slog.Logger
	Now        func() time.Time // time.Now, unless a test turns it
}

// Broker is the whole of it. Make one with New, give its sockets to Serve, and
// Close it. All methods may be called concurrently.
type Broker struct {
	Options
	initial  nscontext.Set // the host's namespaces, where stubs run
	registry *registry
	ledger   *ledger
	rules    rules
	helpers  *helperStarter
	isolator *isolator
	counters Counters
	quiet    *quiet

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// New returns a broker without registrations. It must run in the host's pid
// namespace, as root.
func New(o Options) (*Broker, error) {
	initial, err := nscontext.Initial()
	if err != nil {
		return nil, err
	}
	if err := cleanHelperDir(filepath.Join(o.RuntimeDir, helperDir)); err != nil {
		return nil, fmt.Errorf("runtime directory: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Broker{Options: o, initial: initial, rules: defaultRules(), quiet: newQuiet(o.Log, o.Now)}
	if b.ledger, err = openLedger(filepath.Join(o.RuntimeDir, "ledger"), o.Now); err != nil {
		return nil, err
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.helpers = newHelperStarter(o)
	b.isolator = &isolator{mark: filepath.Join(o.RuntimeDir, "isolate"), log: o.Log}
	b.registry = newRegistry(b.newNetwork)
	b.wg.Go(b.watchMounts)
	return b, nil
}

// Close ends helpers and forgets registrations. Upcalls still in flight are
// answered with an errno: shut the servers down first.
func (b *Broker) Close() {
	b.cancel()
	b.ledger.freeze()
	for _, r := range b.registry.list() {
		b.release(r, "broker stops")
	}
	b.wg.Wait()
	if err := b.ledger.close(); err != nil {
		b.Log.Warn("closing the ledger", "err", err)
	}
}

// watchMounts drops contexts whose namespace file has been unmounted.
func (b *Broker) watchMounts() {
	err := nscontext.WatchMounts(b.ctx, func() {
		for _, r := range b.registry.list() {
			r.context.Recheck()
		}
	})
	if b.ctx.Err() == nil {
		b.Log.Error("namespaces that were registered by path are no longer watched", "err", err)
	}
}
