package broker

import (
	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/nscontext"
)

// party says on whose behalf an upcall is answered.
type party uint8

const (
	partyContext      party = iota // a registered container
	partyHost                      // the host itself
	partyUnregistered              // a namespace nobody registered
	partyAbsent                    // a container that is registered no more; see ledger
)

func (p party) String() string {
	return [...]string{"context", "host", "unregistered", "absent"}[p]
}

// requester is an identified requester.
type requester struct {
	thread     int
	namespaces nscontext.Set
	party      party
	context    *Registration // for partyContext
	errno      unix.Errno    // for partyAbsent
	why        string
}

// identify finds out who asked. The thread id comes from the kernel's auth key;
// alive is asked after the namespaces were read, and tells whether the stub
// still lives: only as long as it does is the requester blocked, and the id its
// own.
func (b *Broker) identify(thread int, stub nscontext.Set, alive func() bool) (requester, error) {
	who := requester{thread: thread}
	var err error
	if who.namespaces, err = nscontext.OfThread(thread); err != nil {
		return who, err
	}
	if !alive() {
		return who, nscontext.ErrGone
	}
	if b.electFor(&who) {
		return who, nil
	}
	errno, absent := b.ledger.isAbsent(who.namespaces, b.initial, func() nscontext.Serial {
		return nscontext.NetSerialOfThread(thread)
	})
	switch {
	case absent:
		who.party, who.errno = partyAbsent, errno
	case b.electFor(&who): // it was absent before, and has just been registered
	case who.namespaces.Same(stub, nscontext.Net, nscontext.User):
		who.party = partyHost
	default:
		who.party = partyUnregistered
	}
	return who, nil
}

// electFor looks for the requester's context.
func (b *Broker) electFor(who *requester) bool {
	candidates := b.registry.candidates(who.namespaces[nscontext.Net])
	who.context, who.why = elect(who.namespaces, b.initial, candidates)
	who.party = partyContext
	return who.context != nil
}
