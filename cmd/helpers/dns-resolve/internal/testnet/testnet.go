// Package testnet gives this helper's tests a network of their own, where port
// 53 is free and nothing outside can be reached.
package testnet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// Main runs the tests again in new network and mount namespaces, where the
// loopback is up. Without root it skips them all, and says so; in CI that fails.
func Main(m *testing.M) {
	const inside = "UPCALLD_TESTNET"
	if os.Getuid() != 0 {
		fmt.Println("SKIP: needs root for a network namespace")
		if os.Getenv("CI") == "true" {
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(inside) != "" {
		Run("ip", "link", "set", "lo", "up")
		os.Exit(m.Run())
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWNET,
		Unshareflags: syscall.CLONE_NEWNS, // makes / private too
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// Run runs a command that must succeed.
func Run(name string, args ...string) {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s %s: %v: %s", name, strings.Join(args, " "), err, out))
	}
}

// Serve runs a name server at addr, port 53, until the test ends. It knows the
// records, in zone file form, and names that begin with a verb: "servfail",
// "refused" and "silent". Anything else does not exist.
func Serve(t testing.TB, addr string, records ...string) {
	t.Helper()
	var zone []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		zone = append(zone, rr)
	}
	handle := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) { respond(w, q, zone) })
	udp, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", net.JoinHostPort(addr, "53"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handle}, {Listener: tcp, Handler: handle}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
}

func respond(w dns.ResponseWriter, q *dns.Msg, zone []dns.RR) {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	m.Rcode = dns.RcodeNameError
	name := dns.CanonicalName(q.Question[0].Name)
	switch label, _, _ := strings.Cut(name, "."); label {
	case "servfail":
		m.Rcode = dns.RcodeServerFailure
	case "refused":
		m.Rcode = dns.RcodeRefused
	case "silent":
		return
	}
	for _, rr := range zone {
		if rr.Header().Name == name {
			if m.Rcode = dns.RcodeSuccess; rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
	}
	_ = w.WriteMsg(m)
}

// Root makes a root directory with files; the keys are paths below it.
func Root(t testing.TB, files map[string]string) string {
	t.Helper()
	root, err := os.MkdirTemp("", "root")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range files {
		p := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
