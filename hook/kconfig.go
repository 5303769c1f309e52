package hook

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// StaticHelper is the kernel's CONFIG_STATIC_USERMODEHELPER: if set, the kernel
// runs Path for every upcall instead of /sbin/request-key, or nothing at all
// where Path is "" (kernel/umh.c, call_usermodehelper_setup).
type StaticHelper struct {
	Known  bool   `json:"known"`
	Set    bool   `json:"set"`
	Path   string `json:"path,omitempty"`
	Source string `json:"source,omitempty"`
}

const maxConfig = 4 << 20

// staticHelper reads the kernel's configuration where it can be had.
func (h *Host) staticHelper() (StaticHelper, error) {
	var un unix.Utsname
	if err := unix.Uname(&un); err != nil {
		return StaticHelper{}, fmt.Errorf("hook: uname: %w", err)
	}
	for _, name := range []string{"/proc/config.gz", "/boot/config-" + unix.ByteSliceToString(un.Release[:])} {
		f, err := h.openRegular(name)
		if err != nil {
			return StaticHelper{}, fmt.Errorf("hook: %w", err)
		}
		if f == nil {
			continue
		}
		found, err := readConfig(f, strings.HasSuffix(name, ".gz"))
		f.Close()
		if err != nil {
			return StaticHelper{}, fmt.Errorf("hook: %s: %w", name, err)
		}
		found.Source = name
		return found, nil
	}
	return StaticHelper{}, nil
}

func readConfig(f *os.File, zipped bool) (StaticHelper, error) {
	var r io.Reader = f
	if zipped {
		z, err := gzip.NewReader(f)
		if err != nil {
			return StaticHelper{}, err
		}
		defer z.Close()
		r = z
	}
	s := StaticHelper{Known: true} // a configuration without the line is that of a kernel without the option
	lines := bufio.NewScanner(io.LimitReader(r, maxConfig))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "CONFIG_STATIC_USERMODEHELPER":
			s.Set = value == "y"
		case "CONFIG_STATIC_USERMODEHELPER_PATH":
			s.Path = strings.Trim(value, `"`)
		}
	}
	return s, lines.Err()
}
