package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// ttl is the lifetime of every answer in seconds: longer than any lane, so that
// an answer served to the wrong client cannot hide by having run out.
const ttl = 3600

// nameserver serves NAME=ADDRESS... on LISTEN (host:port) over UDP and TCP until
// it is killed; other names do not exist.
func nameserver(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: nameserver LISTEN NAME=ADDRESS [NAME=ADDRESS]")
	}
	zone := zone{}
	for _, arg := range args[1:] {
		name, text, _ := strings.Cut(arg, "=")
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("%q: %w", arg, err)
		}
		zone[dns.CanonicalName(name)] = addr
	}
	ended := make(chan error)
	for _, network := range []string{"udp", "tcp"} {
		server := &dns.Server{Addr: args[0], Net: network, Handler: zone}
		go func() { ended <- server.ListenAndServe() }()
	}
	return <-ended
}

// A zone has one address for each canonical name.
type zone map[string]netip.Addr

// ServeDNS answers one question: with the address where it is of the family
// asked for, with no record where it is not, and NXDOMAIN for another name.
func (z zone) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	answer := new(dns.Msg).SetReply(question)
	answer.Authoritative = true
	if len(question.Question) == 1 {
		addr, known := z[dns.CanonicalName(question.Question[0].Name)]
		if !known {
			answer.Rcode = dns.RcodeNameError
		}
		answer.Answer = records(question.Question[0], addr)
	}
	_ = w.WriteMsg(answer) // the asker asks again
}

func records(q dns.Question, addr netip.Addr) []dns.RR {
	header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: ttl}
	switch {
	case q.Qtype == dns.TypeA && addr.Is4():
		return []dns.RR{&dns.A{Hdr: header, A: addr.AsSlice()}}
	case q.Qtype == dns.TypeAAAA && addr.Is6():
		return []dns.RR{&dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}}
	}
	return nil
}
