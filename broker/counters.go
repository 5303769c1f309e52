package broker

import "sync/atomic"

// Counters count upcalls since the broker started, by what became of them.
type Counters struct {
	Host         atomic.Uint64 // asked by the host itself
	Unregistered atomic.Uint64 // asked from a namespace nobody registered
	Absent       atomic.Uint64 // asked by a container that is registered no more
	Context      atomic.Uint64 // asked by a registered container
	Answered     atomic.Uint64
	Rejected     atomic.Uint64
	Stock        atomic.Uint64 // handed to the stock handler
	Refused      atomic.Uint64 // by the stub, since a foreign task waited on the key
	Failed       atomic.Uint64 // the stub's keyctl was refused
	Limited      atomic.Uint64 // rejected over a limit
	Hits         atomic.Uint64 // answered from the cache
	Misses       atomic.Uint64
	Strangers    atomic.Uint64 // peers that may not speak on the stub socket, or speak nonsense
	Helpers      atomic.Uint64 // helper processes started
}

// Counters returns the counters.
func (b *Broker) Counters() *Counters { return &b.counters }
