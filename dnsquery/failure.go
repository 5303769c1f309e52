package dnsquery

import (
	"fmt"
	"strconv"
	"syscall"
)

// The failures, each with an errno of its own. The kernel's AFS client reads
// ENODATA and EDESTADDRREQ as "there is no such cell" and EAGAIN and
// ECONNREFUSED as "try again later" (fs/afs/cell.c, afs_do_lookup_cell).
const (
	NotFound    = syscall.ENODATA      // NXDOMAIN: there is no such name
	NoAddress   = syscall.EDESTADDRREQ // the name exists and has no address of the wanted families
	ServFail    = syscall.EAGAIN       // SERVFAIL: the server could not find out
	Refused     = syscall.ECONNREFUSED // REFUSED: the server does not want to say
	TimedOut    = syscall.ETIMEDOUT    // nobody answered in time
	Unreachable = syscall.EHOSTUNREACH // no route to any server, or nobody listens there
	Loop        = syscall.ELOOP        // CNAMEs in a circle, or more than MaxChain
	Malformed   = syscall.EBADMSG      // only garbage, or answers to other questions, arrived
	OtherRcode  = syscall.EPROTO       // any other response code
	BadName     = syscall.EINVAL       // not a name that can be asked
)

// Failure is why a name has no answer. It wraps its errno, so that errors.Is
// finds it. TTL is how many seconds the failure may be remembered.
type Failure struct {
	Errno  syscall.Errno
	TTL    uint32
	Name   string // as it was sent, search domain included
	Detail string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("dns: %s: %s", strconv.Quote(f.Name), f.Detail)
}

// Unwrap returns the errno.
func (f *Failure) Unwrap() error { return f.Errno }

// negative says whether the failure is knowledge about the name rather than
// lack of it.
func (f *Failure) negative() bool { return f.Errno == NotFound || f.Errno == NoAddress }

func failed(errno syscall.Errno, name, detail string) *Failure {
	return &Failure{Errno: errno, TTL: FailureTTL, Name: name, Detail: detail}
}

// ranks orders failures by how much they forbid a conclusion from the others:
// one server's SERVFAIL keeps another's NXDOMAIN from being the last word, and
// what a server said tells more than that another was silent.
var ranks = [...]syscall.Errno{
	ServFail, Refused, OtherRcode, TimedOut, Malformed, Unreachable, Loop, NoAddress, NotFound, BadName,
}

func rank(e syscall.Errno) int {
	for i, r := range ranks {
		if r == e {
			return i
		}
	}
	return len(ranks)
}

// worse returns the failure that stands for both, for as long as both hold.
// Either may be nil.
func worse(a, b *Failure) *Failure {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case rank(b.Errno) < rank(a.Errno):
		a, b = b, a
	}
	both := *a
	both.TTL = min(a.TTL, b.TTL)
	return &both
}
