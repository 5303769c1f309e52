// Package netconf reads how a container resolves names: resolv.conf,
// nsswitch.conf and hosts below its root, as data.
//
// The files: netconf.go what is known about a root, read.go the reading and
// when it is done again, hosts.go the search in hosts.
package netconf

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/broker/wire"
	"github.com/upcalld/upcalld/dnsquery"
	"github.com/upcalld/upcalld/resolvconf"
	"github.com/upcalld/upcalld/rootfile"
)

// Bounds on what one root can make us read and keep.
const (
	maxSmall = resolvconf.MaxResolvSize // bytes of resolv.conf, and of nsswitch.conf
	maxRoots = 64                       // configurations kept
	maxAddrs = 64                       // addresses of one name in hosts
)

// Config is one root's configuration. It does not change.
type Config struct {
	Hash    wire.Hash // of what the three files mean, wherever they lie
	DNS     dnsquery.Config
	NoAAAA  bool               // DNS is not asked for IPv6 addresses
	Sources resolvconf.Sources // of the hosts line, in order
	// Unusable is why there is no DNS; nil if there is.
	Unusable error
	Notes    []string // what was odd about the files
	// Implied says that resolv.conf names no server, or is missing: 127.0.0.1 is
	// asked, as by glibc.
	Implied bool
	hosts   file
}

// Reader reads configurations and keeps the latest ones parsed, so that of
// files that did not change only the metadata is looked at. The zero Reader is
// ready and may be used concurrently.
type Reader struct {
	files rootfile.Reader

	mu    sync.Mutex // guards known
	known map[place]kept
}

// place is where a configuration is read from.
type place struct {
	dev, ino uint64 // of the root
	etc      string
}

// kept is a parsed configuration and the files it came from.
type kept struct {
	files state
	conf  *Config
}

// Load returns the configuration of the root directory, whose files are looked
// for in the directory etc below it first, if etc is not empty, then in /etc.
// It takes no longer than ctx allows. A file that is missing or bad is not an
// error; one that does not answer is (rootfile.ErrStuck), and a process without
// /proc (rootfile.ErrNoProc). news says that the files were read, not only
// looked at.
func (r *Reader) Load(ctx context.Context, root *os.File, etc string) (conf *Config, news bool, err error) {
	p, err := placeOf(root, etc)
	if err != nil {
		return nil, false, err
	}
	now := time.Now()
	files, err := r.look(ctx, root, etc)
	if err != nil {
		return nil, false, err
	}
	if k, ok := r.lookUp(p); ok && k.files == files {
		return k.conf, false, nil
	}
	before := files
	conf, err = r.read(ctx, root, etc, &files)
	if err == nil && files.settled(now) && files.sameFaults(before) {
		r.keep(p, kept{files, conf})
	}
	return conf, true, err
}

func placeOf(root *os.File, etc string) (place, error) {
	var st unix.Statx_t
	// Without asking the file system, which may not answer.
	const flags = unix.AT_EMPTY_PATH | unix.AT_STATX_DONT_SYNC
	if err := unix.Statx(int(root.Fd()), "", flags, unix.STATX_INO|unix.STATX_TYPE, &st); err != nil {
		return place{}, fmt.Errorf("root handle: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return place{}, fmt.Errorf("root handle: %w", unix.ENOTDIR)
	}
	return place{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, etc}, nil
}

func (r *Reader) lookUp(p place) (kept, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[p]
	return k, ok
}

// keep stores k. When there are too many, any one goes: it only costs reading
// it again.
func (r *Reader) keep(p place, k kept) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = make(map[place]kept)
	}
	if _, replace := r.known[p]; !replace && len(r.known) >= maxRoots {
		for other := range r.known {
			delete(r.known, other)
			break
		}
	}
	r.known[p] = k
}
