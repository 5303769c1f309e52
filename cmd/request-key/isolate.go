package main

import (
	"bytes"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/keyring"
)

// isolatePath exists from the first registration of a container until the
// next boot: from then on no answer may stay in a keyring that all containers
// look into.
const isolatePath = "/run/upcalld/isolate"

// sharedRing says whether a keyring with this description is one of those in
// which the kernel looks up keys for every container alike: a look-up there
// compares type and description, and nothing of the network namespace
// (net/dns_resolver/dns_key.c, dns_resolver_match_preparse forces the
// iterating search; fs/nfs/nfs4idmap.c has one ring for all). Nobody else can
// own one: names with a dot are the kernel's (security/keys/keyctl.c, add_key).
func sharedRing(d keyring.Description) bool {
	if d.Type != "keyring" || d.UID != 0 {
		return false
	}
	for _, name := range sharedRings {
		if bytes.Equal(d.Text, []byte(name)) {
			return true
		}
	}
	return false
}

var sharedRings = []string{".dns_resolver", ".id_resolver"}

// isolate takes the key out of a shared keyring, if it is in one and any
// container is registered. The requester holds a reference of its own and
// reads the answer all the same; nobody else finds the key any more. It is the
// first thing done to the key: until then a second requester can slip in and
// wait for this answer (guard.go).
func (u *upcall) isolate() error {
	if u.isolated || !isolating() {
		return nil
	}
	if !u.shared {
		u.shared = u.madeForSharedRing()
	}
	if !u.shared {
		return nil
	}
	if testSwitch("unlink") {
		u.isolated, u.guard = true, guard{}
		return nil
	}
	// ENOENT: the ring has been cleared since (upcallctl flush), so the key is
	// out of it already.
	err := keyring.Unlink(u.key, keyring.RequestorRing)
	if err != nil && keyring.Errno(err) != syscall.ENOENT {
		return err
	}
	u.isolated = true
	u.guard.begin()
	return nil
}

// madeForSharedRing asks the kernel what the requestor keyring is. There may
// be none, or one that may not be looked at: then it is not a kernel's ring,
// which authority lets us see.
func (u *upcall) madeForSharedRing() bool {
	var buf [4608]byte
	d, err := keyring.Describe(keyring.RequestorRing, buf[:])
	return err == nil && sharedRing(d)
}

func isolating() bool {
	return unix.Faccessat(unix.AT_FDCWD, isolatePath, unix.F_OK, 0) != syscall.ENOENT
}
