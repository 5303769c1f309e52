// Package sandbox is what a helper process does to itself at its start, before
// it reads a byte that somebody else chose.
//
// sandbox.go has Lock and its order of steps, privilege.go gives up privileges,
// filter.go says which system calls stay, and install.go puts the filters on.
//
// The entry program has already put the process into its namespaces and given
// it unprivileged ids. What is left here needs no privilege, and cannot be
// undone. It works as uid 0 too, for tests and for hosts without the entry
// program.
//
// # What stays possible
//
// Reading files, inherited Unix sockets and descriptors passed over them, new
// sockets of AF_INET, AF_INET6 and NETLINK_ROUTE, and what the Go runtime (1.26, without cgo)
// itself calls. Not possible: to start a program or a process, to enter or make
// a namespace, to mount, to trace or signal another process, to map memory as
// executable, keys, BPF, io_uring.
//
// What a filter on numbers cannot stop: a connect to any port that the network
// allows, and ".." from a root handle that is not the root of a mount.
//
// # Refused calls
//
// They fail with EPERM and do not kill. The Go runtime and libraries probe for
// optional calls and live without them; were a probe deadly, a new Go release
// could take down name resolution on every node. To somebody who has taken over
// the helper, EPERM gives no more than death does.
//
// To see them in development, start the helper with UPCALLD_SANDBOX_LOG=1: the
// kernel then logs each refused call (dmesg, "audit: type=1326", with its
// number), if /proc/sys/kernel/seccomp/actions_logged has "errno".
package sandbox
