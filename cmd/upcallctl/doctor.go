package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/upcalld/upcalld/api"
	"github.com/upcalld/upcalld/hook"
	"github.com/upcalld/upcalld/keyring"
	"github.com/upcalld/upcalld/nscontext"
)

// finding is what the doctor says of one thing: how it is, and what to do.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // ok, note or bad
	Says   string `json:"says"`
	Advice string `json:"advice,omitempty"`
}

// checks are asked in this order; each sees only what it asks for itself.
var checks = []struct {
	name string
	ask  func(*invocation) finding
}{
	{"root", checkRoot},
	{"kernel keys", checkKeys},
	{"kernel version", checkKernel},
	{"namespaces", checkNamespaces},
	{"hook", checkHook},
	{"static usermode helper", checkStatic},
	{"stacks", checkStacks},
	{"upcalld", checkBroker},
	{"unregistered upcalls", checkUnregistered},
}

// doctor fails if any finding is bad.
func doctor(i *invocation) error {
	if _, err := i.parse(0, 0); err != nil {
		return err
	}
	var found []finding
	bad := 0
	for _, c := range checks {
		f := c.ask(i)
		f.Check = c.name
		if f.State == "bad" {
			bad++
		}
		found = append(found, f)
	}
	if err := printFindings(i, found); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d checks are bad", bad, len(found))
	}
	return nil
}

func printFindings(i *invocation, found []finding) error {
	if i.json {
		return i.printJSON(found)
	}
	w := tabwriter.NewWriter(i.out, 0, 0, 2, ' ', 0)
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.State, f.Check, f.Says)
		if f.Advice != "" {
			fmt.Fprintf(w, "\t\t-> %s\n", f.Advice)
		}
	}
	return w.Flush()
}

func ok(format string, a ...any) finding {
	return finding{State: "ok", Says: fmt.Sprintf(format, a...)}
}

func note(advice, format string, a ...any) finding {
	return finding{State: "note", Says: fmt.Sprintf(format, a...), Advice: advice}
}

func bad(advice, format string, a ...any) finding {
	return finding{State: "bad", Says: fmt.Sprintf(format, a...), Advice: advice}
}

func checkRoot(*invocation) finding {
	if os.Geteuid() != 0 {
		return bad("run it as root; what follows may be wrong", "this is uid %d", os.Geteuid())
	}
	return ok("running as root")
}

func checkKeys(*invocation) finding {
	if err := keyring.Supported(); err != nil {
		return bad("upcalls need a kernel with CONFIG_KEYS", "%v", err)
	}
	keys, err := os.ReadFile("/proc/keys")
	if err != nil {
		return bad("the kernel needs CONFIG_KEYS, and /proc must be mounted", "%v", err)
	}
	if !strings.Contains(string(keys), " .dns_resolver: ") {
		return note("modprobe dns_resolver, or wait: the first NFS, SMB, AFS or Ceph mount loads it",
			"the kernel's DNS resolver is not loaded")
	}
	return ok("keys and the kernel's DNS resolver are there")
}

func checkKernel(*invocation) finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return bad("", "%v", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 1 {
		return bad("Linux 6.1 is the oldest that upcalld is made for", "Linux %s", release)
	}
	return ok("Linux %s", release)
}

func checkNamespaces(*invocation) finding {
	if _, err := nscontext.Initial(); err != nil {
		return bad("run upcalld on the host itself, with CAP_SYS_PTRACE, not in a container", "%v", err)
	}
	return ok("this is the host's pid namespace")
}

func checkHook(i *invocation) finding {
	s, err := hook.Host{}.Status(defaultStub())
	if err != nil {
		return bad("", "%v", err)
	}
	switch {
	case s.Mode == hook.ModeNone:
		return bad("upcallctl hook enable", "there is no /sbin/request-key: no upcall is answered at all")
	case s.Mode == hook.ModeStock:
		return bad("upcallctl hook enable", "/sbin/request-key is another program's: upcalls do not reach upcalld")
	case s.Mode == hook.ModeForeign:
		return bad("upcallctl hook enable", "/sbin/request-key was replaced after the hook was enabled: upcalls do not reach upcalld")
	case s.ShadowedBy != "":
		return bad("take that line out", "the line in /etc/request-key.d is never used: %s is preferred", s.ShadowedBy)
	case s.Pending:
		return note("upcallctl hook enable", "/sbin/request-key is another version of the stub than the one installed")
	}
	return ok("mode %s", s.Mode)
}

func checkStatic(*invocation) finding {
	s, err := hook.Host{}.Status("")
	if err != nil {
		return bad("", "%v", err)
	}
	h := s.StaticHelper
	switch {
	case !h.Known:
		return note("look for CONFIG_STATIC_USERMODEHELPER in the kernel's configuration; it must not be set",
			"the kernel's configuration cannot be read")
	case h.Set:
		return bad("this kernel starts that program for every upcall; it must start /sbin/request-key when asked to",
			"CONFIG_STATIC_USERMODEHELPER is set to %q", h.Path)
	}
	return ok("the kernel starts /sbin/request-key itself")
}

func checkStacks(*invocation) finding {
	if _, err := os.ReadFile("/proc/self/stack"); err != nil {
		return note("answers stay right, but where other tasks wait on the same key it is refused (EBUSY), also if they are of the same container",
			"kernel stacks cannot be read: %v", err)
	}
	return ok("waiting tasks can be told apart")
}

func checkBroker(i *invocation) finding {
	var s api.StatusOut
	if err := i.call("Status", nil, &s); err != nil {
		if errors.Is(err, errOffline) {
			return bad("systemctl start upcalld.socket, or start it by hand: upcalld", "%v", err)
		}
		return bad("", "%v", err)
	}
	return ok("version %s answers at %s", s.Version, i.socket)
}

func checkUnregistered(i *invocation) finding {
	var s api.StatusOut
	if err := i.call("Status", nil, &s); err != nil {
		return note("", "unknown: upcalld does not answer")
	}
	if n := s.Counters["unregistered"]; n > 0 {
		return note("the log says which (journalctl -u upcalld); register those containers",
			"%d upcalls came from namespaces nobody registered", n)
	}
	return ok("none")
}
