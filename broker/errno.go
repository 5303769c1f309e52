package broker

import "golang.org/x/sys/unix"

// What a requester gets when there is no answer. Those of the stub itself are
// in cmd/request-key, those of name resolution in package dnsquery; the manual
// page upcalld(8) lists all of them.
const (
	ErrUnregistered = unix.EPERM     // policy refuses namespaces nobody registered
	ErrLost         = unix.ENOTCONN  // registered before a restart of upcalld, and not again since
	ErrNoRule       = unix.ENOKEY    // a registered container asks for a key type nothing here answers
	ErrLimit        = unix.EDQUOT    // the context has too many upcalls in flight
	ErrGone         = unix.ESRCH     // the container ended while it was being answered
	ErrHelper       = unix.EREMOTEIO // the helper failed twice, or does not start
	ErrTimeout      = unix.ETIME     // no answer before the requester's deadline
	ErrWho          = unix.EPERM     // the requester cannot be identified
	ErrBadRequest   = unix.EINVAL    // a description or callout that no rule accepts
)

// rejectLifetime is how long in seconds a rejected key keeps the requester from
// asking again, where the answer itself does not say.
const rejectLifetime = 5
