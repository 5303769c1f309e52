package netconf

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/upcalld/upcalld/dnsquery"
	"github.com/upcalld/upcalld/resolvconf"
	"github.com/upcalld/upcalld/rootfile"
)

// The files of a configuration.
const (
	resolv = iota
	nsswitch
	hosts
	numFiles
)

var names = [numFiles]string{"resolv.conf", "nsswitch.conf", "hosts"}

// file is what a name stands for. The zero file is missing.
type file struct {
	path string
	sig  rootfile.Signature
	bad  string // why it cannot be used
}

// state tells whether anything has changed: compare with ==.
type state [numFiles]file

// settled says that no file was changed so shortly before now that another
// change could leave the same signature. It goes by the time that the file's
// owner cannot set; where the file system's clock is ahead, nothing is kept.
func (s state) settled(now time.Time) bool {
	const tick = time.Second
	for _, f := range s {
		if f.path != "" && f.bad == "" && f.sig.CtimeNs > now.Add(-tick).UnixNano() {
			return false
		}
	}
	return true
}

// sameFaults says that reading brought no fault to light that looking did not:
// such a fault may be gone next time, with the file unchanged.
func (s state) sameFaults(looked state) bool {
	for i := range s {
		if s[i].bad != looked[i].bad {
			return false
		}
	}
	return true
}

// look finds the files without reading them.
func (r *Reader) look(ctx context.Context, root *os.File, etc string) (state, error) {
	var s state
	for i, name := range names {
		for _, p := range resolvconf.Candidates(etc, name) {
			sig, err := r.files.Stat(ctx, int(root.Fd()), p)
			if errors.Is(err, rootfile.ErrNotExist) {
				continue
			}
			if fatal(err) {
				return s, err
			}
			s[i] = file{path: p, sig: sig, bad: text(err)}
			break
		}
	}
	return s, nil
}

// fatal errors are not the file's: the next file would fail too.
func fatal(err error) bool {
	return errors.Is(err, rootfile.ErrStuck) || errors.Is(err, rootfile.ErrNoProc)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// read reads what look found, and notes in s what changed since.
func (r *Reader) read(ctx context.Context, root *os.File, etc string, s *state) (*Config, error) {
	sum, err := r.sumHosts(ctx, root, s)
	if err != nil {
		return nil, err
	}
	read := func(path string) ([]byte, error) {
		i := resolv
		if path != s[resolv].path {
			i = nsswitch
		}
		data, e := r.readOne(ctx, root, &s[i], path)
		if fatal(e) {
			err = e
		}
		return data, e
	}
	// What Load returns as its error is in s, file by file.
	parsed, _ := resolvconf.Load(read, etc, sum)
	if err != nil {
		return nil, err
	}
	return newConfig(parsed, s), nil
}

// sumHosts hashes the lines of hosts, and why resolv.conf is of no use: such a
// root fails where one without a resolv.conf asks the local server.
func (r *Reader) sumHosts(ctx context.Context, root *os.File, s *state) ([32]byte, error) {
	sum := sha256.New()
	f := &s[hosts]
	if f.path != "" && f.bad == "" {
		sig, err := r.files.Scan(ctx, int(root.Fd()), f.path, resolvconf.MaxHostsSize, func(line []byte) bool {
			sum.Write(line)
			sum.Write([]byte{'\n'})
			return true
		})
		if fatal(err) {
			return [32]byte{}, err
		}
		if f.sig, f.bad = sig, text(err); err != nil {
			sum.Reset()
		}
	}
	return [32]byte(sum.Sum(nil)), nil
}

// readOne reads one of the small files, if look found it at path.
func (r *Reader) readOne(ctx context.Context, root *os.File, f *file, path string) ([]byte, error) {
	switch {
	case f.path != path:
		return nil, fs.ErrNotExist
	case f.bad != "":
		return nil, errors.New(f.bad)
	}
	got, err := r.files.Read(ctx, int(root.Fd()), path, maxSmall)
	if errors.Is(err, rootfile.ErrNotExist) { // gone since look
		*f = file{}
		return nil, fs.ErrNotExist
	}
	f.sig, f.bad = got.Sig, text(err)
	return got.Data, err
}

// newConfig puts into our own terms what resolvconf found.
func newConfig(c resolvconf.Config, s *state) *Config {
	conf := &Config{
		Hash:    c.Hash,
		Sources: c.Sources,
		NoAAAA:  c.Resolv.NoAAAA,
		Implied: c.Implied,
		hosts:   s[hosts],
		DNS: dnsquery.Config{
			Search:        c.Resolv.Search,
			Ndots:         c.Resolv.NDots,
			Timeout:       c.Resolv.Timeout,
			Attempts:      c.Resolv.Attempts,
			Rotate:        c.Resolv.Rotate,
			UseTCP:        c.Resolv.UseTCP,
			SingleRequest: c.Resolv.SingleRequest,
			NoTLDQuery:    c.Resolv.NoTLDQuery,
		},
	}
	for _, addr := range c.Resolv.Servers {
		conf.DNS.Servers = append(conf.DNS.Servers, netip.AddrPortFrom(addr, 53))
	}
	for _, n := range c.Notes {
		conf.Notes = append(conf.Notes, n.String())
	}
	for i, f := range s {
		if f.bad != "" {
			conf.Notes = append(conf.Notes, names[i]+" is not used: "+f.bad)
		}
	}
	if bad := s[resolv].bad; bad != "" {
		conf.Unusable = errors.New(bad)
		conf.Hash = sha256.Sum256(append([]byte("resolv.conf is unusable\n"), c.Hash[:]...))
	}
	return conf
}
