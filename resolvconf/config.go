package resolvconf

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Config is all that decides how a container's names are resolved.
type Config struct {
	Resolv  Resolv
	Sources Sources
	Hash    [32]byte // see Load
	Notes   []Note
	Implied bool // resolv.conf is missing or names no server: the default is asked
}

// Candidates lists where a file may be, best first: in etc (such as
// "etc/netns/blue"), if etc is not empty, then in "etc". `ip netns exec` mounts
// the former over the latter, file by file.
func Candidates(etc, name string) []string {
	plain := path.Join("etc", name)
	if etc == "" || path.Clean(etc) == "etc" {
		return []string{plain}
	}
	return []string{path.Join(etc, name), plain}
}

// Load reads resolv.conf and nsswitch.conf through read, which says
// fs.ErrNotExist for a file that is not there, and takes the hash of the hosts
// file's content (or anything else that changes when it does) from the caller,
// who alone can stream that file; Candidates(etc, "hosts") says where it is.
//
// A missing file means its default. Any other error of read is returned, with
// the file's name and beside the configuration that the default gives: a caller
// that would rather answer than fail may use it, as glibc would.
//
// Config.Hash covers the meaning, not the text: a comment changes nothing. Two
// configurations of the same hash answer every name alike.
func Load(read func(path string) ([]byte, error), etc string, hosts [32]byte) (Config, error) {
	var c Config
	resolv, at, err1 := first(read, Candidates(etc, "resolv.conf"))
	r, notes, implied := parseResolv(resolv)
	c.Resolv, c.Implied = r, implied
	c.note(at, notes)
	nsswitch, at, err2 := first(read, Candidates(etc, "nsswitch.conf"))
	s, notes := ParseNSSwitch(nsswitch)
	c.Sources = s
	c.note(at, notes)
	c.Hash = c.hash(hosts)
	return c, errors.Join(err1, err2)
}

// first reads the first of the files that exists, and says which that is.
func first(read func(string) ([]byte, error), paths []string) ([]byte, string, error) {
	for _, p := range paths {
		data, err := read(p)
		switch {
		case err == nil:
			return data, p, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, p, fmt.Errorf("resolvconf: %s: %w", p, err)
		}
	}
	return nil, "", nil
}

func (c *Config) note(file string, notes []Note) {
	for _, n := range notes {
		n.File = file
		c.Notes = append(c.Notes, n)
	}
}

// hash is over the canonical texts, which end in a newline and begin with words
// of their own, and over the fixed-size hash of hosts: no two differ only in
// where one part ends.
func (c *Config) hash(hosts [32]byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("upcalld resolver configuration 1\n" + c.Resolv.String() + c.Sources.String()))
	h.Write(hosts[:])
	return [32]byte(h.Sum(nil))
}
