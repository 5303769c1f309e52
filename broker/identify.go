package broker

import (
	"github.com/upcalld/upcalld/nscontext"
)

// party says on whose behalf an upcall is answered.
type party uint8

const (
	partyContext      party = iota // a registered container
	partyHost                      // the host itself
	partyUnregistered              // a namespace nobody registered
	partyLost                      // a container registered before upcalld was restarted
)

func (p party) String() string {
	return [...]string{"context", "host", "unregistered", "lost"}[p]
}

// requester is an identified requester.
type requester struct {
	thread     int
	namespaces nscontext.Set
	party      party
	context    *Registration // for partyContext
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
	net := who.namespaces[nscontext.Net]
	who.context, who.why = elect(who.namespaces, b.initial, b.registry.candidates(net))
	switch {
	case who.context != nil:
		who.party = partyContext
	case b.ledger.isLost(who.namespaces, b.initial):
		who.party = partyLost
	case who.namespaces.Same(stub, nscontext.Net, nscontext.User):
		who.party = partyHost
	default:
		who.party = partyUnregistered
	}
	return who, nil
}
