// Package resolvconf reads a container's resolver configuration as data:
// resolv.conf, the hosts line of nsswitch.conf, and hosts.
//
// resolv.go parses resolv.conf and options.go its options, aton.go reads IPv4
// addresses as the C library does, sources.go parses nsswitch.conf, hosts.go
// matches lines of hosts, format.go writes the canonical forms, config.go puts
// all together, and note.go holds what was odd.
//
// Parsing never fails. Input is hostile: whatever is odd is ignored, as glibc
// ignores it, and becomes a Note. Every result is bounded by the constants
// here, whatever the input's size. The package opens nothing and calls nothing;
// all functions may be called concurrently.
package resolvconf
