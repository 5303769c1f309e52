package broker

import "time"

// Instead is what happens to an upcall that upcalld does not answer itself.
type Instead string

// The two ways.
const (
	// InsteadStock: the stock handler answers, as before upcalld, from the
	// host's network and files.
	InsteadStock Instead = "stock"
	// InsteadReject: it is rejected at once.
	InsteadReject Instead = "reject"
)

// Policy bounds what containers can cause. Its zero value is not usable; see
// DefaultPolicy.
type Policy struct {
	// Unregistered is for namespaces that nobody registered and that are not the
	// host's.
	Unregistered Instead
	// OtherTypes is for key types that no rule here answers, asked for by a
	// registered container.
	OtherTypes Instead
	// MaxUpcalls bounds the upcalls of one context that are being answered at
	// a time; one more is answered with ErrLimit at once.
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
		Unregistered: InsteadStock,
		OtherTypes:   InsteadReject,
		MaxUpcalls:   64,
		MaxContexts:  20000,
		CacheEntries: 4096,
		CacheBytes:   1 << 20,
		HelperUID:    65534,
		HelperGID:    65534,
		HelperIdle:   time.Minute,
	}
}
