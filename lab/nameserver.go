package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// NameServer is a real DNS server on UDP and TCP inside a namespace. Its
// methods may be called concurrently.
type NameServer struct {
	behaviour atomic.Pointer[Behaviour]
	done      chan struct{} // closed when the server stops: no behaviour outlives it
	servers   []*dns.Server

	mu     sync.Mutex // guards counts and total
	counts map[string]int
	total  int
}

// NameServer starts a server on port 53 of the addresses inside the port's
// server namespace; without addresses, of the server's own.
func (p *Port) NameServer(b Behaviour, addrs ...netip.Addr) (*NameServer, error) {
	if len(addrs) == 0 {
		addrs = p.ServerAddrs()
	}
	return p.lab.nameServer(p.Server, b, addrs)
}

// HostNameServer starts a server on port 53 of a loopback address of the host.
func (l *Lab) HostNameServer(b Behaviour, addr netip.Addr) (*NameServer, error) {
	return l.nameServer(Netns{}, b, []netip.Addr{addr})
}

func (l *Lab) nameServer(ns Netns, b Behaviour, addrs []netip.Addr) (*NameServer, error) {
	s := &NameServer{done: make(chan struct{}), counts: make(map[string]int)}
	s.behaviour.Store(&b)
	err := ns.Do(func() error { return s.listen(addrs) })
	if err == nil {
		err = s.serve()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lab: name server in %q: %w", ns.Name, err), s.Stop())
	}
	l.onClose("name server in "+ns.Name, s.Stop)
	return s, nil
}

// listen makes the sockets; it must run on a thread in the server's namespace.
func (s *NameServer) listen(addrs []netip.Addr) error {
	for _, a := range addrs {
		hostport := netip.AddrPortFrom(a, 53).String()
		packets, err := net.ListenPacket("udp", hostport)
		if err != nil {
			return err
		}
		s.add(&dns.Server{PacketConn: packets, UDPSize: dns.MaxMsgSize})
		streams, err := net.Listen("tcp", hostport)
		if err != nil {
			return err
		}
		s.add(&dns.Server{Listener: streams})
	}
	return nil
}

func (s *NameServer) add(d *dns.Server) {
	d.Handler = dns.HandlerFunc(s.handle)
	s.servers = append(s.servers, d)
}

// serve starts every listener and returns when all of them are up.
func (s *NameServer) serve() error {
	up := make(chan error, 2*len(s.servers))
	for _, d := range s.servers {
		d.NotifyStartedFunc = func() { up <- nil }
		go func() {
			if err := d.ActivateAndServe(); err != nil {
				up <- err
			}
		}()
	}
	for range s.servers {
		if err := <-up; err != nil {
			return err
		}
	}
	return nil
}

// Stop ends the server; a second call does nothing.
func (s *NameServer) Stop() error {
	select {
	case <-s.done:
		return nil
	default:
		close(s.done)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for _, d := range s.servers {
		if err := d.ShutdownContext(ctx); err != nil {
			errs = append(errs, err, closeSockets(d))
		}
	}
	return errors.Join(errs...)
}

func closeSockets(d *dns.Server) error {
	if d.PacketConn != nil {
		return d.PacketConn.Close()
	}
	return d.Listener.Close()
}

// Set changes what the server does, from the next question on.
func (s *NameServer) Set(b Behaviour) { s.behaviour.Store(&b) }

// Count says how many questions for the name came, of any type, by UDP or TCP.
func (s *NameServer) Count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[strings.ToLower(dns.Fqdn(name))]
}

// Total says how many questions came.
func (s *NameServer) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *NameServer) handle(w dns.ResponseWriter, q *dns.Msg) {
	if len(q.Question) != 1 {
		return
	}
	s.mu.Lock()
	s.counts[strings.ToLower(q.Question[0].Name)]++
	s.total++
	s.mu.Unlock()
	(*s.behaviour.Load())(Reply{w, s.done}, q)
}
