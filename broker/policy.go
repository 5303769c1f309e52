package broker

import "time"

// Unregistered says what becomes of an upcall from a namespace that nobody
// registered and that is not the host's.
type Unregistered string

// The two ways.
const (
	// UnregisteredStock: the stock handler, as before upcalld.
	UnregisteredStock Unregistered = "stock"
	// UnregisteredReject: ErrUnregistered, at once.
	UnregisteredReject Unregistered = "reject"
)

// Policy bounds what containers can cause. Its zero value is not usable; see
// DefaultPolicy.
type Policy struct {
	Unregistered Unregistered
	// MaxUpcalls bounds the upcalls of one context that are being answered at
	// a time; one more is answered with ErrLimit at once. So is MaxUnregistered
	// for everything that no context answers for.
	MaxUpcalls int
	// MaxContexts bounds the registrations.
	MaxContexts int
	// CacheEntries and CacheBytes bound the cache of one network namespace.
	CacheEntries int
	CacheBytes   int64
	// HelperUID and HelperGID are what helpers run as. Never 0.
	HelperUID, HelperGID int
	// HelperIdle ends a helper that nobody asked anything for so long.
	HelperIdle time.Duration
}

// DefaultPolicy is what holds without a configuration.
func DefaultPolicy() Policy {
	return Policy{
		Unregistered: UnregisteredStock,
		MaxUpcalls:   64,
		MaxContexts:  20000,
		CacheEntries: 4096,
		CacheBytes:   1 << 20,
		HelperUID:    65534,
		HelperGID:    65534,
		HelperIdle:   time.Minute,
	}
}
