package broker

import (
	"fmt"

	"github.com/upcalld/upcalld/nscontext"
)

// ElectLabel set to "true" makes a context answer for its network namespace
// where several share it.
const ElectLabel = "io.upcalld.elected"

// elect chooses the context that answers a requester, among those registered in
// its network namespace, oldest first, and says why. The order: the same mount
// namespace too; the elect label; age.
//
// In the host's own network namespace only the first counts: whoever merely
// shares the host's network there is the host, not the container.
func elect(requester, host nscontext.Set, candidates []*Registration) (*Registration, string) {
	if len(candidates) == 0 {
		return nil, "no context is registered in its network namespace"
	}
	var exact []*Registration
	for _, c := range candidates {
		if c.IDs().Same(requester, nscontext.Net, nscontext.Mnt) {
			exact = append(exact, c)
		}
	}
	switch {
	case len(exact) > 0:
		r, why := prefer(exact)
		return r, "same network and mount namespace" + why
	case requester.Same(host, nscontext.Net):
		return nil, "contexts of the host's network namespace answer only for their own mount namespace"
	default:
		r, why := prefer(candidates)
		return r, "same network namespace" + why
	}
}

// prefer chooses among equals: those labelled, then the oldest.
func prefer(equals []*Registration) (*Registration, string) {
	if len(equals) == 1 {
		return equals[0], ""
	}
	for _, r := range equals {
		if r.Labels[ElectLabel] == "true" {
			return r, fmt.Sprintf(", labelled %s among %d", ElectLabel, len(equals))
		}
	}
	return equals[0], fmt.Sprintf(", the oldest of %d", len(equals))
}
